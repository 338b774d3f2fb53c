#include "rig.hpp"

namespace culvert::testing {
namespace {

// What the wire shall carry for `inner`, but for the source port, which is taken from `seen` and judged
// apart.
Bytes expected(const Bytes& inner, const Bytes& seen, OuterFields outer) {
  outer.src = kLocal;
  outer.dst = kRemote;
  const size_t udp_at = (outer.vlan ? 18 : 14) + 20;
  outer.src_port = seen.size() > udp_at + 2 ? get16(seen, udp_at) : 0;
  return vxlan(inner, outer, mac(kGatewayMac), mac(kOurMac));
}

class Encap : public ::testing::Test {
 protected:
  Encap() { rig.teach(9, Where::tunnel(0)); }

  // Sends one frame; exactly one must come out, as the oracle has it. Returns its source port.
  uint16_t check(const Bytes& inner, const OuterFields& outer = {}) {
    const auto sent = rig.carry(Rig::kTenant, inner, Rig::kUplink);
    EXPECT_EQ(sent.size(), 1u);
    if (sent.size() != 1) return 0;
    EXPECT_EQ(sent[0], expected(inner, sent[0], outer));
    return get16(sent[0], outer.vlan ? 38 : 34);
  }

  Rig rig;
};

TEST_F(Encap, EveryInnerSize) {
  for (size_t size = 60; size <= 1450; ++size) check(udp_frame(9, 1, size));
  const auto stats = rig.path->stats();
  EXPECT_EQ(stats.encapsulated, 1391u);
  EXPECT_EQ(stats.forwarded, 1391u);
  EXPECT_EQ(rig.all_drops(), 0u);
  const auto encap = rig.path->encap_counters(0);
  EXPECT_EQ(encap.packets, 1391u);
  EXPECT_EQ(encap.bytes, 1391u * (60 + 1450) / 2);
}

TEST_F(Encap, FullBurst) {
  std::vector<Bytes> inner;
  for (unsigned i = 0; i < 32; ++i) {
    inner.push_back(udp_frame(9, 1 + i % 3, 60 + i, static_cast<uint16_t>(i)));
    ASSERT_TRUE(rig.ports[Rig::kTenant]->arrive(inner.back()));
  }
  rig.turn();
  const auto sent = rig.ports[Rig::kUplink]->sent();
  ASSERT_EQ(sent.size(), 32u);
  for (unsigned i = 0; i < 32; ++i) EXPECT_EQ(sent[i], expected(inner[i], sent[i], {}));
}

TEST_F(Encap, TaggedInnerFramesKeepTheirTags) {
  const Bytes packet = ipv4({.tos = 0x03}, udp(7, 8, Bytes(40)));
  check(ethernet(mac(9), mac(1), 0x0800, packet, {0x81000007}), {.tos = 3});
  check(ethernet(mac(9), mac(1), 0x0800, packet, {0x88a80064, 0x81000007}), {.tos = 3});
  // A third tag is not looked behind.
  check(ethernet(mac(9), mac(1), 0x0800, packet, {0x88a80064, 0x81000007, 0x81000008}), {.tos = 0});
}

TEST_F(Encap, OuterVlanTag) {
  rig.resolve(0, rig.tunnel(0), 1600, 77);
  check(udp_frame(9, 1, 100), {.vlan = 77});
}

TEST_F(Encap, AnyProtocolOrNone) {
  check(ethernet(mac(9), mac(1), 0x0806, Bytes(46)));
  check(ethernet(mac(9), mac(1), 0x0800, {}));         // IPv4 without a byte of it
  check(ethernet(mac(9), mac(1), 0x86dd, Bytes(39)));  // IPv6 cut short
  check(ethernet(mac(9), mac(1), 0x8100, {0}));        // half a tag
  check(ethernet(mac(9), mac(1), 0x0800, ipv4({.protocol = 47}, Bytes(9))));
  check(ethernet(mac(9), mac(1), 0x86dd, ipv6(0, 64, 58, Bytes(32))));
}

TEST_F(Encap, EcnIsCopied) {  // RFC 6040, 4.1: normal mode
  for (const auto mode : {tunnel::Ecn::automatic, tunnel::Ecn::copy, tunnel::Ecn::zero}) {
    auto tunnel = rig.tunnel(0);
    tunnel.ecn = mode;
    tunnel.dscp = 10;
    rig.resolve(0, tunnel);
    for (uint8_t ecn = 0; ecn < 4; ++ecn) {
      const auto tos = static_cast<uint8_t>(10 << 2 | (mode == tunnel::Ecn::zero ? 0 : ecn));
      const auto inner_tos = static_cast<uint8_t>(46 << 2 | ecn);
      check(udp_frame(9, 1, 80, 1, {.tos = inner_tos}), {.tos = tos});
      check(ethernet(mac(9), mac(1), 0x86dd, ipv6(inner_tos, 64, 17, udp(1, 2, Bytes(9)))), {.tos = tos});
    }
  }
}

TEST_F(Encap, DscpAndTtlInherited) {
  auto tunnel = rig.tunnel(0);
  tunnel.dscp.reset();
  tunnel.ttl.reset();
  rig.resolve(0, tunnel);
  for (unsigned i = 1; i < 256; ++i) {
    const auto value = static_cast<uint8_t>(i);
    check(udp_frame(9, 1, 80, 1, {.tos = value, .ttl = value}), {.tos = value, .ttl = value});
    check(ethernet(mac(9), mac(1), 0x86dd, ipv6(value, value, 17, udp(1, 2, Bytes(9)))),
          {.tos = value, .ttl = value});
  }
  check(ethernet(mac(9), mac(1), 0x0806, Bytes(46)), {.ttl = 64});
}

TEST_F(Encap, SourcePortsFollowTheFlowAndStayInRange) {
  auto tunnel = rig.tunnel(0);
  tunnel.source_port_first = 50000;
  tunnel.source_port_last = 50003;
  rig.resolve(0, tunnel);
  std::array<unsigned, 4> seen{};
  for (uint16_t flow = 0; flow < 400; ++flow) {
    const uint16_t port = check(udp_frame(9, 1, 60, flow));
    ASSERT_GE(port, 50000);
    ASSERT_LE(port, 50003);
    EXPECT_EQ(check(udp_frame(9, 1, 900, flow)), port);
    ++seen[port - 50000u];
  }
  for (const unsigned count : seen) EXPECT_GT(count, 50u);

  tunnel.source_port_first = tunnel.source_port_last = 4789;
  rig.resolve(0, tunnel);
  EXPECT_EQ(check(udp_frame(9, 1, 60)), 4789);
}

TEST_F(Encap, FragmentsOfOnePacketTakeOnePort) {
  const uint16_t first = check(udp_frame(9, 1, 100, 1, {.fragment = 0x2000}));
  const uint16_t second = check(udp_frame(9, 1, 100, 2, {.fragment = 0x2000 | 100}));
  EXPECT_EQ(check(udp_frame(9, 1, 100, 3, {.fragment = 200})), first);
  EXPECT_EQ(second, first);
}

TEST_F(Encap, NewNextHopIsUsedByTheNextPacket) {
  check(udp_frame(9, 1, 60));
  rig.resolve(0, rig.tunnel(0), 1600, std::nullopt, 0x1234);
  const auto sent = rig.carry(Rig::kTenant, udp_frame(9, 1, 60), Rig::kUplink);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(Bytes(sent[0].begin(), sent[0].begin() + 6), mac(0x1234));
}

TEST_F(Encap, UnresolvedIsNamed) {
  using dataplane::Unresolved;
  EXPECT_TRUE(rig.path->set_encap(0, rig.tunnel(0), nullptr));
  EXPECT_TRUE(rig.carry(Rig::kTenant, udp_frame(9, 1, 60), Rig::kUplink).empty());
  EXPECT_TRUE(rig.path->set_encap(0, rig.tunnel(0), nullptr, Unresolved::neighbour));
  EXPECT_TRUE(rig.carry(Rig::kTenant, udp_frame(9, 1, 60), Rig::kUplink).empty());
  rig.path->remove_encap(0);
  EXPECT_TRUE(rig.carry(Rig::kTenant, udp_frame(9, 1, 60), Rig::kUplink).empty());
  EXPECT_EQ(rig.drops(DropReason::tunnel_unresolved), 2u);
  EXPECT_EQ(rig.drops(DropReason::neighbour_unresolved), 1u);
  EXPECT_EQ(rig.path->port_drops(Rig::kTenant), 3u);
}

TEST_F(Encap, CountersStartAnewWithTheId) {
  check(udp_frame(9, 1, 60));
  rig.path->remove_encap(0);
  rig.resolve(0, rig.tunnel(0));
  EXPECT_EQ(rig.path->encap_counters(0).packets, 0u);
  check(udp_frame(9, 1, 60));
  EXPECT_EQ(rig.path->encap_counters(0).packets, 1u);
  EXPECT_EQ(rig.path->encap_counters(0).bytes, 60u);
}

TEST_F(Encap, TooBigForThePath) {
  rig.resolve(0, rig.tunnel(0), 1500);
  check(udp_frame(9, 1, 1464));  // 36 bytes more make 1500
  EXPECT_TRUE(rig.carry(Rig::kTenant, udp_frame(9, 1, 1465), Rig::kUplink).empty());
  EXPECT_EQ(rig.drops(DropReason::too_big), 1u);
}

TEST_F(Encap, BadSources) {
  for (const Bytes& source : {Bytes(6), Bytes{1, 0, 0x5e, 0, 0, 1}, Bytes(6, 0xff)})
    EXPECT_TRUE(rig.carry(Rig::kTenant, ethernet(mac(9), source, 0x0800, Bytes(46)), Rig::kUplink).empty());
  EXPECT_EQ(rig.drops(DropReason::invalid_source_mac), 3u);
  EXPECT_TRUE(rig.carry(Rig::kTenant, Bytes(13, 2), Rig::kUplink).empty());
  EXPECT_EQ(rig.drops(DropReason::malformed_ethernet), 1u);
  EXPECT_EQ(rig.path->paths(rig.now).size(), 1u);  // nothing was learned
}

TEST_F(Encap, StoppedAndStarted) {
  rig.path->set_forwarding(false);
  EXPECT_TRUE(rig.carry(Rig::kTenant, udp_frame(9, 1, 60), Rig::kUplink).empty());
  EXPECT_EQ(rig.drops(DropReason::stopped), 1u);
  rig.path->set_forwarding(true);
  check(udp_frame(9, 1, 60));
}

TEST_F(Encap, RefusesWhatIsNotThere) {
  tunnel::EncapRule rule;
  rule.port = 7;
  rule.header = make_header(rig.tunnel(0), rule.dst_mac, rule.src_mac, std::nullopt);
  EXPECT_FALSE(rig.path->set_encap(0, rig.tunnel(0), &rule));
  rule.header.size_bytes = 20;
  EXPECT_FALSE(rig.path->set_encap(0, rig.tunnel(0), &rule));
  EXPECT_FALSE(rig.path->set_encap(1 << 16, rig.tunnel(0), nullptr));
}

}  // namespace
}  // namespace culvert::testing
