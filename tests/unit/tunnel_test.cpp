#include <gtest/gtest.h>

#include "tunnel/encap_rule.hpp"

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

}  // namespace
}  // namespace culvert::tunnel
