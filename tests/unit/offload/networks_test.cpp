// Networks: only known stations stay in the NIC; changes touch what they concern.
#include "gateway.hpp"

namespace culvert::offload::testing {
namespace {

using namespace std::chrono_literals;

TEST(Networks, KnownStationsStayInTheNicUnknownOnesComeUpToBeLearned) {
  Gateway gateway({.arguments = "profile=mlx5"});
  gateway.resolve(0, 1);
  gateway.offload->set_networks({{.id = 0, .learning = true, .ports = {1}, .encaps = {0}}});
  const Bytes to_tunnel = inner_frame(kA, kB), to_tenant = from_peer(inner_frame(kB, kA));
  gateway.settle();
  EXPECT_EQ(gateway.way_of(to_tunnel), -1);  // nobody is known
  ASSERT_TRUE(gateway.client->add({"path", Source::path, PathTo{0, kB, 0}}));
  gateway.settle();
  EXPECT_EQ(gateway.way_of(to_tunnel), -1);  // the source is not
  ASSERT_TRUE(gateway.client->add({"decap", Source::decap, StationAt{0, kA, 1}}));
  gateway.settle();
  EXPECT_EQ(gateway.way_of(to_tunnel), 1);
  gateway.wires.left(1);
  gateway.wires.arrive(0, to_tenant);
  gateway.wires.settle();
  const auto inside = gateway.wires.left(1);
  ASSERT_EQ(inside.size(), 1u);
  EXPECT_EQ(inside[0], inner_frame(kB, kA));
  // What met congestion comes up (RFC 6040).
  Bytes congested = to_tenant;
  congested[15] |= 3;
  gateway.wires.arrive(0, congested);
  gateway.wires.settle();
  EXPECT_TRUE(gateway.wires.left(1).empty());
  EXPECT_EQ(gateway.wires.received(0), std::vector<Bytes>{congested});
  // Another station behind the tunnel comes up.
  gateway.wires.arrive(0, from_peer(inner_frame(*net::Mac::parse("02:00:00:00:07:09"), kA)));
  gateway.wires.settle();
  EXPECT_TRUE(gateway.wires.left(1).empty());
  EXPECT_EQ(gateway.wires.received(0).size(), 1u);
  // Without learning everybody may talk.
  gateway.offload->set_networks({{.id = 0, .learning = false, .ports = {1}, .encaps = {0}}});
  gateway.settle();
  EXPECT_EQ(gateway.way_of(inner_frame(*net::Mac::parse("02:00:00:00:07:09"), kB)), 1);
  ASSERT_TRUE(gateway.client->remove("path"));
  ASSERT_TRUE(gateway.client->remove("decap"));
  gateway.offload->set_networks({});
  gateway.offload->remove_encap(0);
  gateway.settle();
  EXPECT_EQ(gateway.offload->operations().rules, 0u);
}

// Members that are VLANs of a port stay the workers': no rule takes the trunk's frames, nor sends any there.
TEST(Networks, VlanMembersAreNotOffloaded) {
  for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
    Gateway gateway({.arguments = "profile=mlx5", .layout = layout});
    gateway.resolve(0, 1);
    gateway.offload->set_networks({{.id = 0, .learning = false, .encaps = {0}, .has_vlans = true}});
    ASSERT_TRUE(gateway.client->add({"path", Source::path, PathTo{0, kB, 0}}));
    ASSERT_TRUE(gateway.client->add({"decap", Source::decap, StationAt{0, kA, 1, 100}}));
    gateway.settle();
    for (const char* name : {"path", "decap"}) {
      const auto flow = gateway.client->find(name);
      EXPECT_EQ(flow->state, FlowState::software) << name;
      EXPECT_EQ(flow->reason, "VLAN member: not offloaded yet") << name;
    }
    Bytes tagged = inner_frame(kA, kB);
    tagged.insert(tagged.begin() + 12, {0x81, 0, 0, 100});
    EXPECT_EQ(gateway.way_of(tagged), -1);
    EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), -1);
    gateway.wires.arrive(0, from_peer(inner_frame(kB, kA)));
    gateway.wires.settle();
    EXPECT_TRUE(gateway.wires.left(1).empty());

