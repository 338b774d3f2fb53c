// What drivers take, and which part of a rule they do not.
#include <rte_bus_vdev.h>

#include "offload/capabilities.hpp"
#include "rig.hpp"

namespace culvert::offload::testing {
namespace {

const Bytes kHeader = outer_header();

Capabilities probe_of(const Rig& rig, bool async) {
  return probe({.port_id = rig.uplink(),
                .tenant = rig.wires.size() > 1 ? std::optional(rig.tenant()) : std::nullopt,
                .async = async});
}

std::string all_answers(const Capabilities& found) {
  std::string text;
  for (const Answer& one : found.answers)
    text += fmt::format("{}: {}\n", one.what, one.refusal.empty() ? "yes" : one.refusal);
  return text;
}

class Probes : public ::testing::TestWithParam<Kind> {};

TEST_P(Probes, ASwitchTakesBothLayouts) {
  Rig rig(2, GetParam());
  const Capabilities found = probe_of(rig, GetParam().async);
  SCOPED_TRACE(all_answers(found));
  EXPECT_TRUE(found.any && found.transfer && found.flat && found.tagged && found.gates && found.decap);
  EXPECT_TRUE(found.hold && found.steer && found.shared_counters);
  EXPECT_EQ(found.tags, rig.spot().tags);
  EXPECT_EQ(found.miss, Miss::to_representor);
  EXPECT_EQ(found.automatic_layout(), Layout::tagged);
  const bool limited = !GetParam().arguments.empty() && !GetParam().async;
  EXPECT_EQ(found.priorities(Domain::transfer, kEntry), limited ? 21844u : 65536u);
  EXPECT_EQ(found.priorities(Domain::ingress, kNicRoot), limited ? 4u : 65536u);
  // The port is as it was: it still takes rules.
  rig.take(slot_encap, rig.spot(), 0u, Encap{kHeader, rig.uplink()}, nullptr);
}

TEST_P(Probes, APlainNicTakesSlotsAndDecaps) {
  Rig rig(1, GetParam());
  const Capabilities found = probe_of(rig, GetParam().async);
  SCOPED_TRACE(all_answers(found));
  EXPECT_TRUE(found.any && found.egress && found.decap && found.steer && found.shared_counters);
  EXPECT_FALSE(found.transfer || found.tagged || found.flat);
  EXPECT_EQ(found.automatic_layout(), Layout::none);
}

TEST_P(Probes, APlainNicIsNoSwitch) {
  Rig rig(1, GetParam());
  const Capabilities found =
      probe({.port_id = rig.uplink(), .tenant = rig.uplink(), .async = GetParam().async});
  EXPECT_FALSE(found.transfer);
  EXPECT_TRUE(found.steer);
}

INSTANTIATE_TEST_SUITE_P(All, Probes,
                         ::testing::Values(Kind{"", false}, Kind{"profile=mlx5", false}, Kind{"", true},
                                           Kind{"profile=mlx5", true}),
                         name_of);

TEST(Probe, ADriverWithoutFlowsTakesNothing) {
  const Rig eal(1, {});
  ASSERT_EQ(rte_vdev_init("net_null_probe", ""), 0);
  uint16_t port = 0;
  ASSERT_EQ(rte_eth_dev_get_port_by_name("net_null_probe", &port), 0);
  const Capabilities found = probe({.port_id = port});
  EXPECT_FALSE(found.any);
  EXPECT_EQ(found.priorities(Domain::egress, kNicSlots), 0u);
  EXPECT_EQ(found.answers.front().refusal, "Function not implemented");
  EXPECT_FALSE(make_async(port));
  rte_vdev_uninit("net_null_probe");
}

TEST(Traits, UnknownDriversMissNobodyKnowsWhere) {
  EXPECT_EQ(traits_of_driver("net_ice").classic_miss, Miss::unknown);
  EXPECT_EQ(traits_of_driver("mlx5_pci").classic_miss, Miss::to_representor);
  EXPECT_EQ(traits_of_driver("mlx5_pci").async_miss, Miss::unknown);
  Capabilities found;
  found.flat = found.tagged = true;
  EXPECT_EQ(found.automatic_layout(), Layout::flat);
}

std::string culprit(const Rule& rule, Asking how = Asking::validate) {
  return find_culprit(rule, how).to_string();
}

TEST(Culprits, AreFoundByBisection) {
  Rig rig(2, {"profile=mlx5"});
  Rule rule;
  const auto on_switch = [&]() -> Rule& { return rule.start({rig.uplink(), Domain::transfer, 1, 0}); };

  slot_encap(rule, rig.spot(), 0, {kHeader, rig.uplink()});
  EXPECT_EQ(culprit(rule), "the driver takes such a rule when it is asked");

  slot_encap(rule, rig.spot(30000), 0, {kHeader, rig.uplink()});
  EXPECT_EQ(culprit(rule),
            "transfer group 3 priority 30000: priority out of range (priority: Operation not supported)");

  on_switch().from_any_port().tag(0, 1).tag(5, 1).eth().ip(net::Family::ipv4).to_port(rig.uplink());
  EXPECT_EQ(culprit(rule),
            "item 2, tag index is 5 data is 1: unsupported tag id (an item: Operation not supported)");

  on_switch().from_port(77).eth().count().to_port(rig.uplink());
  EXPECT_EQ(culprit(rule).substr(0, 44), "item 0, represented_port ethdev_port_id is 7");

  on_switch().from_any_port().eth().count().set_meta(7).set_tag(0, 1).jump(2);
  EXPECT_EQ(culprit(rule).substr(0, 10), "action 1, ") << culprit(rule);
  EXPECT_NE(culprit(rule).find("unavailable extended metadata register"), std::string::npos);

  on_switch().from_any_port().eth().count().queue(0);
  EXPECT_EQ(culprit(rule),
            "action 1, queue index 0: unsupported action QUEUE (an action: Operation not supported)");

  rule.start({rig.uplink(), Domain::egress, 1, 0}).meta(1).count().raw_encap(std::span(kHeader).first(14));
  EXPECT_EQ(culprit(rule).substr(0, 53), "action 1, raw_encap index 0: small raw encap size (an")
      << culprit(rule);
}

TEST(Culprits, OnAnAsyncPortByTemplates) {
  Rig rig(2, {"profile=mlx5", true});
  Rule rule;
  explicit_tagged(rule, {rig.uplink(), 0}, rig.tenant(), {}, 0);
  EXPECT_EQ(
      culprit(rule, Asking::templates),
      "action 1, set_tag index 1 data 1 mask 0xffffffff: action not supported in template API (an action: "
      "Operation not supported)");
}

}  // namespace
}  // namespace culvert::offload::testing
