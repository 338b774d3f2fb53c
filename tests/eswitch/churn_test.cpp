// Rules change at full speed while packets flow. Run under ThreadSanitizer as well.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "random_rules.hpp"

namespace eswitch_test {
namespace {

using Kind = OracleAction::Kind;

/// From `vport`: destination and source of the frame become this generation's, in two groups, and it leaves
/// on wire 0.
std::vector<OracleRule> generation_rule(unsigned vport, uint32_t priority, uint8_t generation) {
  OracleRule rule;
  rule.priority = priority;
  rule.items = {{RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT, {static_cast<uint8_t>(vport), 0}, {}, {}},
                {RTE_FLOW_ITEM_TYPE_ETH, {}, {}, {}}};
  rule.actions = {{Kind::kSetMacDst, 0, 0, 0, Bytes(6, generation)},
                  {Kind::kPushVlan, 0, 0, 0, {}},
                  {Kind::kVxlanEncap, 0, 0, 0, Bytes(14, generation)},
                  {Kind::kToWire, 0, 0, 0, {}}};
  return {rule};
}

rte_flow* create(const TestSwitch& sw, const OracleRule& rule) {
  const FlowRule flow(rule, sw);
  return rte_flow_create(sw.port(0), &flow.attr(), flow.items(), flow.actions(), nullptr);
}

struct Seen {
  uint64_t executed = 0, missed = 0;
};

/// A frame came out whole: all of one generation's actions, or none.
void check(const Bytes& frame, const Bytes& original, bool on_wire, Seen& seen) {
  if (!on_wire) {
    ASSERT_EQ(frame, original);
    ++seen.missed;
    return;
  }
  ASSERT_EQ(frame.size(), original.size() + 4 + 14);
  for (size_t i = 0; i < 20; ++i) ASSERT_EQ(frame[i], frame[0]);
  ++seen.executed;
}

TEST(Churn, EveryPacketIsExecutedWholeOrMissedWhole) {
  const char* wanted = std::getenv("CHURN_SECONDS");
  const auto duration = std::chrono::seconds(wanted != nullptr ? std::atoi(wanted) : 5);
  TestSwitch sw(3);
  const Bytes frame = RandomWorld(1, 3).frame();
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> operations{0};
  // Port 1's rule comes and goes. Port 2's is replaced, the new one made before the old one is destroyed: no
  // gap.
  std::thread churner([&] {
    rte_flow* standing = create(sw, generation_rule(2, 1, 0x20)[0]);
    for (unsigned turn = 0; !stop.load(std::memory_order_relaxed); ++turn) {
      const auto generation = static_cast<uint8_t>(0x20 + 2 * (turn % 64));
      rte_flow* passing = create(sw, generation_rule(1, 0, generation)[0]);
      rte_flow* next = create(sw, generation_rule(2, turn % 2, generation)[0]);
      rte_flow_destroy(sw.port(0), standing, nullptr);
      rte_flow_destroy(sw.port(0), passing, nullptr);
      standing = next;
      operations.fetch_add(4, std::memory_order_relaxed);
    }
    rte_flow_destroy(sw.port(0), standing, nullptr);
  });
  while (operations.load(std::memory_order_relaxed) == 0) std::this_thread::yield();
  Seen seen[3];
  uint64_t sent = 0;
  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end && !HasFatalFailure()) {
    for (unsigned i = 0; i < 256; ++i) sw.arrive(1 + i % 2, frame), ++sent;
    sw.settle();
    // What left says by its size only that it was executed; whose it was, the misses tell.
    for (const Bytes& out : sw.left(0)) check(out, frame, true, seen[0]);
    for (unsigned vport = 1; vport < 3; ++vport)
      for (const Bytes& out : sw.received(vport)) check(out, frame, false, seen[vport]);
  }
  stop.store(true, std::memory_order_relaxed);
  churner.join();
  EXPECT_EQ(seen[0].executed + seen[1].missed + seen[2].missed, sent);
  EXPECT_GT(seen[1].missed, 0u);
  EXPECT_GT(seen[0].executed, sent / 2);
  EXPECT_EQ(seen[2].missed, 0u) << "a replaced rule left a gap";
  std::printf("churn: %lu rule operations, %lu packets, %lu executed, %lu missed\n",
              static_cast<unsigned long>(operations.load()), static_cast<unsigned long>(sent),
              static_cast<unsigned long>(seen[0].executed), static_cast<unsigned long>(seen[1].missed));
}

}  // namespace
}  // namespace eswitch_test