    // A whole port beside them is offloaded, and so is what goes from there into the tunnel.
    gateway.offload->set_networks({{.id = 0, .ports = {1}, .encaps = {0}, .has_vlans = true}});
    ASSERT_TRUE(gateway.client->remove("decap"));
    ASSERT_TRUE(gateway.client->add({"decap", Source::decap, StationAt{0, kA, 1}}));
    gateway.settle();
    EXPECT_EQ(gateway.client->find("path")->state, FlowState::offloaded);
    EXPECT_EQ(gateway.client->find("decap")->state, FlowState::offloaded);
    EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1);
  }
}

TEST(Networks, ATunnelThatChangesItsTermsIsTakenOffByTheNewOnes) {
  for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
    Gateway gateway({.arguments = "profile=mlx5", .layout = layout});
    gateway.resolve(0, 1);
    gateway.offload->set_networks({{.id = 0, .learning = true, .ports = {1}, .encaps = {0}}});
    ASSERT_TRUE(gateway.client->add({"path", Source::path, PathTo{0, kB, 0}}));
    ASSERT_TRUE(gateway.client->add({"decap", Source::decap, StationAt{0, kA, 1}}));
    gateway.settle();
    EXPECT_EQ(gateway.decapsulated(from_peer(inner_frame(kB, kA), 100)), 1u);
    EncapUpdate changed = gateway.update_of(0, 1);
    changed.tunnel.vni = 101;
    gateway.offload->set_encap(changed);
    gateway.settle();
    EXPECT_EQ(gateway.decapsulated(from_peer(inner_frame(kB, kA), 100)), 0u) << "of a tunnel that is no more";
    EXPECT_EQ(gateway.decapsulated(from_peer(inner_frame(kB, kA), 101)), 1u);
  }
}

TEST(Networks, AStationIsReachedByTheUdpPortOfATunnelThatComesLater) {
  Gateway gateway({.arguments = "profile=mlx5"});
  gateway.offload->set_networks({{.id = 0, .learning = true, .ports = {1}, .encaps = {0}}});
  ASSERT_TRUE(gateway.client->add({"decap", Source::decap, StationAt{0, kA, 1}}));
  gateway.settle();
  gateway.resolve(0, 1);
  ASSERT_TRUE(gateway.client->add({"path", Source::path, PathTo{0, kB, 0}}));
  gateway.settle();
  EXPECT_EQ(gateway.flow("decap").state, FlowState::offloaded) << gateway.flow("decap").reason;
  EXPECT_EQ(gateway.decapsulated(from_peer(inner_frame(kB, kA))), 1u);
}

TEST(Networks, WhatIsNoLongerAddressedToUsIsNotTakenOff) {
  for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
    Gateway gateway({.arguments = "profile=mlx5", .layout = layout});
    gateway.resolve(0, 1);
    gateway.offload->set_networks({{.id = 0, .learning = true, .ports = {1}, .encaps = {0}}});
    ASSERT_TRUE(gateway.client->add({"path", Source::path, PathTo{0, kB, 0}}));
    ASSERT_TRUE(gateway.client->add({"decap", Source::decap, StationAt{0, kA, 1}}));
    gateway.settle();
    EXPECT_EQ(gateway.decapsulated(from_peer(inner_frame(kB, kA))), 1u);
    EncapUpdate gone = gateway.update_of(0, 1);  // the address has left the kernel
    gone.terminated = false;
    gone.rule.reset();
    gone.reason = "no local address";
    gateway.offload->set_encap(gone);
    gateway.settle();
    EXPECT_EQ(gateway.decapsulated(from_peer(inner_frame(kB, kA))), 0u);
    gateway.resolve(0, 1);
    gateway.settle();
    EXPECT_EQ(gateway.decapsulated(from_peer(inner_frame(kB, kA))), 1u);
  }
}

TEST(Networks, AnEncapIsInHardwareWhileARuleHasItsHeader) {
  Gateway gateway({.arguments = "profile=mlx5", .layout = LayoutWish::flat});
  gateway.resolve(0, 1);
  gateway.offload->set_networks({{.id = 0, .learning = false, .ports = {1}, .encaps = {0}}});
  ASSERT_TRUE(gateway.client->add({"path", Source::path, PathTo{0, kB, 0}}));
  gateway.settle();
  EXPECT_TRUE(gateway.offload->encap(0).in_hardware);
  gateway.offload->set_networks({{.id = 0, .learning = false, .ports = {1, 2}, .encaps = {0}}});
  gateway.settle();
  EXPECT_TRUE(gateway.offload->encap(0).in_hardware);
  ASSERT_TRUE(gateway.client->remove("path"));
  gateway.settle();
  EXPECT_FALSE(gateway.offload->encap(0).in_hardware);
}

