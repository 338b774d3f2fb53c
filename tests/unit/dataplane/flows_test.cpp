// Explicit flows: who is taken, by which flow, and what is counted.
#include <map>
#include <random>

#include "dataplane/flow_key.hpp"
#include "rig.hpp"

namespace culvert::testing {
namespace {

using dataplane::FlowId;
using dataplane::FlowRule;
using tunnel::Match;

net::Prefix prefix(const char* text) { return *net::Prefix::parse(text); }

// VNI of what went out: which tunnel took it.
std::optional<unsigned> vni_of(const std::vector<Bytes>& sent) {
  if (sent.size() != 1 || sent[0].size() < 50) return std::nullopt;
  return sent[0][46] << 16 | sent[0][47] << 8 | sent[0][48];
}

class Flows : public ::testing::Test {
 protected:
  // Encaps 0 and 1 have VNIs 100 and 200.
  std::optional<unsigned> taken_to(const Bytes& frame, unsigned port = Rig::kTenant) {
    return vni_of(rig.carry(port, frame, Rig::kUplink));
  }
  void set(FlowId id, const Match& match, unsigned encap, uint16_t priority = 100, uint64_t sequence = 0) {
    const Status status = rig.path->set_flow(
        id,
        {.port = Rig::kTenant, .match = match, .priority = priority, .sequence = sequence, .encap = encap});
    EXPECT_TRUE(status) << status.error().message;
  }

