// What is said while something else is still under way: the driver takes its time (latency_us).
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

TEST(UnderWay, AFlowBehindOneThatIsOnItsWayGetsTheNewHeader) {
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

TEST(UnderWay, AFlowBehindOneThatComesAndGoesGetsTheNewHeader) {
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

TEST(UnderWay, AFlowBehindOneThatIsOnItsWayFollowsTheLayout) {
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

TEST(UnderWay, AFlatRuleDoesNotOutliveItsNeighbourWhenTheLayoutBecomesTagged) {
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

TEST(UnderWay, ABuriedRuleThatLeavesIsSettled) {
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

TEST(UnderWay, AFlowThatIsReplacedTwiceKeepsItsRulesUntilTheLastIsIn) {
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

TEST(UnderWay, AChangeOfLayoutLosesNoTunnelPackets) {
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

TEST(UnderWay, TheLatencyIsOfTheChange) {
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

TEST(UnderWay, LateCountsOfADeletedTunnelAreNotTheNextOnes) {
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

TEST(UnderWay, AFlowThatIsReplacedManyTimesMeanwhile) {
  constexpr int kTimes = 100001;
  Gateway gateway({.arguments = "profile=mlx5,latency_us=400000", .layout = LayoutWish::flat});
  for (EncapId id = 0; id < 2; ++id) gateway.resolve(id, static_cast<uint8_t>(1 + id));
  const auto one = [](EncapId id) {
    return FlowSpec{"one", Source::config, Explicit{1, to_net("10.7.0.0/16"), 100, 1000, id}};
  };
  ASSERT_TRUE(gateway.client->add(one(0)));
  gateway.settle();
  keep_busy(gateway, "other", 1);
  for (int i = 0; i < kTimes; ++i) ASSERT_TRUE(gateway.client->replace(one(i % 2 == 0 ? 1 : 0)));
  gateway.settle();
  EXPECT_EQ(gateway.way_of(frame_to(7)), 2);
  EXPECT_EQ(gateway.client->flows().size(), 2u);
  EXPECT_EQ(gateway.verify(), std::vector<std::string>());
}

}  // namespace
}  // namespace culvert::offload::testing
