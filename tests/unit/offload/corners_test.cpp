// Corners: no priority or no room left, a number that is used again, a refusal.
#include "gateway.hpp"

namespace culvert::offload::testing {
namespace {

using namespace std::chrono_literals;

TEST(Precedence, AFlowAheadOfTheFirstPriorityFindsItsPlace) {
  for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
    Gateway gateway({.arguments = "profile=mlx5", .layout = layout});
    gateway.resolve(0, 1);
    gateway.resolve(1, 2);
    ASSERT_TRUE(gateway.add("wide", 0, to_net("10.0.0.0/8"), 10));
    gateway.settle();
    ASSERT_TRUE(gateway.add("narrow", 1, to_net("10.7.0.0/16"), 5));
    gateway.settle();
    EXPECT_NE(gateway.way_of(inner_frame(kA, kB)), 1) << "the flow behind takes its packets";
    EXPECT_TRUE(within(2s, [&] { return gateway.flow("narrow").state == FlowState::offloaded; }))
        << gateway.flow("narrow").reason;
    EXPECT_TRUE(within(2s, [&] { return gateway.flow("wide").state == FlowState::offloaded; }))
        << gateway.flow("wide").reason;
    EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 2);
  }
}

TEST(Precedence, ManyFlowsEachAheadOfTheOneBefore) {
  Gateway gateway({.arguments = "profile=mlx5"});
  for (EncapId id = 0; id < 20; ++id) gateway.resolve(id, static_cast<uint8_t>(1 + id));
  for (EncapId id = 0; id < 20; ++id) {
    ASSERT_TRUE(
        gateway.add(fmt::format("flow{}", id), id, to_net("10.0.0.0/8"), static_cast<uint16_t>(100 - id)));
    gateway.settle();
    EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1 + static_cast<int>(id));
  }
  EXPECT_EQ(gateway.verify(), std::vector<std::string>());
}

TEST(Precedence, ARefusedFlowThatGoesLetsTheOneBehindItIn) {
  Gateway gateway({.arguments = "profile=mlx5", .layout = LayoutWish::flat});
  gateway.resolve(0, 1);
  gateway.resolve(1, 2);
  gateway.wires.set_fault("fail", "create:every:1");
  ASSERT_TRUE(gateway.add("narrow", 1, to_net("10.7.0.0/16"), 100));
  ASSERT_TRUE(gateway.add("wide", 0, to_net("10.0.0.0/8"), 200));
  gateway.settle();
  EXPECT_EQ(gateway.flow("wide").reason, "flow narrow is looked at first and is not in the NIC");
  gateway.wires.set_fault("fail", "");
  ASSERT_TRUE(gateway.client->remove("narrow"));
  gateway.settle();
  EXPECT_EQ(gateway.flow("wide").state, FlowState::offloaded) << gateway.flow("wide").reason;
}

TEST(Room, AFlowOfTwoRulesWithRoomForOneIsNotAskedForAgainAndAgain) {
  for (const bool async : {false, true}) {
    Gateway gateway({.arguments = "profile=mlx5,rules=2", .layout = LayoutWish::tagged, .async = async});
    gateway.resolve(0, 1);
    gateway.settle();
    tunnel::Match udp;
    udp.ip_proto = 17;  // one rule for IPv4, one for IPv6
    ASSERT_TRUE(gateway.add("udp", 0, udp));
    gateway.settle();
    std::this_thread::sleep_for(100ms);
    const Operations before = gateway.offload->operations();
    std::this_thread::sleep_for(500ms);
    EXPECT_LE(gateway.offload->operations().created - before.created, 4u);
    EXPECT_EQ(gateway.flow("udp").state, FlowState::software);
  }
}