TEST(Networks, AStationThatOnlySendsIsInUse) {
  Gateway gateway({.arguments = "profile=mlx5"});
  gateway.resolve(0, 1);
  gateway.offload->set_networks({{.id = 0, .learning = true, .ports = {1}, .encaps = {0}}});
  ASSERT_TRUE(gateway.client->add({"path", Source::path, PathTo{0, kB, 0}}));
  ASSERT_TRUE(gateway.client->add({"decap", Source::decap, StationAt{0, kA, 1}}));
  gateway.settle();
  ASSERT_EQ(gateway.decapsulated(from_peer(inner_frame(kB, kA))), 1u);
  bool used = false;
  EXPECT_TRUE(within(2s, [&] {
    for (const Event& event : gateway.offload->take_events())
      if (const auto* station = std::get_if<StationUsed>(&event)) used = used || station->mac == kB;
    return used;
  }));
}

TEST(Networks, ANewTunnelTouchesNoRuleOfTheOthers) {
  for (const bool learning : {true, false}) {
    Gateway gateway({.arguments = "profile=mlx5"});
    gateway.resolve(0, 1);
    gateway.resolve(1, 2);
    gateway.offload->set_networks({{.id = 0, .learning = learning, .ports = {1}, .encaps = {0}}});
    ASSERT_TRUE(gateway.client->add({"path", Source::path, PathTo{0, kB, 0}}));
    ASSERT_TRUE(gateway.client->add({"decap", Source::decap, StationAt{0, kA, 1}}));
    gateway.settle();
    const Operations before = gateway.offload->operations();
    gateway.offload->set_networks({{.id = 0, .learning = learning, .ports = {1, 2}, .encaps = {0, 1}}});
    gateway.settle();
    const Operations after = gateway.offload->operations();
    EXPECT_EQ(after.destroyed, before.destroyed);
    // Without learning: frames of the new port and of the new tunnel.
    EXPECT_EQ(after.created, before.created + (learning ? 0 : 2));
    EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1);
    EXPECT_EQ(gateway.decapsulated(from_peer(inner_frame(kB, kA), 101)), learning ? 0u : 1u);
  }
}

TEST(Networks, ATunnelOfAnotherUdpPortTouchesNoRuleOfTheOthers) {
  Gateway gateway({.arguments = "profile=mlx5"});
  gateway.resolve(0, 1);
  gateway.offload->set_networks({{.id = 0, .learning = true, .ports = {1}, .encaps = {0}}});
  ASSERT_TRUE(gateway.client->add({"decap", Source::decap, StationAt{0, kA, 1}}));
  gateway.settle();
  EncapUpdate other = gateway.update_of(1, 2);
  other.tunnel.dst_port = 8472;
  gateway.offload->set_encap(other);
  gateway.settle();
  const Operations before = gateway.offload->operations();
  gateway.offload->set_networks({{.id = 0, .learning = true, .ports = {1}, .encaps = {0, 1}}});
  gateway.settle();
  EXPECT_EQ(gateway.offload->operations().destroyed, before.destroyed);
}

TEST(Networks, AnIsolatedUplinkWithoutATenantOnItsSwitchBringsItsTunnelsUp) {
  eswitch_test::start_eal("offload");
  TestSwitch wires(2, "profile=mlx5");
  auto domain = std::move(*rcu::Domain::create());
  offload::Setup setup;
  PortSetup& port = setup.ports.emplace_back();
  port.name = "uplink";
  port.port_id = wires.port(0);
  port.wire = true;
  rte_eth_dev_stop(port.port_id);
  port.prepared = prepare(port.port_id, true);
  rte_eth_dev_start(port.port_id);
  ASSERT_TRUE(port.prepared.isolated);
  setup.domain = domain.get();
  auto offload = std::move(*Offload::create(setup));
  EncapUpdate update;
  update.generation = 1;
  update.tunnel.vni = 100;
  update.tunnel.local = kUnderlay.dst;
  update.tunnel.remote = kUnderlay.src;
  update.terminated = true;
  offload->set_encap(update);
  bool settled = false;
  offload->barrier([&] { settled = true; });
  while (!settled) offload->run_answers();
  wires.arrive(0, from_peer(inner_frame(kB, kA)));
  wires.settle();
  EXPECT_EQ(wires.received(0).size(), 1u) << offload->describe(0);
}

}  // namespace
}  // namespace culvert::offload::testing
