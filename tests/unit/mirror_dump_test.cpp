// Dumps that come to nothing: the mirror keeps its last state, says so, and mends itself.
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/eventfd.h>

#include <deque>

#include "base/c_handle.hpp"
#include "mirror_lab.hpp"

namespace culvert::mirror {
namespace {

// Answers requests by hand; events never come.
class Script : public netlink::Channel {
 public:
  int fd() const override { return fd_.get(); }
  netlink::Received receive(const std::function<void(const nlmsghdr&)>& handle) override {
    if (answers.empty()) return netlink::Received::nothing;
    const auto [received, header, code] = answers.front();
    answers.pop_front();
    const struct {
      nlmsghdr header;
      int code;
    } done{header, code};
    if (received == netlink::Received::messages) handle(done.header);
    return received;
  }
  Result<uint32_t> send(netlink::MessagePtr) override {
    ++requests;
    return requests;
  }
  // A dump's end, with these flags and this code, for the request under way.
  void done(uint16_t flags, int code) {
    answers.push_back({netlink::Received::messages, {20, NLMSG_DONE, flags, requests, 0}, code});
  }
  struct Answer {
    netlink::Received received;
    nlmsghdr header;
    int code;
  };
  std::deque<Answer> answers;
  uint32_t requests = 0;

 private:
  UniqueFd fd_{::eventfd(0, EFD_NONBLOCK)};
};

// After the first sync another stands in the kernel's place, until the mirror opens new sockets.
class BadKernel : public Lab {
 protected:
  // Hands on to what it has now.
  struct Switch : netlink::Channel {
    int fd() const override { return real->fd(); }
    netlink::Received receive(const std::function<void(const nlmsghdr&)>& handle) override {
      return script != nullptr ? script->receive(handle) : real->receive(handle);
    }
    Result<uint32_t> send(netlink::MessagePtr message) override {
      return script != nullptr ? script->send(std::move(message)) : real->send(std::move(message));
    }
    std::unique_ptr<netlink::Channel> real;
    Script* script = nullptr;
  };

  void SetUp() override {
    Lab::SetUp();
    make_links();
    Options options;
    options.retry_after = 10ms;
    options.open = [this](const netlink::SocketOptions& wanted) -> Result<std::unique_ptr<netlink::Channel>> {
      auto real = netlink::Socket::open_channel(wanted);
      auto made = std::make_unique<Switch>();
      made->real = std::move(*real);
      if (!wanted.events) dumps = made.get();
      return made;
    };
    mirror = make(options);
    mirror->subscribe(replica);
    sync(*mirror);
    state = lines(*mirror);
    deltas = replica.deltas.size();
    dumps->script = &script;
    mirror->resync();
  }

  // Answers the request under way, when there is one.
  void answer(uint16_t flags, int code) {
    const uint32_t before = script.requests;
    for (int turn = 0; turn < 10 && script.requests == before; ++turn) mirror->poll(64, Clock::now());
    script.done(flags, code);
    mirror->poll(64, Clock::now());
  }
  void expect_last_state() {
    EXPECT_EQ(lines(*mirror), state);
    EXPECT_EQ(replica.deltas.size(), deltas);
    EXPECT_FALSE(mirror->stats().consistent);
  }

