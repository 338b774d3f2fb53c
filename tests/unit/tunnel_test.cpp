#include <gtest/gtest.h>

#include "tunnel/encap_rule.hpp"
#include "tunnel/flow.hpp"

namespace culvert::tunnel {
namespace {

Tunnel vx100() {
  Tunnel tunnel;
  tunnel.name = "vx100";
  tunnel.vni = 100;
  tunnel.local = *net::IpAddr::parse("192.0.2.1");
  tunnel.remote = *net::IpAddr::parse("192.0.2.2");
  return tunnel;
}

const net::Mac kDst = *net::Mac::parse("02:00:00:00:00:02");
const net::Mac kSrc = *net::Mac::parse("02:00:00:00:00:01");

// Written by hand from RFC 791, 768 and 7348.
TEST(Header, VxlanOverIpv4) {
  const Header header = make_header(vx100(), kDst, kSrc, std::nullopt);
  EXPECT_EQ(header.hex(),
            "020000000002"
            "020000000001"
            "0800"
            "4500"
            "0000"
            "0000"
            "4000"
            "40"
            "11"
            "0000"
            "c0000201"
            "c0000202"
            "c000"
            "12b5"
            "0000"
            "0000"
            "08000000"
            "00006400");
  EXPECT_EQ(header.l3_offset, 14);
}

TEST(Header, BehindVlanWithDscpAndTtl) {
  Tunnel tunnel = vx100();
  tunnel.dscp = 46;
  tunnel.ttl = 3;
  tunnel.dst_port = 8472;
  const Header header = make_header(tunnel, kDst, kSrc, 7);
  EXPECT_EQ(header.hex(),
            "020000000002"
            "020000000001"
            "8100"
            "0007"
            "0800"
            "45b8"
            "0000"
            "0000"
            "4000"
            "03"
            "11"
            "0000"
            "c0000201"
            "c0000202"
            "c000"
            "2118"
            "0000"
            "0000"
            "08000000"
            "00006400");
  EXPECT_EQ(header.l3_offset, 18);
}

TEST(Header, InheritedFieldsAreZero) {
  Tunnel tunnel = vx100();
  tunnel.ttl.reset();
  tunnel.dscp.reset();
  const Header header = make_header(tunnel, kDst, kSrc, std::nullopt);
  EXPECT_EQ(header.bytes[15], 0);
  EXPECT_EQ(header.bytes[22], 0);
}

Match to_net(const char* prefix) {
  Match match;
  match.dst = net::Prefix::parse(prefix);
  return match;
}

TEST(Match, OverlapIsAPacketThatBothTake) {
  const auto both = [](const Match& a, const Match& b) { return overlap(masked_key(a), masked_key(b)); };
  EXPECT_TRUE(both(Match{}, to_net("10.7.0.0/16")));
  EXPECT_TRUE(both(to_net("10.7.0.0/16"), to_net("10.7.3.0/24")));
  EXPECT_FALSE(both(to_net("10.7.0.0/16"), to_net("10.8.0.0/16")));
  EXPECT_FALSE(both(to_net("0.0.0.0/0"), to_net("::/0")));
  Match dns = to_net("10.7.0.0/16");
  dns.ip_proto = 17;
  dns.l4_dst = 53;
  Match web = dns;
  web.l4_dst = 80;
  Match from_a = dns;
  from_a.l4_dst.reset();
  from_a.l4_src = 99;
  EXPECT_FALSE(both(dns, web));
  EXPECT_TRUE(both(dns, from_a));
  Match untagged, tagged;
  untagged.vlan = Match::kUntagged;
  tagged.vlan = 0;
  EXPECT_FALSE(both(untagged, tagged));
}

TEST(Match, SaysItselfInTheKeysOfTheConfiguration) {
  Match match = to_net("10.7.0.0/16");
  match.vlan = Match::kUntagged;
  match.ip_proto = 17;
  match.l4_dst = 53;
  EXPECT_EQ(to_string(match), "vlan none ipv4_dst 10.7.0.0/16 ip_proto 17 l4_dst 53");
  EXPECT_EQ(to_string(Match{}), "any");
}

TEST(Match, FaultsAreNamed) {
  Match match = to_net("10.7.0.0/16");
  EXPECT_FALSE(fault_of(match));
  match.src = net::Prefix::parse("fd00::/8");
  EXPECT_TRUE(fault_of(match));
  match.src.reset();
  match.ip_proto = 1;
  match.l4_dst = 53;
  EXPECT_TRUE(fault_of(match));
  match.ip_proto.reset();
  EXPECT_FALSE(fault_of(match));
  match.vlan = 4095;
  EXPECT_TRUE(fault_of(match));
}

}  // namespace
}  // namespace culvert::tunnel
