// What needs no device: the words of a rule, and how a match becomes patterns.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "offload/driver_error.hpp"
#include "offload/overlap.hpp"
#include "offload/shapes.hpp"
#include "tunnel/encap_rule.hpp"

namespace culvert::offload {
namespace {

using tunnel::Match;

const net::Mac kMac = *net::Mac::parse("02:00:00:00:07:02");
const Underlay kUnderlay{*net::IpAddr::parse("192.0.2.2"), *net::IpAddr::parse("192.0.2.1"), 4789, 100};

TEST(RuleText, IsWhatTestpmdTakes) {
  Rule rule;
  tunnel::Tunnel vx;
  vx.vni = 100;
  vx.local = kUnderlay.dst;
  vx.remote = kUnderlay.src;
  const auto header = tunnel::make_header(vx, kMac, *net::Mac::parse("02:00:00:00:03:00"), uint16_t{7});
  slot_encap(rule, {2, 1}, 6, {header.view(), 2});
  EXPECT_EQ(
      rule.to_testpmd(),
      (std::vector<std::string>{
          "set raw_encap 0 eth dst is 02:00:00:00:07:02 src is 02:00:00:00:03:00 / vlan vid is 7 inner_type "
          "is 0x0800 / ipv4 "
          "src is 192.0.2.1 dst is 192.0.2.2 tos is 0 ttl is 64 fragment_offset is 16384 / udp src is 49152 "
          "dst is 4789 / vxlan vni is 100 / end_set",
          "flow create 2 transfer group 3 priority 1 pattern represented_port / tag index is 1 data is 7 / "
          "end actions count / raw_encap index 0 / represented_port ethdev_port_id 2 / end"}));
  explicit_tagged(rule, {2, 0}, 3,
                  Match{.eth_src = kMac,
                        .vlan = Match::kUntagged,
                        .dst = net::Prefix::parse("10.7.0.0/16"),
                        .ip_proto = uint8_t{17},
                        .l4_dst = uint16_t{53}},
                  0);
  EXPECT_EQ(
      rule.to_testpmd().back(),
      "flow create 2 transfer group 0 priority 0 pattern represented_port ethdev_port_id is 3 / eth src is "
      "02:00:00:00:07:02 has_vlan is 0 / ipv4 dst spec 10.7.0.0 dst mask 255.255.0.0 proto is 17 / udp dst "
      "is 53 / end actions count / set_tag index 1 data 1 mask 0xffffffff / jump group 3 / end");
  const std::vector<uint16_t> queues{0, 1};
  ingress_decap(rule, {0, 0}, kUnderlay, 5, queues);
  EXPECT_EQ(
      rule.to_testpmd().back(),
      "flow create 0 ingress group 0 priority 0 pattern eth / ipv4 src is 192.0.2.2 dst is 192.0.2.1 / udp "
      "dst is 4789 / vxlan vni is 100 / end actions mark id 5 / vxlan_decap / rss types ip udp tcp end "
      "queues "
      "0 1 end / end");
  congested(rule, {0, 3}, 2);
  EXPECT_EQ(rule.to_testpmd().back(),
            "flow create 0 transfer group 0 priority 3 pattern represented_port ethdev_port_id is 2 / eth / "
            "ipv4 tos spec 3 tos mask 3 / end actions jump group 4 / end");
  no_leak(rule, {0, 9});
  EXPECT_EQ(
      rule.to_testpmd().back(),
      "flow create 0 egress group 1 priority 9 pattern meta data spec 2147483648 data mask 2147483648 / end "
      "actions drop / end");
}

TEST(RuleMatches, OnePatternWhereOneWillDo) {
  for (const Match& match :
       {Match{}, Match{.eth_dst = kMac},
        Match{.dst = net::Prefix::parse("10.0.0.0/8"), .ip_proto = uint8_t{1}},
        Match{.src = net::Prefix::parse("2001:db8::/32"), .ip_proto = uint8_t{6}, .l4_dst = uint16_t{80}}})
    EXPECT_EQ(rule_matches(match), std::vector{match}) << tunnel::to_string(match);
}

TEST(RuleMatches, OneForEachFamilyAndProtocol) {
  const auto families = rule_matches({.ip_proto = uint8_t{47}});
  ASSERT_EQ(families.size(), 2u);
  EXPECT_EQ(families[0].dst, net::Prefix::parse("0.0.0.0/0"));
  EXPECT_EQ(families[1].dst, net::Prefix::parse("::/0"));
  const auto protocols = rule_matches({.src = net::Prefix::parse("10.0.0.0/8"), .l4_src = uint16_t{1}});
  ASSERT_EQ(protocols.size(), 2u);
  EXPECT_EQ(protocols[0].ip_proto, 6);
  EXPECT_EQ(protocols[1].ip_proto, 17);
  EXPECT_EQ(rule_matches({.l4_dst = uint16_t{53}}).size(), 4u);
}

TEST(DriverErrors, SayWhatTheDriverSaid) {
  rte_flow_error error{RTE_FLOW_ERROR_TYPE_ATTR_EGRESS, nullptr, "mark action not supported for egress"};
  EXPECT_EQ(DriverError::of(error, -ENOTSUP).to_string(),
            "mark action not supported for egress (egress attribute: Operation not supported)");
  error = {};
  EXPECT_EQ(DriverError::of(error, 0).to_string(), "Input/output error (the driver gives no words)");
}

// Against a comparison of each with each. Few values and many masks: claims that are equal, wider, narrower
// and apart, in tables that grow and shrink.
TEST(OverlapIndex, FindsWhatAnyComparisonFinds) {
  struct OneClaim {
    explicit OneClaim(const Match& match) : key(tunnel::masked_key(match)), hash(KeyHash()(key.value)) {}
    tunnel::MaskedKey key;
    size_t hash;
    size_t overlaps = 0;
  };
  std::mt19937 random(1);
  const auto below = [&](uint32_t end) { return static_cast<uint32_t>(random() % end); };
  const auto any_match = [&] {
    Match match;
    if (below(4) != 0)
      match.dst = net::Prefix::of(net::IpAddr::v4(net::be32{0x0a000000 + below(64)}), 24 + below(9));
    if (below(2) != 0) match.ip_proto = static_cast<uint8_t>(below(2) != 0 ? 6 : 17);
    if (below(2) != 0) match.l4_dst = static_cast<uint16_t>(below(8));
    return match;
  };
  OverlapIndex<OneClaim> index;
  std::vector<std::unique_ptr<OneClaim>> claims;
  for (int step = 0; step < 4000; ++step) {
    const bool grows = step % 1000 < 600;
    if (claims.empty() || below(4) < (grows ? 3 : 1)) {
      OneClaim& one = *claims.emplace_back(std::make_unique<OneClaim>(any_match()));
      index.prefetch(one);
      index.add(one);
    } else {
      std::swap(claims[below(static_cast<uint32_t>(claims.size()))], claims.back());
      index.remove(*claims.back());
      claims.pop_back();
    }
    if (claims.empty()) continue;
    const OneClaim& one = *claims[below(static_cast<uint32_t>(claims.size()))];
    std::vector<const OneClaim*> expected, found;
    for (const auto& other : claims)
      if (tunnel::overlap(one.key, other->key)) expected.push_back(other.get());
    index.overlapping(one, [&](OneClaim& other) { found.push_back(&other); });
    std::ranges::sort(expected);
    std::ranges::sort(found);
    ASSERT_EQ(found, expected) << "step " << step;
    ASSERT_EQ(one.overlaps + 1, expected.size()) << "step " << step;
  }
}

}  // namespace
}  // namespace culvert::offload