  Replica replica;
  std::unique_ptr<Mirror> mirror;
  std::vector<std::string> state;
  size_t deltas = 0;
  Switch* dumps = nullptr;
  Script script;
};

TEST_F(BadKernel, InterruptedDumpsAreRepeatedAndThenPutOff) {
  for (int i = 0; mirror->next_timer() == TimePoint::max(); ++i) {
    ASSERT_LT(i, 100);
    answer(NLM_F_DUMP_INTR, 0);
    expect_last_state();
  }
  EXPECT_GE(script.requests, 5 * 9u) << "five tries";
  EXPECT_NE(mirror->stats().state.find("tries again with back-off (the dump was interrupted)"),
            std::string::npos);
  dumps->script = nullptr;
  mirror->on_timer(mirror->next_timer());
  sync(*mirror);
  EXPECT_TRUE(mirror->stats().consistent);
  EXPECT_EQ(mirror->stats().state, "follows the kernel");
  EXPECT_EQ(lines(*mirror), state);
  EXPECT_EQ(replica.deltas.size(), deltas) << "nothing is different";
}

TEST_F(BadKernel, ADumpThatEndsInAnErrorCountsForNothing) {
  for (int i = 0; mirror->next_timer() == TimePoint::max(); ++i) {
    ASSERT_LT(i, 100);
    answer(0, i % 3 == 0 ? -ENOMEM : 0);
    expect_last_state();
  }
}

TEST_F(BadKernel, ADumpThatDoesNotEndChangesNothing) {
  for (int turn = 0; turn < 10; ++turn) mirror->poll(64, Clock::now());
  expect_last_state();
  EXPECT_NE(mirror->stats().state.find("reads the kernel's tables: 0 objects so far"), std::string::npos);
}

// The first sync of a large kernel takes its time: a line a second says how far it is.
TEST_F(BadKernel, ALongSyncTellsThatItGoesOn) {
  const TimePoint begin = Clock::now();
  ::testing::internal::CaptureStderr();
  for (int tenth = 0; tenth < 35; ++tenth) mirror->poll(64, begin + tenth * 100ms);
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::string line = "epoch 2: reads the kernel's tables: 0 objects so far";
  size_t told = 0;
  for (size_t at = log.find(line); at != std::string::npos; at = log.find(line, at + 1)) ++told;
  EXPECT_EQ(told, 3u) << log;
  EXPECT_EQ(mirror->stats().state, "reads the kernel's tables: 0 objects so far");
}

// Longer than any buffer: what was cut off is not known. New sockets are opened, of the real kernel.
TEST_F(BadKernel, ATruncatedDumpIsBegunAnew) {
  for (int turn = 0; turn < 10; ++turn) mirror->poll(64, Clock::now());
  script.answers.push_back({netlink::Received::overrun, {}, 0});
  mirror->poll(64, Clock::now());
  EXPECT_NE(mirror->stats().state.find("a netlink socket was lost"), std::string::npos);
  sync(*mirror);
  EXPECT_TRUE(mirror->stats().consistent);
  EXPECT_EQ(lines(*mirror), state);
  EXPECT_EQ(replica.deltas.size(), deltas);
}

// Hears nothing of policy rules.
class Deaf : public netlink::Channel {
 public:
  explicit Deaf(std::unique_ptr<netlink::Channel> real) : real_(std::move(real)) {}
  int fd() const override { return real_->fd(); }
  netlink::Received receive(const std::function<void(const nlmsghdr&)>& handle) override {
    return real_->receive([&](const nlmsghdr& message) {
      if (message.nlmsg_type != RTM_NEWRULE && message.nlmsg_type != RTM_DELRULE) handle(message);
    });
  }
  Result<uint32_t> send(netlink::MessagePtr message) override { return real_->send(std::move(message)); }

 private:
  const std::unique_ptr<netlink::Channel> real_;
};

TEST_F(Lab, TheSelfCheckComparesPolicyRulesToo) {
  make_links();
  ip("rule add pref 100 lookup 100");
  const auto open = [](const netlink::SocketOptions& wanted) -> Result<std::unique_ptr<netlink::Channel>> {
    auto real = netlink::Socket::open_channel(wanted);
    if (!wanted.events) return real;
    return std::make_unique<Deaf>(std::move(*real));
  };
  auto mirror = make({.open = open});
  sync(*mirror);
  ip("rule del pref 100\nrule add pref 200 lookup 200\nlink set v1 mtu 1400");
  sync(*mirror);
  check(*mirror);
  EXPECT_EQ(mirror->stats().corrections, 2u) << "one to remove and one to add";
  expect_fresh(*mirror);
}

}  // namespace
}  // namespace culvert::mirror
