// Every fault that the embedded switch can make: nothing wrong leaves while it is on, `verify` names it, and
// when it is off everything comes to where it belongs by itself.
#include "gateway.hpp"

namespace culvert::offload::testing {
namespace {

using namespace std::chrono_literals;

struct Fault {
  const char* name;
  const char* fail;  // the switch's argument
  LayoutWish layout;
  bool async;

  friend void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }
};

class Faults : public ::testing::TestWithParam<Fault> {
 protected:
  static constexpr unsigned kFlows = 20;

  static std::string name_of(unsigned flow) { return fmt::format("flow{}", flow); }
  static Bytes frame_to(unsigned flow) {
    Bytes frame = inner_frame(kA, kB);
    frame[31] = static_cast<uint8_t>(flow);  // 10.flow.0.2
    return frame;
  }
  static void add(Gateway& gateway, unsigned flow) {
    ASSERT_TRUE(gateway.add(name_of(flow), 0, to_net(fmt::format("10.{}.0.0/16", flow))));
  }
  // Each frame leaves with this MAC or comes up; never with another one.
  static void expect_none_stale(Gateway& gateway, unsigned first, uint8_t mac) {
    for (unsigned flow = first; flow < 2 * kFlows; ++flow) {
      const int way = gateway.way_of(frame_to(flow));
      EXPECT_TRUE(way == mac || way == -1) << name_of(flow) << " leaves with " << way;
    }
  }
  static bool fails(const char* operation) {
    return std::string_view(GetParam().fail).find(operation) != std::string_view::npos;
  }
};

TEST_P(Faults, LeaveNoWrongState) {
  Gateway gateway({.arguments = "profile=mlx5", .layout = GetParam().layout, .async = GetParam().async});
  gateway.resolve(0, 1);
  for (unsigned flow = 0; flow < kFlows; ++flow) add(gateway, flow);
  gateway.settle();
  ASSERT_EQ(gateway.verify(), std::vector<std::string>());

  gateway.wires.set_fault("fail", GetParam().fail);
  gateway.resolve(0, 2);
  for (unsigned flow = 0; flow < kFlows / 2; ++flow) ASSERT_TRUE(gateway.client->remove(name_of(flow)));
  for (unsigned flow = kFlows; flow < 2 * kFlows; ++flow) add(gateway, flow);
  gateway.settle();
  // A rule that the NIC does not let go can do no harm but where nothing stands above it: of a flow that was
  // removed, or whose new rule was refused.
  const bool destroys = !fails("destroy") && !fails("complete"),
             creates = !fails("create") && !fails("complete");
  if (destroys || creates) expect_none_stale(gateway, destroys ? 0 : kFlows / 2, 2);
  const auto found = gateway.verify();
  ASSERT_FALSE(found.empty());
  const bool named = std::ranges::any_of(found, [](const std::string& line) {
    return line.find("Input/output error") != std::string::npos ||
           line.find("asynchron") != std::string::npos;
  });
  EXPECT_TRUE(named) << fmt::format("{}", fmt::join(found, "\n"));

  gateway.wires.set_fault("fail", "");
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!gateway.verify().empty() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(20ms);
  EXPECT_EQ(gateway.verify(), std::vector<std::string>());
  for (unsigned flow = kFlows / 2; flow < 2 * kFlows; ++flow) {
    EXPECT_EQ(gateway.flow(name_of(flow)).state, FlowState::offloaded) << gateway.flow(name_of(flow)).reason;
    EXPECT_EQ(gateway.way_of(frame_to(flow)), 2);
  }
  for (unsigned flow = 0; flow < kFlows / 2; ++flow) EXPECT_EQ(gateway.way_of(frame_to(flow)), -1);

  gateway.unresolve(0);
  gateway.settle();
  for (unsigned flow = 0; flow < 2 * kFlows; ++flow) EXPECT_EQ(gateway.way_of(frame_to(flow)), -1);
  for (unsigned flow = kFlows / 2; flow < 2 * kFlows; ++flow)
    ASSERT_TRUE(gateway.client->remove(name_of(flow)));
  gateway.offload->remove_encap(0);
  gateway.settle();
  EXPECT_EQ(gateway.offload->operations().rules, 0u);
}

constexpr auto kTagged = LayoutWish::tagged, kFlat = LayoutWish::flat;
INSTANTIATE_TEST_SUITE_P(
    All, Faults,
    ::testing::Values(Fault{"create", "create:every:1", kTagged, false},
                      Fault{"create_flat", "create:every:1", kFlat, false},
                      Fault{"create_some", "create:p:0.5", kTagged, false},
                      Fault{"create_async", "create:every:1", kTagged, true},
                      Fault{"destroy", "destroy:every:1", kTagged, false},
                      Fault{"destroy_flat", "destroy:every:2", kFlat, false},
                      Fault{"destroy_async", "destroy:every:1", kFlat, true},
                      Fault{"query", "query:every:1", kTagged, false},
                      Fault{"query_flat", "query:every:1", kFlat, false},
                      Fault{"complete", "complete:every:1", kTagged, true},
                      Fault{"complete_flat", "complete:every:2", kFlat, true},
                      Fault{"all", "create:every:3+destroy:every:3+query:every:3", kTagged, false},
                      Fault{"all_async", "create:every:5+destroy:every:3+query:every:3+complete:every:4",
                            kFlat, true}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Required, ARefusedFlowHasFailedUntilItIsTaken) {
  Gateway gateway({.arguments = "profile=mlx5", .layout = LayoutWish::flat, .mode = Mode::required});
  gateway.resolve(0, 1);
  gateway.settle();
  gateway.wires.set_fault("fail", "create:every:1:ENOMEM");
  ASSERT_TRUE(gateway.add("one", 0));
  gateway.settle();
  EXPECT_EQ(gateway.flow("one").state, FlowState::failed);
  EXPECT_NE(gateway.flow("one").reason.find("Cannot allocate memory"), std::string::npos)
      << gateway.flow("one").reason;
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), -1);  // the packet path has it
  gateway.wires.set_fault("fail", "");
  EXPECT_TRUE(within(5s, [&] { return gateway.flow("one").state == FlowState::offloaded; }));
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1);
}