TEST(Room, AFlowOfTwoRulesOneOfWhichWasRefusedIsAskedForAgain) {
  for (const char* fail : {"create:every:2", "create:every:3"}) {
    Gateway gateway({.arguments = "profile=mlx5", .layout = LayoutWish::tagged});
    gateway.resolve(0, 1);
    gateway.settle();
    gateway.wires.set_fault("fail", fail);
    tunnel::Match udp;
    udp.ip_proto = 17;
    for (int i = 0; i < 4; ++i) {
      udp.l4_dst = static_cast<uint16_t>(i);
      ASSERT_TRUE(gateway.add(fmt::format("udp{}", i), 0, udp));
      gateway.settle();
    }
    gateway.wires.set_fault("fail", "");
    for (int i = 0; i < 4; ++i)
      EXPECT_TRUE(
          within(5s, [&] { return gateway.flow(fmt::format("udp{}", i)).state == FlowState::offloaded; }))
          << i << " " << gateway.flow(fmt::format("udp{}", i)).reason;
  }
}

TEST(Room, AFlowThatWasRefusedAndIsHeldIsAskedForAgain) {
  Gateway gateway({.arguments = "profile=mlx5", .layout = LayoutWish::flat});
  gateway.resolve(0, 1);
  gateway.resolve(1, 2);
  ASSERT_TRUE(gateway.add("wide", 0, to_net("10.0.0.0/8"), 200));
  gateway.settle();
  gateway.wires.set_fault("fail", "create:every:2");
  ASSERT_TRUE(gateway.add("other", 0, to_net("11.0.0.0/8"), 200));
  gateway.settle();
  ASSERT_TRUE(gateway.add("narrow", 1, to_net("10.7.0.0/16"), 100));
  gateway.settle();
  const auto found = gateway.verify();
  EXPECT_TRUE(gateway.flow("narrow").state == FlowState::offloaded || !found.empty());
  gateway.wires.set_fault("fail", "");
  EXPECT_TRUE(within(5s, [&] { return gateway.flow("narrow").state == FlowState::offloaded; }))
      << gateway.flow("narrow").reason;
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 2);
}

TEST(PlainNic, NoMarkIsGivenWhileTheRulesThatItNeedsAreNotIn) {
  Gateway gateway({.wires = 1, .arguments = "profile=mlx5,fail=create:every:1"});
  gateway.settle();
  gateway.wires.set_fault("fail", "");
  gateway.resolve(0, 1);
  std::optional<MarkReady> ready;
  EXPECT_TRUE(within(5s, [&] {
    for (const Event& event : gateway.offload->take_events())
      if (const auto* mark = std::get_if<MarkReady>(&event)) ready = *mark;
    return ready.has_value();
  }));
  ASSERT_TRUE(ready);
  EXPECT_EQ(gateway.way_of_marked(inner_frame(kA, kB), ready->mark), 1);
}

TEST(Reuse, ANewTunnelOfAnOldNumberStartsAnew) {
  for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
    Gateway gateway({.arguments = "profile=mlx5", .layout = layout});
    gateway.resolve(0, 1);
    ASSERT_TRUE(gateway.add("one", 0));
    gateway.settle();
    EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1);
    ASSERT_TRUE(within(2s, [&] { return gateway.offload->encap(0).hardware.packets == 1; }));
    ASSERT_TRUE(gateway.client->remove("one"));
    gateway.offload->remove_encap(0);
    gateway.settle();
    EXPECT_FALSE(gateway.offload->encap(0).in_hardware);
    gateway.unresolve(0);
    gateway.settle();
    EXPECT_FALSE(gateway.offload->encap(0).in_hardware);
    EXPECT_EQ(gateway.offload->encap(0).hardware.packets, 0u);
  }
}

