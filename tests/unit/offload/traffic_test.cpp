// Nothing is lost, nothing is stale, nothing leaks while rules change: numbered frames through a switch and a
// plain NIC.
#include "gateway.hpp"

namespace culvert::offload::testing {
namespace {

using namespace std::chrono_literals;

// A frame with a number in its payload.
Bytes numbered(uint32_t number) {
  Bytes frame = inner_frame(kA, kB);
  std::memcpy(frame.data() + frame.size() - sizeof(number), &number, sizeof(number));
  return frame;
}
uint32_t number_of(const Bytes& frame) {
  uint32_t number = 0;
  std::memcpy(&number, frame.data() + frame.size() - sizeof(number), sizeof(number));
  return number;
}
uint8_t mac_of(const Bytes& frame) { return frame[5]; }

class Traffic : public ::testing::TestWithParam<LayoutWish> {};

TEST_P(Traffic, ThousandMacChangesLoseNothingAndLeaveNothingStale) {
  constexpr uint32_t kChanges = 1000, kFramesAChange = 5;
  Gateway gateway({.arguments = "profile=mlx5", .layout = GetParam()});
  gateway.resolve(0, 1);
  ASSERT_TRUE(gateway.add("one", 0));
  gateway.settle();
  uint32_t sent = 0, next = 0;
  const Bytes inner = numbered(0);
  for (uint32_t change = 0; change < kChanges; ++change) {
    const auto before = static_cast<uint8_t>(1 + change % 200),
               after = static_cast<uint8_t>(1 + (change + 1) % 200);
    gateway.resolve(0, after);
    for (uint32_t i = 0; i < kFramesAChange; ++i)
      gateway.wires.arrive(1, numbered(sent++));  // while it changes
    gateway.settle();
    gateway.wires.settle();
    for (const Bytes& frame : gateway.wires.left(0)) {
      ASSERT_EQ(frame.size(), inner.size() + 50);  // encapsulated
      ASSERT_EQ(number_of(frame), next++);         // none lost, none twice, in order
      ASSERT_TRUE(mac_of(frame) == before || mac_of(frame) == after);
    }
    ASSERT_TRUE(gateway.wires.received(1).empty());
    // The change is complete: no old MAC any more.
    gateway.wires.arrive(1, numbered(sent++));
    gateway.wires.settle();
    const auto left = gateway.wires.left(0);
    ASSERT_EQ(left.size(), 1u);
    ASSERT_EQ(number_of(left[0]), next++);
    ASSERT_EQ(mac_of(left[0]), after);
  }
  EXPECT_EQ(next, sent);
  EXPECT_TRUE(gateway.verify().empty());
}

INSTANTIATE_TEST_SUITE_P(Layouts, Traffic, ::testing::Values(LayoutWish::tagged, LayoutWish::flat),
                         [](const auto& info) {
                           return info.param == LayoutWish::tagged ? "tagged" : "flat";
                         });

std::optional<MarkReady> mark_of(Gateway& gateway) {
  std::optional<MarkReady> ready;
  for (const Event& event : gateway.offload->take_events())
    if (const auto* mark = std::get_if<MarkReady>(&event)) ready = *mark;
  return ready;
}

TEST(PlainNic, AMarkWorksUntilItIsDrainedAndNeverLeaks) {
  Gateway gateway({.wires = 1, .arguments = "profile=mlx5"});
  gateway.resolve(0, 1);
  ASSERT_TRUE(gateway.add("one", 0, {}, 100, 0));
  gateway.settle();
  const auto first = mark_of(gateway);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->encap, 0u);
  EXPECT_EQ(gateway.flow("one").state, FlowState::offloaded);
  const Bytes frame = inner_frame(kA, kB);
  EXPECT_EQ(gateway.way_of_marked(frame, first->mark), 1);
  EXPECT_EQ(gateway.way_of_marked(frame, 0), 0);  // without a mark it leaves as it is

  gateway.resolve(0, 2);
  gateway.settle();
  const auto second = mark_of(gateway);
  ASSERT_TRUE(second);
  EXPECT_NE(second->mark, first->mark);
  EXPECT_EQ(gateway.way_of_marked(frame, second->mark), 2);
  EXPECT_EQ(gateway.way_of_marked(frame, first->mark), 1);  // what workers posted before goes out complete
  gateway.offload->drained(0, second->generation);
  gateway.settle();
  EXPECT_EQ(gateway.way_of_marked(frame, second->mark), 2);
  EXPECT_EQ(gateway.way_of_marked(frame, first->mark), -2);  // never as an inner frame

  gateway.unresolve(0);
  gateway.settle();
  EXPECT_EQ(gateway.flow("one").state, FlowState::pending);
  gateway.offload->drained(0, UINT64_MAX);
  gateway.settle();
  EXPECT_EQ(gateway.way_of_marked(frame, second->mark), -2);
  EXPECT_TRUE(gateway.verify().empty());
}

// What misses on an isolated wire is the kernel's, but for the tunnels that end here.
TEST(Switch, EachOfTwoIsolatedUplinksBringsItsTunnelsUp) {
  for (const bool async : {false, true}) {
    Gateway gateway({.uplinks = 2, .arguments = "profile=mlx5", .async = async});
    gateway.resolve(0, 1);
    gateway.settle();
    EXPECT_TRUE(gateway.verify().empty());
    for (const unsigned uplink : {0u, 1u}) {
      gateway.wires.arrive(uplink, from_peer(inner_frame(kB, kA)));
      gateway.wires.arrive(uplink, inner_frame(kB, kA));
      gateway.wires.settle();
      EXPECT_EQ(gateway.wires.received(uplink).size(), 1u) << uplink;
    }
    gateway.offload->remove_encap(0);
    gateway.settle();
    EXPECT_EQ(gateway.offload->operations().rules, 0u);
  }
}

}  // namespace
}  // namespace culvert::offload::testing