class PlainNicFaults : public ::testing::TestWithParam<bool> {
 protected:
  // The newest mark that was told since the last time.
  static uint32_t told(Gateway& gateway) {
    uint32_t mark = 0;
    for (const Event& event : gateway.offload->take_events())
      if (const auto* ready = std::get_if<MarkReady>(&event)) mark = ready->mark;
    return mark;
  }
};

TEST_P(PlainNicFaults, LeaveNoWrongHeaderAndLeakNothing) {
  Gateway gateway({.wires = 1, .arguments = "profile=mlx5", .async = GetParam()});
  const Bytes frame = inner_frame(kA, kB);
  gateway.resolve(0, 1);
  ASSERT_TRUE(gateway.add("one", 0, {}, 100, 0));
  gateway.settle();
  const uint32_t first = told(gateway);
  ASSERT_NE(first, 0u);

  // No rule for the new header: workers write it themselves. What they posted with the old mark leaves
  // complete.
  gateway.wires.set_fault("fail", "create:every:1");
  gateway.resolve(0, 2);
  gateway.settle();
  EXPECT_EQ(told(gateway), 0u);
  EXPECT_EQ(gateway.flow("one").state, FlowState::software);
  EXPECT_NE(gateway.flow("one").reason.find("Input/output error"), std::string::npos);
  EXPECT_FALSE(gateway.verify().empty());
  EXPECT_EQ(gateway.way_of_marked(frame, first), 1);
  gateway.offload->drained(0, 2);
  gateway.settle();
  EXPECT_EQ(gateway.way_of_marked(frame, first), -2);
  gateway.wires.set_fault("fail", "");
  uint32_t second = 0;
  EXPECT_TRUE(within(5s, [&] { return (second = std::max(second, told(gateway))) != 0; }));
  gateway.settle();
  EXPECT_EQ(gateway.way_of_marked(frame, second), 2);
  EXPECT_EQ(gateway.verify(), std::vector<std::string>());

  // An old mark's rule stays: its number is nobody's until it has gone.
  gateway.wires.set_fault("fail", "destroy:every:1");
  gateway.resolve(0, 3);
  gateway.settle();
  const uint32_t third = told(gateway);
  gateway.offload->drained(0, 3);
  gateway.settle();
  EXPECT_TRUE(third != 0 && third != second && third != first);
  EXPECT_EQ(gateway.way_of_marked(frame, third), 3);
  EXPECT_FALSE(gateway.verify().empty());
  gateway.wires.set_fault("fail", "");
  EXPECT_TRUE(within(5s, [&] { return gateway.verify().empty(); }));
  EXPECT_EQ(gateway.way_of_marked(frame, second), -2);
  EXPECT_EQ(gateway.flow("one").state, FlowState::offloaded);
}

INSTANTIATE_TEST_SUITE_P(Apis, PlainNicFaults, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "async" : "classic"; });

}  // namespace
}  // namespace culvert::offload::testing
