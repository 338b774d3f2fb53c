// The life of a flow (origin 000), step by step, in each layout and with each of rte_flow's APIs.
#include "gateway.hpp"

namespace culvert::offload::testing {
namespace {

struct Way {
  LayoutWish layout;
  bool async;
};

class Life : public ::testing::TestWithParam<Way> {
 protected:
  Gateway::Options options(const std::string& arguments = "profile=mlx5") const {
    return {.arguments = arguments, .layout = GetParam().layout, .async = GetParam().async};
  }
  bool tagged() const { return GetParam().layout == LayoutWish::tagged; }
  const Bytes frame_ = inner_frame(kA, kB);
};

TEST_P(Life, AFlowFollowsItsNeighbour) {
  Gateway gateway(options());
  gateway.unresolve(0, "neighbour unresolved");
  ASSERT_TRUE(gateway.add("one", 0));
  gateway.settle();
  EXPECT_EQ(gateway.flow("one").state, FlowState::pending);
  EXPECT_EQ(gateway.flow("one").reason, "neighbour unresolved");
  EXPECT_EQ(gateway.offload->operations().rules, 0u);
  EXPECT_EQ(gateway.way_of(frame_), -1);

  gateway.resolve(0, 1);
  gateway.settle();
  EXPECT_EQ(gateway.flow("one").state, FlowState::offloaded);
  EXPECT_EQ(gateway.way_of(frame_), 1);

  gateway.resolve(0, 2);
  gateway.settle();
  EXPECT_EQ(gateway.way_of(frame_), 2);
  EXPECT_TRUE(gateway.verify().empty());

  gateway.unresolve(0, "neighbour failed");
  gateway.settle();
  EXPECT_EQ(gateway.flow("one").state, FlowState::pending);
  EXPECT_EQ(gateway.flow("one").reason, "neighbour failed");
  EXPECT_EQ(gateway.way_of(frame_), -1);

  gateway.resolve(0, 3);
  gateway.settle();
  EXPECT_EQ(gateway.way_of(frame_), 3);

  ASSERT_TRUE(gateway.client->remove("one"));
  gateway.offload->remove_encap(0);
  gateway.settle();
  EXPECT_EQ(gateway.offload->operations().rules, 0u);
  EXPECT_EQ(gateway.way_of(frame_), -1);
}

TEST_P(Life, CountersOutliveTheRulesThatAreReplaced) {
  Gateway gateway(options());
  gateway.resolve(0, 1);
  ASSERT_TRUE(gateway.add("one", 0));
  for (uint8_t mac = 1; mac <= 10; ++mac) {
    gateway.resolve(0, mac);
    gateway.settle();
    EXPECT_EQ(gateway.way_of(frame_), mac);
  }
  const auto counted = [&] {
    return gateway.flow("one").packets == 10 && gateway.offload->encap(0).hardware.packets == 10;
  };
  for (int i = 0; i < 200 && !counted(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(gateway.flow("one").packets, 10u);
  EXPECT_EQ(gateway.offload->encap(0).hardware.packets, 10u);
}

TEST_P(Life, AMacChangeCostsOneRuleAnEncapWhenTagged) {
  constexpr uint16_t kFlows = 200;
  Gateway gateway(options());
  gateway.resolve(0, 1);
  for (uint16_t i = 0; i < kFlows; ++i) {
    tunnel::Match match;
    match.ip_proto = 17;
    match.l4_dst = i;
    ASSERT_TRUE(gateway.add("flow" + std::to_string(i), 0, match));
  }
  gateway.settle();
  EXPECT_EQ(gateway.flow("flow7").state, FlowState::offloaded);
  const Operations before = gateway.offload->operations();
  gateway.resolve(0, 2);
  gateway.settle();
  const Operations after = gateway.offload->operations();
  // A match by protocol alone is one rule for IPv4 and one for IPv6.
  const uint64_t cost = tagged() ? 1 : 2 * kFlows;
  EXPECT_EQ(after.created - before.created, cost);
  EXPECT_EQ(after.destroyed - before.destroyed, cost);
  EXPECT_EQ(after.refused, 0u);
  for (uint16_t i = 0; i < kFlows; ++i) ASSERT_TRUE(gateway.client->remove("flow" + std::to_string(i)));
  gateway.offload->remove_encap(0);
  gateway.settle();
  EXPECT_EQ(gateway.offload->operations().rules, 0u);
  EXPECT_TRUE(gateway.client->flows().empty());
}

TEST_P(Life, FullNicCarriesTheRestInSoftwareAndTakesItWhenRoomAppears) {
  const unsigned flows = 6;
  Gateway gateway(options("profile=mlx5,rules=4"));
  gateway.resolve(0, 1);
  for (unsigned i = 0; i < flows; ++i)
    ASSERT_TRUE(gateway.add("flow" + std::to_string(i), 0, to_net(fmt::format("10.{}.0.0/16", i))));
  gateway.settle();
  const auto offloaded = [&] {
    return std::ranges::count(gateway.client->flows(), FlowState::offloaded, &FlowView::state);
  };
  const long fit = tagged() ? 3 : 4;
  EXPECT_EQ(offloaded(), fit);
  for (const FlowView& flow : gateway.client->flows()) {
    if (flow.state == FlowState::offloaded) continue;
    EXPECT_EQ(flow.state, FlowState::software);
    if (GetParam().async)  // a completion has no words, and the model no errno for it
      EXPECT_FALSE(flow.reason.empty());
    else
      EXPECT_NE(flow.reason.find("No space left"), std::string::npos) << flow.reason;
  }
  EXPECT_FALSE(gateway.verify().empty());
  for (const FlowView& flow : gateway.client->flows())
    if (flow.state == FlowState::offloaded && flow.name != "flow0") {
      ASSERT_TRUE(gateway.client->remove(flow.name));
    }
  gateway.settle();
  // flow0 and those that had been refused.
  EXPECT_EQ(offloaded(), std::min(fit, 1 + static_cast<long>(flows) - fit));
}

// The rule that fits goes again with the one that does not: that is no room worth another try of its own
// flow, which would never end.
TEST_P(Life, FlowsOfTwoRulesThatHaveRoomForOneStayInSoftware) {
  Gateway gateway(options(tagged() ? "profile=mlx5,rules=2" : "profile=mlx5,rules=1"));
  gateway.resolve(0, 1);
  for (const std::string net : {"10.1.0.0/16", "10.2.0.0/16"}) {
    tunnel::Match either = to_net(net);
    either.l4_dst = 53;  // of TCP or of UDP
    ASSERT_TRUE(gateway.add(net, 0, either));
  }
  gateway.settle();
  for (const FlowView& flow : gateway.client->flows()) EXPECT_EQ(flow.state, FlowState::software);
  EXPECT_EQ(gateway.offload->operations().rules, tagged() ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(Ways, Life,
                         ::testing::Values(Way{LayoutWish::tagged, false}, Way{LayoutWish::flat, false},
                                           Way{LayoutWish::tagged, true}, Way{LayoutWish::flat, true}),
                         [](const auto& info) {
                           return std::string(info.param.layout == LayoutWish::tagged ? "tagged" : "flat") +
                                  (info.param.async ? "_async" : "_classic");
                         });

TEST(Precedence, HoldsWhereTheFlowAheadIsNotInTheNic) {
  for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
    Gateway gateway({.arguments = "profile=mlx5", .layout = layout});
    gateway.resolve(0, 1);
    gateway.unresolve(1);
    ASSERT_TRUE(gateway.add("wide", 0, to_net("10.0.0.0/8"), 200));
    gateway.settle();
    const Bytes frame = inner_frame(kA, kB);  // to 10.7.0.2
    EXPECT_EQ(gateway.way_of(frame), 1);
    ASSERT_TRUE(gateway.add("narrow", 1, to_net("10.7.0.0/16"), 100));
    gateway.settle();
    // Its packets are its own though its neighbour is not valid; the others' go on.
    EXPECT_EQ(gateway.flow("narrow").state, FlowState::pending);
    EXPECT_EQ(gateway.flow("wide").state, FlowState::offloaded);
    EXPECT_EQ(gateway.way_of(frame), -1);
    gateway.resolve(1, 9);
    gateway.settle();
    EXPECT_EQ(gateway.way_of(frame), 9);
    gateway.unresolve(1);
    gateway.settle();
    EXPECT_EQ(gateway.way_of(frame), -1);
    ASSERT_TRUE(gateway.client->remove("narrow"));
    gateway.settle();
    EXPECT_EQ(gateway.way_of(frame), 1);
  }
}

TEST(Precedence, EqualPriorityTheEarlierWins) {
  Gateway gateway({.arguments = "profile=mlx5"});
  gateway.resolve(0, 1);
  gateway.resolve(1, 2);
  tunnel::Match dns;
  dns.ip_proto = 17;
  ASSERT_TRUE(gateway.add("first", 0, to_net("10.7.0.0/16")));
  ASSERT_TRUE(gateway.add("second", 1, dns));
  gateway.settle();
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1);
  ASSERT_TRUE(gateway.client->remove("first"));
  ASSERT_TRUE(gateway.add("third", 0, to_net("10.7.0.0/16")));
  gateway.settle();
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 2);
}

TEST(Concurrency, AMacThatChangesBeforeInitIsDoneIsTheOneInTheEnd) {
  Gateway* at = nullptr;
  Gateway gateway({.arguments = "profile=mlx5", .before_init_done = [&](const std::string&) {
                     at->resolve(0, 7);
                     at->settle();
                   }});
  at = &gateway;
  gateway.resolve(0, 1);
  ASSERT_TRUE(gateway.add("one", 0));
  gateway.settle();
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 7);
}

TEST(Concurrency, AFlowMayBeRemovedBeforeItsInitIsDone) {
  Gateway* at = nullptr;
  Gateway gateway({.arguments = "profile=mlx5", .before_init_done = [&](const std::string& name) {
                     EXPECT_TRUE(at->client->remove(name));
                     at->settle();
                   }});
  at = &gateway;
  gateway.resolve(0, 1);
  ASSERT_TRUE(gateway.add("one", 0));
  gateway.settle();
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), -1);
  EXPECT_EQ(gateway.verify(), std::vector<std::string>());
  EXPECT_FALSE(gateway.client->find("one"));
  EXPECT_TRUE(gateway.add("one", 0));
}

TEST(Explain, NamesWhatTheDriverSays) {
  Gateway gateway({.arguments = "profile=mlx5,fail=create:every:1:ENOMEM"});
  gateway.resolve(0, 1);
  ASSERT_TRUE(gateway.add("one", 0));
  gateway.settle();
  const auto lines = gateway.explain("one");
  const std::string text = fmt::format("{}", fmt::join(lines, "\n"));
  EXPECT_NE(text.find("Cannot allocate memory"), std::string::npos) << text;
  EXPECT_NE(text.find("tagged"), std::string::npos) << text;
}

}  // namespace
}  // namespace culvert::offload::testing