TEST(Reuse, NoPacketOfTheOldTunnelsFlowsGoesIntoTheNewOne) {
  constexpr unsigned kFlows = 5000;
  for (const bool async : {false, true}) {
    Gateway gateway(
        {.arguments = "profile=mlx5,latency_us=20", .layout = LayoutWish::tagged, .async = async});
    gateway.resolve(0, 1);
    const auto net = [](unsigned i) { return fmt::format("10.{}.{}.0/24", i / 256, i % 256); };
    for (unsigned i = 0; i < kFlows; ++i)
      ASSERT_TRUE(gateway.add(fmt::format("flow{}", i), 0, to_net(net(i))));
    gateway.settle();
    for (unsigned i = 0; i < kFlows; ++i) ASSERT_TRUE(gateway.client->remove(fmt::format("flow{}", i)));
    gateway.offload->remove_encap(0);
    gateway.resolve(0, 9);
    bool settled = false;
    gateway.offload->barrier([&] { settled = true; });
    unsigned wrong = 0, sent = 0;
    while (!settled) {
      gateway.offload->run_answers();
      Bytes frame = inner_frame(kA, kB);
      const unsigned flow = (sent * 37) % kFlows;
      frame[31] = static_cast<uint8_t>(flow / 256);
      frame[32] = static_cast<uint8_t>(flow % 256);
      ++sent;
      wrong += gateway.way_of(frame) == 9;
    }
    EXPECT_EQ(wrong, 0u) << "of " << sent;
  }
}

TEST(Explain, ARefusalIsToldWhileTheNeighbourIsGone) {
  for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
    Gateway gateway({.arguments = "profile=mlx5,fail=create:every:1:ENOMEM", .layout = layout});
    gateway.resolve(0, 1);
    ASSERT_TRUE(gateway.add("one", 0));
    gateway.settle();
    ASSERT_TRUE(gateway.client->remove("one"));
    gateway.offload->remove_encap(0);
    gateway.settle();
    gateway.resolve(1, 1);
    ASSERT_TRUE(gateway.add("two", 1));
    gateway.settle();
    gateway.unresolve(1);
    gateway.settle();
    const auto lines = gateway.explain("two");
    for (const std::string& line : lines) EXPECT_EQ(line.find("raw_encap"), std::string::npos) << line;
  }
}

TEST(Counters, AFlowsLastPacketsAreItsEncapsToo) {
  for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
    Gateway gateway({.arguments = "profile=mlx5", .layout = layout});
    gateway.resolve(0, 1);
    for (unsigned i = 1; i <= 10; ++i) {
      ASSERT_TRUE(gateway.add("one", 0));
      gateway.settle();
      EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1);
      ASSERT_TRUE(gateway.client->remove("one"));
      gateway.settle();
    }
    EXPECT_TRUE(within(2s, [&] { return gateway.offload->encap(0).hardware.packets == 10; }))
        << gateway.offload->encap(0).hardware.packets;
  }
}

TEST(Counters, PacketsOfASlotThatLeavesAreItsEncaps) {
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

// A rule's own counter goes with it, a shared one stays: what they counted adds up.
TEST(Counters, AFlowKeepsItsCountWhateverCarriesIt) {
  for (const bool async : {false, true}) {
    Gateway gateway({.arguments = "profile=mlx5", .layout = LayoutWish::tagged, .async = async});
    gateway.resolve(0, 1);
    ASSERT_TRUE(gateway.add("one", 0));
    uint64_t sent = 0;
    for (const LayoutWish layout :
         {LayoutWish::tagged, LayoutWish::flat, LayoutWish::tagged, LayoutWish::flat}) {
      gateway.offload->set_mode(Mode::automatic, layout);
      gateway.settle();
      for (int i = 0; i < 3; ++i, ++sent) EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1);
      EXPECT_TRUE(within(2s, [&] { return gateway.flow("one").packets == sent; }))
          << gateway.flow("one").packets << " of " << sent;
      EXPECT_TRUE(within(2s, [&] { return gateway.offload->encap(0).hardware.packets == sent; }))
          << gateway.offload->encap(0).hardware.packets << " of " << sent;
      gateway.offload->set_mode(Mode::off, layout);
      gateway.settle();
    }
  }
}

TEST(Room, RoomForOneIsFoundBehindManyThatNeedTwo) {
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

}  // namespace
}  // namespace culvert::offload::testing