  Rig rig;
};

TEST_F(Flows, ComeBeforeNetworksAndLearnNothing) {
  rig.teach(9, Where::port(Rig::kTenant2));
  set(7, {.eth_dst = to_mac(9)}, 1);
  const Bytes inner = udp_frame(9, 1, 100);
  const auto sent = rig.carry(Rig::kTenant, inner, Rig::kUplink);
  ASSERT_EQ(vni_of(sent), 200u);
  EXPECT_EQ(Bytes(sent[0].end() - 100, sent[0].end()), inner);
  EXPECT_TRUE(rig.ports[Rig::kTenant2]->sent().empty());
  EXPECT_EQ(rig.path->paths(rig.now).size(), 1u);
  EXPECT_EQ(rig.path->flow_counters(7).packets, 1u);
  EXPECT_EQ(rig.path->flow_counters(7).bytes, 100u);
  EXPECT_EQ(rig.path->encap_counters(1).packets, 1u);
  EXPECT_EQ(rig.path->stats().forwarded, 1u);

  // Another port has no flows; without the flow the network has the frame again.
  EXPECT_EQ(taken_to(udp_frame(9, 1, 100), Rig::kTenant2), std::nullopt);
  rig.path->remove_flow(7);
  EXPECT_EQ(rig.carry(Rig::kTenant, inner, Rig::kTenant2).size(), 1u);
  EXPECT_EQ(rig.path->flow_counters(7).packets, 1u);
}

TEST_F(Flows, EachFieldOfTheMatch) {
  const Bytes udp4 = udp_frame(9, 1, 100, 1000, {.src = 0x0a070001, .dst = 0x0a080002});
  const Bytes packet = ipv4({.src = 0x0a070001, .dst = 0x0a080002, .protocol = 6}, Bytes(40, 1));
  const Bytes tagged = ethernet(mac(9), mac(1), 0x0800, packet, {0x8100a007});
  const Bytes twice = ethernet(mac(9), mac(1), 0x0800, packet, {0x88a80064, 0x81000007});
  const Bytes udp6 = ethernet(mac(9), mac(1), 0x86dd, ipv6(0, 64, 17, udp(1000, 9, Bytes(20))));
  const Bytes arp = ethernet(mac(9), mac(1), 0x0806, Bytes(46));
  const Bytes later = udp_frame(9, 1, 100, 1000, {.fragment = 100});
  const Bytes first = udp_frame(9, 1, 100, 1000, {.fragment = 0x2000});
  const Bytes cut = ethernet(mac(9), mac(1), 0x0800, Bytes{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17});
  struct Case {
    Match match;
    std::vector<Bytes> yes, no;
  };
  const std::vector<Case> cases{
      {{}, {udp4, tagged, twice, udp6, arp, later, cut}, {}},
      {{.eth_src = to_mac(1)}, {udp4, arp}, {udp_frame(9, 2, 60)}},
      {{.eth_dst = to_mac(9)}, {udp4, arp}, {udp_frame(8, 1, 60)}},
      {{.vlan = 7}, {tagged}, {udp4, twice}},
      {{.vlan = 100}, {twice}, {udp4, tagged}},
      {{.vlan = Match::kUntagged}, {udp4, arp}, {tagged, twice}},
      {{.src = prefix("10.7.0.0/16")}, {udp4, tagged, twice}, {udp_frame(9, 1, 60), udp6, arp, cut}},
      {{.dst = prefix("10.8.0.2/32")}, {udp4, tagged, twice}, {udp_frame(9, 1, 60), udp6, arp}},
      {{.dst = prefix("0.0.0.0/0")}, {udp4, tagged, later}, {udp6, arp, cut}},
      {{.src = prefix("2001:db8::/32")}, {udp6}, {udp4, arp}},
      {{.dst = prefix("2001:db8::2")}, {udp6}, {udp4, arp}},
      {{.ip_proto = 17}, {udp4, udp6, later, first}, {tagged, arp, cut}},
      {{.ip_proto = 0}, {}, {udp4, arp, cut}},
      {{.l4_src = 1000}, {udp4, udp6, first}, {later, arp, tagged}},
      {{.l4_dst = 9}, {udp4, udp6, first}, {later, arp, cut}},
      {{.ip_proto = 6, .l4_src = 0x0101}, {tagged, twice}, {udp4}},
      {{.l4_src = 0}, {}, {later, arp, udp4}},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(to_string(test.match));
    rig.teach(9, Where::tunnel(0));
    rig.teach(8, Where::tunnel(0));
    set(3, test.match, 1);
    for (const Bytes& frame : test.yes) EXPECT_EQ(taken_to(frame), 200u);
    for (const Bytes& frame : test.no) EXPECT_EQ(taken_to(frame), 100u);
  }
}

TEST_F(Flows, TheBestRankWins) {
  rig.teach(9, Where::tunnel(1));
  const Bytes frame = udp_frame(9, 1, 100);
  set(1, {.ip_proto = 17}, 1, 100, 5);
  set(2, {.eth_dst = to_mac(9)}, 0, 100, 4);
  EXPECT_EQ(taken_to(frame), 100u);  // earlier
  set(1, {.ip_proto = 17}, 1, 99, 5);
  EXPECT_EQ(taken_to(frame), 200u);  // lower priority value
  // Of one match too, in whatever order they come.
  set(3, {.ip_proto = 17}, 0, 98);
  EXPECT_EQ(taken_to(frame), 100u);
  set(4, {.ip_proto = 17}, 1, 97);
  set(5, {.ip_proto = 17}, 0, 200);
  EXPECT_EQ(taken_to(frame), 200u);
  rig.path->remove_flow(4);
  EXPECT_EQ(taken_to(frame), 100u);
  rig.path->remove_flow(3);
  EXPECT_EQ(taken_to(frame), 200u);
  for (FlowId id : {1, 2}) rig.path->remove_flow(id);
  EXPECT_EQ(taken_to(frame), 100u);
  EXPECT_EQ(rig.path->flow_counters(5).packets, 1u);
}

TEST_F(Flows, DropsHaveTheReasonsOfTunnels) {
  set(0, {}, 5);
  EXPECT_EQ(taken_to(udp_frame(9, 1, 60)), std::nullopt);
  EXPECT_EQ(rig.drops(DropReason::tunnel_unresolved), 1u);
  EXPECT_TRUE(rig.path->set_encap(5, rig.tunnel(0), nullptr, dataplane::Unresolved::neighbour));
  EXPECT_EQ(taken_to(udp_frame(9, 1, 60)), std::nullopt);
  EXPECT_EQ(rig.drops(DropReason::neighbour_unresolved), 1u);
  rig.resolve(5, rig.tunnel(0), 1500);
  EXPECT_EQ(taken_to(udp_frame(9, 1, 1465)), std::nullopt);
  EXPECT_EQ(rig.drops(DropReason::too_big), 1u);
  EXPECT_EQ(taken_to(ethernet(mac(9), Bytes(6), 0x0800, Bytes(46))), std::nullopt);
  EXPECT_EQ(rig.drops(DropReason::invalid_source_mac), 1u);
  EXPECT_EQ(rig.path->flow_counters(0).packets, 0u);
  EXPECT_EQ(rig.path->stats().forwarded, 0u);
  EXPECT_EQ(rig.path->paths(rig.now).size(), 0u);
}

TEST_F(Flows, APortInNoNetwork) {
  ASSERT_TRUE(rig.path->set_networks({{.id = 0, .ports = {Rig::kTenant2}, .encaps = {0, 1}}}));
  // An underlay port: an exception.
  EXPECT_EQ(taken_to(udp_frame(9, 1, 60)), std::nullopt);
  EXPECT_EQ(rig.path->stats().exceptions, 1u);
  set(4, {.ip_proto = 17}, 1);
  EXPECT_EQ(taken_to(udp_frame(9, 1, 60)), 200u);
  EXPECT_EQ(taken_to(ethernet(mac(9), mac(1), 0x0806, Bytes(46))), std::nullopt);
  EXPECT_EQ(rig.drops(DropReason::no_flow), 1u);
  EXPECT_EQ(rig.path->port_drops(Rig::kTenant), 1u);
  // In a network and out again it keeps its role while it has a flow.
  ASSERT_TRUE(rig.path->set_networks(rig.networks()));
  EXPECT_EQ(taken_to(udp_frame(9, 1, 60)), 200u);
  ASSERT_TRUE(rig.path->set_networks({}));
  EXPECT_EQ(taken_to(udp_frame(9, 1, 60)), 200u);
  rig.path->remove_flow(4);
  EXPECT_EQ(taken_to(udp_frame(9, 1, 60)), std::nullopt);
  EXPECT_EQ(rig.path->stats().exceptions, 2u);
}

TEST_F(Flows, MovesToAnotherPort) {
  ASSERT_TRUE(rig.path->set_networks({}));
  set(4, {}, 0);
  ASSERT_TRUE(rig.path->set_flow(4, {.port = Rig::kTenant2, .encap = 1}));
  EXPECT_EQ(taken_to(udp_frame(9, 1, 60)), std::nullopt);
  EXPECT_EQ(rig.path->stats().exceptions, 1u);
  EXPECT_EQ(taken_to(udp_frame(9, 1, 60), Rig::kTenant2), 200u);
}

TEST_F(Flows, CountersStartAnewWithTheId) {
  set(9, {}, 0);
  taken_to(udp_frame(9, 1, 60));
  set(9, {}, 1);  // changed: the same flow
  taken_to(udp_frame(9, 1, 61));
  EXPECT_EQ(rig.path->flow_counters(9).packets, 2u);
  EXPECT_EQ(rig.path->flow_counters(9).bytes, 121u);
  rig.path->remove_flow(9);
  EXPECT_EQ(rig.path->flow_counters(9).packets, 2u);
  set(9, {}, 1);
  EXPECT_EQ(rig.path->flow_counters(9).packets, 0u);
  taken_to(udp_frame(9, 1, 62));
  EXPECT_EQ(rig.path->flow_counters(9).bytes, 62u);
  EXPECT_EQ(rig.path->flow_counters(1 << 30).packets, 0u);
}

TEST_F(Flows, RefusesWhatIsNotThere) {
  EXPECT_FALSE(rig.path->set_flow(dataplane::kMaxFlows, {}));
  EXPECT_FALSE(rig.path->set_flow(0, {.port = 3}));
  EXPECT_FALSE(rig.path->set_flow(0, {.encap = 1 << 16}));
  EXPECT_FALSE(rig.path->set_flow(0, {.match = {.src = prefix("10.0.0.0/8"), .dst = prefix("::/0")}}));
  rig.path->remove_flow(0);
  rig.path->remove_flow(1 << 30);
  EXPECT_TRUE(rig.path->set_flow(dataplane::kMaxFlows - 1, {}));
}

TEST(FlowsOfAnUnderlay, AreRefusedUnlessItIsInANetwork) {
  Rig rig({.underlay = true});
  const Status status = rig.path->set_flow(0, {.port = Rig::kUplink});
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("terminates tunnels"), std::string::npos);
  ASSERT_TRUE(rig.path->set_networks({{.id = 0, .ports = {Rig::kUplink}}}));
  EXPECT_TRUE(rig.path->set_flow(0, {.port = Rig::kUplink}));
  // Out of the network it terminates tunnels again.
  ASSERT_TRUE(rig.path->set_networks(rig.networks()));
  rig.teach(9, Where::port(Rig::kTenant));
  EXPECT_EQ(rig.carry(Rig::kUplink, arriving(udp_frame(9, 1, 60)), Rig::kTenant).size(), 1u);
}

// A slow and obvious oracle: every flow is asked whether it takes the packet.
TEST_F(Flows, AsTheOracleSays) {
  std::mt19937 random(1);
  const auto one_of = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const auto address = [&] { return 0x0a000000 | one_of(4) << 16 | one_of(4); };
  const auto draw = [&] {
    Match match;
    if (one_of(3) == 0) match.eth_src = to_mac(1 + one_of(4));
    if (one_of(3) == 0)
      match.src = net::Prefix::of(net::IpAddr::v4(net::be32{address()}), one_of(2) == 0 ? 16 : 32);
    if (one_of(3) == 0)
      match.dst = net::Prefix::of(net::IpAddr::v4(net::be32{address()}), one_of(2) == 0 ? 15 : 32);
    if (one_of(3) == 0) match.l4_src = static_cast<uint16_t>(one_of(4));
    if (one_of(3) == 0) match.vlan = Match::kUntagged;
    return match;
  };
  std::map<FlowId, FlowRule> rules;
  std::map<FlowId, uint64_t> hits;
  uint64_t sequence = 0;
  for (unsigned round = 0; round < 6000; ++round) {
    const FlowId id = one_of(600);
    if (one_of(3) != 0) {
      const bool known = rules.contains(id);
      rules[id] = {.port = Rig::kTenant,
                   .match = draw(),
                   .priority = static_cast<uint16_t>(one_of(8)),
                   .sequence = ++sequence,
                   .encap = one_of(2)};
      ASSERT_TRUE(rig.path->set_flow(id, rules[id]));
      if (!known) hits[id] = 0;
    } else if (rules.erase(id) != 0) {
      rig.path->remove_flow(id);
    }
    const Bytes frame = udp_frame(9, 1 + one_of(4), 60, static_cast<uint16_t>(one_of(4)),
                                  {.src = address(), .dst = address()});
    const tunnel::MatchKey key = dataplane::read_match_key(frame.data(), static_cast<uint32_t>(frame.size()));
    const std::pair<const FlowId, FlowRule>* best = nullptr;
    for (const auto& rule : rules) {
      const tunnel::MaskedKey masked = masked_key(rule.second.match);
      if (!((key & masked.mask) == masked.value)) continue;
      if (best == nullptr || std::pair(rule.second.priority, rule.second.sequence) <
                                 std::pair(best->second.priority, best->second.sequence))
        best = &rule;
    }
    rig.teach(9, Where::port(Rig::kTenant2));
    const auto vni = taken_to(frame);
    rig.ports[Rig::kTenant2]->drain();
    ASSERT_EQ(vni, best == nullptr ? std::nullopt : std::optional(100 * (best->second.encap + 1))) << round;
    if (best != nullptr) ++hits[best->first];
  }
  for (const auto& [id, count] : hits) EXPECT_EQ(rig.path->flow_counters(id).packets, count);
}

// As many flows as there are ids; tables grow while packets go on.
TEST_F(Flows, AllIds) {
  const auto rule = [](FlowId id) {
    return FlowRule{.match = {.src = net::Prefix::of(net::IpAddr::v4(net::be32{0x0b000000 + id}), 32)},
                    .encap = id % 2};
  };
  const auto frame = [](FlowId id) { return udp_frame(9, 1, 60, 1, {.src = 0x0b000000 + id}); };
  for (FlowId id = 0; id < dataplane::kMaxFlows; ++id) {
    ASSERT_TRUE(rig.path->set_flow(id, rule(id)));
    if ((id & (id - 1)) == 0) {
      EXPECT_EQ(taken_to(frame(id)), 100 * (id % 2 + 1));
    }
  }
  for (FlowId id = 0; id < dataplane::kMaxFlows; id += 1777)
    EXPECT_EQ(taken_to(frame(id)), 100 * (id % 2 + 1));
  for (FlowId id = 0; id < dataplane::kMaxFlows; ++id)
    if (id % 1000 != 1) rig.path->remove_flow(id);
  rig.teach(9, Where::port(Rig::kTenant2));
  EXPECT_EQ(taken_to(frame(1001)), 200u);
  EXPECT_EQ(rig.carry(Rig::kTenant, frame(1002), Rig::kTenant2).size(), 1u);
}

}  // namespace
}  // namespace culvert::testing
