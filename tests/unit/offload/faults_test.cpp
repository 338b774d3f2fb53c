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

}  // namespace
}  // namespace culvert::offload::testing
