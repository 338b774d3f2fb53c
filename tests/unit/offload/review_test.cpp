// Review of f2e2d91..b70228a: each test says what should hold.

#include <atomic>

#include "gateway.hpp"

namespace culvert::offload::testing {
namespace {

using namespace std::chrono_literals;

Bytes frame_to(uint8_t second) {
  Bytes frame = inner_frame(kA, kB);
  frame[31] = second;  // 10.second.0.2
  return frame;
}

// The offload thread is in the driver for a while (latency_us): what is said until then it reads at once.
void keep_busy(Gateway& gateway, const std::string& name, EncapId id, PortIndex port = 2) {
  ASSERT_TRUE(gateway.add(name, id, to_net("172.16.0.0/16"), 300, port));
  std::this_thread::sleep_for(10ms);
}

// decide.cpp in_order() keeps the OLD form while the flow ahead is on its way; tell_lower() then skips it.
TEST(Review, AFlowBehindOneThatIsOnItsWayGetsTheNewHeader) {
  for (const bool async : {false, true}) {
    Gateway gateway(
        {.arguments = "profile=mlx5,latency_us=50000", .layout = LayoutWish::flat, .async = async});
    gateway.resolve(0, 1);
    gateway.resolve(1, 2);
    ASSERT_TRUE(gateway.add("wide", 0, to_net("10.0.0.0/8"), 200));
    gateway.settle();
    if (!async) keep_busy(gateway, "other", 1);
    ASSERT_TRUE(gateway.add("narrow", 1, to_net("10.7.0.0/16"), 100));
    if (async) std::this_thread::sleep_for(10ms);  // it is on its way
    gateway.resolve(0, 9);
    gateway.settle();
    EXPECT_EQ(gateway.way_of(frame_to(8)), 9) << (async ? "async" : "classic");
    EXPECT_EQ(gateway.way_of(frame_to(7)), 2);
    std::this_thread::sleep_for(1500ms);
    EXPECT_EQ(gateway.way_of(frame_to(8)), 9)
        << "and it stays so; verify: " << fmt::format("{}", fmt::join(gateway.verify(), "\n"));
  }
}

// The same where the flow ahead goes before it is in.
TEST(Review, AFlowBehindOneThatComesAndGoesGetsTheNewHeader) {
  Gateway gateway({.arguments = "profile=mlx5,latency_us=50000", .layout = LayoutWish::flat, .async = true});
  gateway.resolve(0, 1);
  gateway.resolve(1, 2);
  ASSERT_TRUE(gateway.add("wide", 0, to_net("10.0.0.0/8"), 200));
  gateway.settle();
  ASSERT_TRUE(gateway.add("narrow", 1, to_net("10.7.0.0/16"), 100));
  std::this_thread::sleep_for(10ms);
  gateway.resolve(0, 9);
  std::this_thread::sleep_for(10ms);
  ASSERT_TRUE(gateway.client->remove("narrow"));
  gateway.settle();
  EXPECT_EQ(gateway.way_of(frame_to(8)), 9);
}

// The layout changes while the flow ahead is on its way: the one behind stays in the old layout.
TEST(Review, AFlowBehindOneThatIsOnItsWayFollowsTheLayout) {
  Gateway gateway(
      {.arguments = "profile=mlx5,latency_us=50000", .layout = LayoutWish::tagged, .async = true});
  gateway.resolve(0, 1);
  gateway.resolve(1, 2);
  ASSERT_TRUE(gateway.add("wide", 0, to_net("10.0.0.0/8"), 200));
  gateway.settle();
  ASSERT_TRUE(gateway.add("narrow", 1, to_net("10.7.0.0/16"), 100));
  std::this_thread::sleep_for(10ms);
  gateway.offload->set_mode(Mode::automatic, LayoutWish::flat);
  gateway.settle();
  EXPECT_EQ(gateway.way_of(frame_to(8)), 1);
  EXPECT_EQ(gateway.flow("wide").state, FlowState::offloaded) << gateway.flow("wide").reason;
}

// tunnel_outcome(): "rules that lead to a slot stay" keeps a flat rule, header and all.
TEST(Review, AFlatRuleDoesNotOutliveItsNeighbourWhenTheLayoutBecomesTagged) {
  Gateway gateway({.arguments = "profile=mlx5,latency_us=50000", .layout = LayoutWish::flat});
  gateway.resolve(0, 1);
  gateway.resolve(1, 2);
  ASSERT_TRUE(gateway.add("one", 0, to_net("10.0.0.0/8")));
  gateway.settle();
  keep_busy(gateway, "other", 1);
  gateway.offload->set_mode(Mode::automatic, LayoutWish::tagged);
  gateway.unresolve(0);
  gateway.settle();
  EXPECT_EQ(gateway.way_of(frame_to(8)), -1)
      << "verify: " << fmt::format("{}", fmt::join(gateway.verify(), "\n"));
  EXPECT_FALSE(gateway.offload->encap(0).in_hardware);
}

// Entry::buried is not cleared when the rule leaves.
TEST(ReviewBuried, ABuriedRuleThatLeavesIsSettled) {
  Gateway gateway({.arguments = "profile=mlx5,latency_us=100000", .layout = LayoutWish::flat});
  gateway.resolve(0, 1);
  ASSERT_TRUE(gateway.add("one", 0, to_net("10.0.0.0/8")));
  gateway.settle();
  gateway.resolve(0, 2);
  gateway.settle();
  gateway.wires.set_fault("fail", "destroy:every:1");
  gateway.resolve(0, 3);  // made within 100 ms, then the old one is not let go
  std::this_thread::sleep_for(150ms);
  gateway.unresolve(0);
  while (gateway.offload->operations().refused == 0) std::this_thread::sleep_for(1ms);
  gateway.wires.set_fault("fail", "");
  gateway.settle();
  EXPECT_EQ(gateway.flow("one").state, FlowState::pending);
}

// A full NIC; a flow is replaced twice before the offload thread looks.
TEST(Review, AFlowThatIsReplacedTwiceKeepsItsRulesUntilTheLastIsIn) {
  for (const char* rules : {"", ",rules=3"})
    for (const int times : {1, 2}) {
      Gateway gateway(
          {.arguments = std::string("profile=mlx5,latency_us=50000") + rules, .layout = LayoutWish::flat});
      for (EncapId id = 0; id < 3; ++id) gateway.resolve(id, static_cast<uint8_t>(1 + id));
      const auto narrow = [](EncapId id) {
        return FlowSpec{"narrow", Source::config, Explicit{1, to_net("10.7.0.0/16"), 100, 1000, id}};
      };
      ASSERT_TRUE(
          gateway.client->add({"wide", Source::config, Explicit{1, to_net("10.0.0.0/8"), 200, 1001, 0}}));
      ASSERT_TRUE(gateway.client->add(narrow(1)));
      gateway.settle();
      keep_busy(gateway, "other", 0);
      for (int i = 0; i < times; ++i) ASSERT_TRUE(gateway.client->replace(narrow(i % 2 == 0 ? 2 : 1)));
      bool settled = false;
      gateway.offload->barrier([&] { settled = true; });
      unsigned lost = 0;
      while (!settled) {
        gateway.offload->run_answers();
        lost += gateway.way_of(frame_to(7)) == 1;
      }
      EXPECT_EQ(lost, 0u) << "packets went to the flow behind, replaced " << times << " times" << rules;
    }
}

// counters.cpp credit(): a slot whose rule has left credits nobody.
TEST(Review, PacketsOfASlotThatLeavesAreItsEncaps) {
  Gateway gateway({.arguments = "profile=mlx5", .layout = LayoutWish::tagged});
  gateway.resolve(0, 1);
  ASSERT_TRUE(gateway.add("one", 0));
  gateway.settle();
  unsigned sent = 0;
  for (uint8_t i = 0; i < 10; ++i) {
    gateway.resolve(0, static_cast<uint8_t>(2 + i));
    gateway.settle();
    EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 2 + i);
    ++sent;
    gateway.unresolve(0);
    gateway.settle();
    std::this_thread::sleep_for(150ms);  // the counters are read meanwhile
  }
  gateway.resolve(0, 1);
  gateway.settle();
  EXPECT_TRUE(within(2s, [&] { return gateway.flow("one").packets == sent; })) << gateway.flow("one").packets;
  EXPECT_TRUE(within(2s, [&] { return gateway.offload->encap(0).hardware.packets == sent; }))
      << "encap " << gateway.offload->encap(0).hardware.packets << " of " << sent;
}

// CONTRACT: off: all flows "software".
TEST(Review, InModeOffAFlowIsSoftwareWhateverItsNeighbour) {
  for (const unsigned wires : {3u, 1u}) {
    Gateway gateway({.wires = wires, .arguments = "profile=mlx5"});
    ASSERT_TRUE(gateway.add("one", 0, {}, 100, wires == 1 ? 0 : 1));
    gateway.resolve(0, 1);
    gateway.settle();
    gateway.unresolve(0);
    gateway.settle();
    gateway.offload->set_mode(Mode::off, LayoutWish::automatic);
    gateway.settle();
    EXPECT_EQ(gateway.flow("one").state, FlowState::software) << wires << ": " << gateway.flow("one").reason;
  }
  Gateway gateway({.arguments = "profile=mlx5", .mode = Mode::off});
  ASSERT_TRUE(gateway.add("one", 0));
  gateway.unresolve(0);
  gateway.settle();
  EXPECT_EQ(gateway.flow("one").state, FlowState::software) << "before: " << gateway.flow("one").reason;
  gateway.resolve(0, 1);
  gateway.settle();
  gateway.unresolve(0);
  gateway.settle();
  EXPECT_EQ(gateway.flow("one").state, FlowState::software) << "after: " << gateway.flow("one").reason;
}

// FlowTable::replace: a name is there all the time.
TEST(Review, AFlowThatIsReplacedIsAlwaysFound) {
  Gateway gateway({.arguments = "profile=mlx5", .mode = Mode::off});
  const auto spec = [] { return FlowSpec{"one", Source::shell, Explicit{1, {}, 100, 1, 0}}; };
  ASSERT_TRUE(gateway.client->add(spec()));
  std::atomic<bool> running{true};
  std::atomic<unsigned> missed{0}, looked{0};
  std::thread reader([&] {
    const auto client = std::move(*gateway.offload->client());
    while (running) {
      ++looked;
      missed += !client->find("one").has_value();
    }
  });
  const auto end = std::chrono::steady_clock::now() + 4s;
  while (std::chrono::steady_clock::now() < end) ASSERT_TRUE(gateway.client->replace(spec()));
  running = false;
  reader.join();
  EXPECT_EQ(missed, 0u) << "of " << looked;
}

// doc/offload.md: "of a network that changes only the rules that differ are touched".
TEST(Review, ATunnelOfAnotherUdpPortTouchesNoRuleOfTheOthers) {
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

// A layout that stays what it is touches nothing.
TEST(Review, AModeThatStaysWhatItIsTouchesNothing) {
  for (const unsigned uplinks : {1u, 2u}) {
    Gateway gateway({.wires = 3, .uplinks = uplinks, .arguments = "profile=mlx5"});
    gateway.resolve(0, 1);
    gateway.settle();
    const Operations before = gateway.offload->operations();
    gateway.offload->set_mode(Mode::automatic, LayoutWish::tagged);
    gateway.settle();
    EXPECT_EQ(gateway.offload->operations().created, before.created) << uplinks;
  }
  Gateway gateway({.wires = 1, .arguments = "profile=mlx5"});
  gateway.resolve(0, 1);
  gateway.settle();
  const Operations before = gateway.offload->operations();
  gateway.offload->set_mode(Mode::automatic, LayoutWish::tagged);
  gateway.settle();
  EXPECT_EQ(gateway.offload->operations().created, before.created) << "plain NIC";
}

// What brings a tunnel's packets to the workers is remade at each change of layout or mode: in a full NIC the
// old rule goes before the new one is in.
TEST(Review, AChangeOfLayoutLosesNoTunnelPackets) {
  Gateway gateway({.wires = 3, .uplinks = 2, .arguments = "profile=mlx5,latency_us=20000,rules=3"});
  gateway.resolve(0, 1);
  gateway.settle();
  const Bytes frame = from_peer(inner_frame(kB, kA));
  const auto comes_up = [&] {
    gateway.wires.received(0);
    gateway.wires.arrive(0, frame);
    gateway.wires.settle();
    return gateway.wires.received(0).size() == 1;
  };
  ASSERT_TRUE(comes_up());
  gateway.offload->set_mode(Mode::automatic, LayoutWish::tagged);  // which it is
  bool settled = false;
  gateway.offload->barrier([&] { settled = true; });
  unsigned lost = 0, sent = 0;
  while (!settled) {
    gateway.offload->run_answers();
    lost += !comes_up();
    ++sent;
  }
  EXPECT_EQ(lost, 0u) << "of " << sent;
}

// rules.cpp retry(): kRetryBudget of those that need more than there is hide the rest.
TEST(Review, RoomForOneIsFoundBehindManyThatNeedTwo) {
  for (const unsigned wide : {10u, 70u}) {
    Gateway gateway({.arguments = "profile=mlx5,rules=2", .layout = LayoutWish::flat});
    gateway.resolve(0, 1);
    ASSERT_TRUE(gateway.add("a", 0, to_net("10.1.0.0/16"), 10));
    ASSERT_TRUE(gateway.add("b", 0, to_net("10.2.0.0/16"), 10));
    gateway.settle();
    for (unsigned i = 0; i < wide; ++i) {
      tunnel::Match udp;
      udp.ip_proto = 17;
      udp.l4_dst = static_cast<uint16_t>(i);
      ASSERT_TRUE(gateway.add(fmt::format("udp{}", i), 0, udp, 50, 2));
    }
    ASSERT_TRUE(gateway.add("c", 0, to_net("10.3.0.0/16"), 200));
    gateway.settle();
    ASSERT_EQ(gateway.flow("c").state, FlowState::software);
    ASSERT_TRUE(gateway.client->remove("a"));
    EXPECT_TRUE(within(10s, [&] { return gateway.flow("c").state == FlowState::offloaded; })) << wide;
  }
}

// What is said again while the change is under way does not spoil its time.
TEST(Review, TheLatencyIsOfTheChange) {
  Gateway gateway({.arguments = "profile=mlx5,latency_us=50000", .layout = LayoutWish::flat, .async = true});
  EncapUpdate update = gateway.update_of(0, 1);
  gateway.resolve(1, 2);
  gateway.settle();
  ASSERT_TRUE(gateway.add("one", 0));
  gateway.settle();
  update = gateway.update_of(0, 1);
  gateway.offload->set_encap(update);
  std::this_thread::sleep_for(10ms);
  update.since = {};  // the same, said for another reason
  gateway.offload->set_encap(update);
  gateway.settle();
  EXPECT_EQ(gateway.offload->latency().buckets[Latency::kBuckets - 1], 0u);
}

// rules.cpp next_level(): what the flow's predecessor left behind stands above it.
TEST(Review, WhatAReplacedFlowLeavesBehindStandsBelowTheNewOne) {
  for (const LayoutWish layout : {LayoutWish::flat, LayoutWish::tagged}) {
    for (const int changes : {0, 1}) {
      Gateway gateway({.arguments = "profile=mlx5", .layout = layout});
      for (EncapId id = 0; id < 2; ++id) gateway.resolve(id, static_cast<uint8_t>(1 + id));
      const auto narrow = [](EncapId id) {
        return FlowSpec{"narrow", Source::config, Explicit{1, to_net("10.7.0.0/16"), 100, 1000, id}};
      };
      ASSERT_TRUE(gateway.client->add(narrow(0)));
      gateway.settle();
      if (changes != 0) gateway.resolve(0, 3);
      gateway.settle();
      gateway.wires.set_fault("fail", "destroy:every:1");
      ASSERT_TRUE(gateway.client->replace(narrow(1)));
      gateway.settle();
      EXPECT_EQ(gateway.way_of(frame_to(7)), 2)
          << (layout == LayoutWish::flat ? "flat " : "tagged ") << changes;
      gateway.wires.set_fault("fail", "");
    }
  }
}

// targets.cpp: an isolated uplink whose switch takes no transfer rules still has to bring tunnels up.
TEST(Review, AnIsolatedUplinkWithoutATenantOnItsSwitchBringsItsTunnelsUp) {
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

// A tunnel that was deleted is not counted as the next one of its number (flat).
TEST(Review, LateCountsOfADeletedTunnelAreNotTheNextOnes) {
  Gateway gateway({.arguments = "profile=mlx5,latency_us=20000", .layout = LayoutWish::flat});
  gateway.resolve(0, 1);
  gateway.resolve(1, 2);
  ASSERT_TRUE(gateway.add("one", 0, to_net("10.0.0.0/8")));
  gateway.settle();
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1);
  keep_busy(gateway, "other", 1);
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1);
  ASSERT_TRUE(gateway.client->remove("one"));
  gateway.offload->remove_encap(0);
  gateway.resolve(0, 9);  // another tunnel of this number
  gateway.settle();
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(gateway.offload->encap(0).hardware.packets, 0u);
}

}  // namespace
}  // namespace culvert::offload::testing
