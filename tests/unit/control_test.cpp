#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "control/event_loop.hpp"
#include "control/port_holder.hpp"

namespace culvert::control {
namespace {

using namespace std::chrono_literals;

TEST(EventLoop, RunsTimersInTheirOrder) {
  EventLoop loop;
  std::string order;
  const TimePoint now = Clock::now();
  loop.at(now + 20ms, [&] {
    order += "c";
    loop.stop();
  });
  loop.at(now + 10ms, [&] { order += "b"; });
  loop.at(now, [&] { order += "a"; });
  loop.cancel(loop.at(now + 5ms, [&] { order += "x"; }));
  loop.run();
  EXPECT_EQ(order, "abc");
}

TEST(EventLoop, RepeatsUntilCancelledFromWithin) {
  EventLoop loop;
  int count = 0;
  EventLoop::TimerId id = 0;
  id = loop.every(1ms, [&] {
    if (++count == 3) loop.cancel(id);
  });
  loop.at(Clock::now() + 30ms, [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(count, 3);
}

// A signal that comes while culvert starts is read in a turn before run().
TEST(EventLoop, RemembersAStopFromBeforeItRan) {
  EventLoop loop;
  bool ran_on = false;
  loop.at(Clock::now() + 200ms, [&] {
    ran_on = true;
    loop.stop();
  });
  loop.at(Clock::now(), [&] { loop.stop(); });
  loop.turn(100ms);
  loop.run();
  EXPECT_FALSE(ran_on);
}

TEST(EventLoop, ADescriptorMayRemoveItselfAndOthers) {
  EventLoop loop;
  const UniqueFd one(::eventfd(1, EFD_NONBLOCK)), two(::eventfd(1, EFD_NONBLOCK));
  int calls = 0;
  const auto callback = [&](uint32_t) {
    ++calls;
    loop.remove_fd(one.get());
    loop.remove_fd(two.get());
  };
  loop.add_fd(one.get(), EPOLLIN, callback);
  loop.add_fd(two.get(), EPOLLIN, callback);
  loop.turn(100ms);
  loop.turn(1ms);
  EXPECT_EQ(calls, 1);
}

class PortHolderTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root";
    ASSERT_EQ(std::system("ip link set lo up"), 0);
  }

  // What a datagram to the port meets: 0, or ECONNREFUSED when the kernel answered port unreachable.
  static int answer(uint16_t port) {
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
    EXPECT_EQ(::send(fd.get(), "x", 1, 0), 1);
    int code = 0;
    socklen_t size = sizeof(code);
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &size);
    return code;
  }
};

TEST_F(PortHolderTest, KeepsTheKernelQuietWhileHeld) {
  PortHolder holder("");
  EXPECT_EQ(answer(4789), ECONNREFUSED);
  ASSERT_TRUE(holder.acquire(4789, false));
  ASSERT_TRUE(holder.acquire(4789, false));
  EXPECT_EQ(answer(4789), 0);
  holder.release(4789);
  EXPECT_EQ(answer(4789), 0);
  holder.release(4789);
  EXPECT_EQ(answer(4789), ECONNREFUSED);
}

TEST_F(PortHolderTest, SaysWhenThePortIsTaken) {
  PortHolder first(""), second("");
  ASSERT_TRUE(first.acquire(4789, false));
  const Status taken = second.acquire(4789, false);
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("4789"), std::string::npos);
  ASSERT_TRUE(second.acquire(4789, true)) << "a kernel device may hold it for us";
  first.release(4789);
  EXPECT_EQ(answer(4789), ECONNREFUSED);
  second.retry();
  EXPECT_EQ(answer(4789), 0) << "held once the other has gone";
}

TEST_F(PortHolderTest, NamesAMissingNamespace) {
  PortHolder holder("no-such-namespace");
  const Status status = holder.acquire(4789, false);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("no-such-namespace"), std::string::npos);
}

}  // namespace
}  // namespace culvert::control
