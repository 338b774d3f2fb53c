// Fences: what was posted to a plain NIC that is slow, and a change of its rules that loses none of it.
#include <atomic>
#include <map>
#include <thread>

#include "nic.hpp"

namespace culvert::testing {
namespace {

class SlowNic : public Nic {
 protected:
  SlowNic() : Nic(",tx_delay_us=20000") {
    never_leak();
    make_slot(kMark, rule(0, 0x1111).header);
    resolve(0, 0x2222, kMark);
  }
  // A switch that gets no core sends nothing, and a full queue drops: at most half of one (512) is under way.
  static constexpr uint32_t kMaxUnderWay = 256;
};

TEST_F(SlowNic, AFenceWaitsUntilAllIsSent) {
  for (int i = 0; i < 10; ++i) arrive(tenant, udp_frame(9, 1, 100));
  turn();
  const auto fence = path->fence();
  turn();
  EXPECT_FALSE(path->passed(fence));
  EXPECT_TRUE(wait_for([&] { return path->passed(fence); }, [&] { turn(); }));
  EXPECT_TRUE(wait_for([&] { return wire.from_switch.ready() == 10; }, [] {}));
}

TEST_F(SlowNic, AFencePassesUnderTraffic) {
  uint64_t posted = 0;
  const auto traffic = [&] {
    if (posted - wire.from_switch.ready() < kMaxUnderWay) {
      arrive(tenant, udp_frame(9, 1, 100));
      ++posted;
    }
    turn();
    usleep(500);
  };
  for (int i = 0; i < 20; ++i) traffic();
  const auto fence = path->fence();
  const uint64_t before = posted;
  EXPECT_TRUE(wait_for([&] { return path->passed(fence); }, traffic));
  EXPECT_LT(posted, before + 2000);  // long before the traffic ends
  // What was posted before is through the rules, though it may still be on its way through the test's wire.
  resolve(0, 0x2222, 0);
  EXPECT_TRUE(wait_for([&] { return wire.from_switch.ready() >= before; }, [] {}));
  EXPECT_TRUE(wait_for([&] { return wire.from_switch.ready() == posted; }, [] {}));
  for (const Bytes& frame : take(wire)) EXPECT_EQ(frame.size(), 150u);
}

// The whole manoeuvre, again and again, under traffic: the workers write the new header themselves, a fence
// passes, the old rule goes and the new one takes its mark, which the workers then use. No frame is lost,
// none goes without a header, none comes out of order, and none with an old next hop once a change is
// through.
TEST_F(SlowNic, ANewNextHopLosesNothing) {
  std::atomic<bool> running{true};
  std::atomic<uint32_t> sent{0}, came{0};
  constexpr uint32_t kOwnMark = kMark + 1;
  unsigned gateway = 1;
  rte_flow* slot = make_slot(kOwnMark, rule(0, gateway).header);
  resolve(0, gateway, kOwnMark);
  std::thread worker([&] {
    domain->online(1);
    while (running.load()) {
      const uint32_t number = sent.load();
      const bool more = number - came.load() < kMaxUnderWay;
      if (more) {
        Bytes frame = udp_frame(9, 1, 100);
        put16(frame, 60, number >> 16);
        put16(frame, 62, number & 0xffff);
        arrive(tenant, frame);
      }
      path->worker(0).turn();
      if (more) sent.store(number + 1);
      domain->offline(1);
      usleep(200);
      domain->online(1);
    }
    for (int i = 0; i < 3; ++i) path->worker(0).turn();
    domain->offline(1);
  });
  std::vector<Bytes> frames;
  const auto drain = [&] {
    for (Bytes& frame : take(wire)) frames.push_back(std::move(frame));
    came.store(static_cast<uint32_t>(frames.size()));
  };
  const auto pass = [&] {
    const auto fence = path->fence();
    EXPECT_TRUE(wait_for([&] { return path->passed(fence); },
                         [&] {
                           path->poll(now, 64);
                           drain();
                           usleep(200);
                         }));
  };
  std::map<unsigned, uint32_t> begun_at, done_at;  // by gateway: numbers of frames
  for (int change = 0; change < 15; ++change) {
    begun_at[gateway + 1] = sent.load();
    resolve(0, ++gateway, 0);
    pass();
    done_at[gateway] = sent.load();
    destroy(slot);
    slot = make_slot(kOwnMark, rule(0, gateway).header);
    resolve(0, gateway, kOwnMark);
    const uint64_t marked = path->stats().marked;
    EXPECT_TRUE(wait_for([&] { return path->stats().marked >= marked + 5; },
                         [&] {
                           drain();
                           usleep(200);
                         }));
  }
  running.store(false);
  worker.join();
  EXPECT_TRUE(wait_for([&] { return frames.size() >= sent.load(); }, drain));
  ASSERT_EQ(frames.size(), sent.load());
  for (uint32_t number = 0; number < frames.size(); ++number) {
    ASSERT_EQ(frames[number].size(), 150u);
    ASSERT_EQ(static_cast<uint32_t>(get16(frames[number], 110) << 16 | get16(frames[number], 112)), number);
    const unsigned used = frames[number][5];
    if (used != 1) {
      EXPECT_GE(number, begun_at[used]);
    }
    if (done_at.contains(used + 1)) {
      EXPECT_LT(number, done_at[used + 1]);
    }
  }
  const auto stats = path->stats();
  EXPECT_GT(stats.marked, 50u);
  EXPECT_GT(stats.encapsulated - stats.marked, 50u);
  destroy(slot);
}

}  // namespace
}  // namespace culvert::testing
