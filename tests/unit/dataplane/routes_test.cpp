// l3 networks: what is routed, where to, with what headers, and what becomes of the rest.
#include <map>

#include "dataplane/ip_packet.hpp"
#include "rig.hpp"

namespace culvert::testing {
namespace {

using dataplane::HopId;
using dataplane::RouteHop;
using dataplane::Way;
using Kind = Way::Kind;

constexpr unsigned kFarRouter = 0x701, kNearRouter = 0x702;  // inner_dst_mac and inner_src_mac of encap 0
constexpr unsigned kStation = 0xa1;                          // behind port 0
constexpr size_t kOuterBytes = 50;

// The ports and encaps of the rig in one l3 network.
class Routes : public ::testing::Test {
 protected:
  explicit Routes(const RigOptions& options = {}) : rig(options) {
    for (unsigned encap : {0, 1}) rig.resolve(encap, tunnel(encap));
    EXPECT_TRUE(rig.path->set_networks({{.id = 0, .ports = {0, 1}, .encaps = {0, 1}, .routed = true}}));
    auto terminations = rig.terminations();
    for (unsigned encap : {0, 1}) terminations[encap].inner_mac = to_mac(kNearRouter + 16 * encap);
    EXPECT_TRUE(rig.path->set_terminations(terminations));
  }

  tunnel::Tunnel tunnel(unsigned encap) const {
    tunnel::Tunnel result = rig.tunnel(encap);
    result.inner_dst_mac = to_mac(kFarRouter + 16 * encap);
    result.inner_src_mac = to_mac(kNearRouter + 16 * encap);
    return result;
  }
  HopId add_hop(const std::vector<dataplane::WeightedWay>& ways) {
    rig.path->set_hop(++last_hop, dataplane::make_route_hop(ways));
    return last_hop;
  }
  HopId add_hop(const Way& way) { return add_hop({{way, 1}}); }
  void route(const char* prefix, HopId hop) { rig.path->routes(0)->set(*net::Prefix::parse(prefix), hop); }
  static Way into(unsigned encap) { return {.kind = Kind::tunnel, .encap = encap}; }
  static Way to(unsigned port, unsigned station = kStation) {
    return {.kind = Kind::station,
            .port = static_cast<dataplane::PortIndex>(port),
            .dst_mac = to_mac(station),
            .src_mac = to_mac(kOurMac)};
  }
  // From a station of port 0 or 1 to the router.
  static Bytes from_tenant(const Bytes& packet, uint16_t type = 0x0800) {
    return ethernet(mac(kOurMac), mac(kStation), type, packet);
  }
  static Bytes packet_to(uint32_t destination, uint8_t ttl = 64, uint16_t src_port = 1000) {
    return ipv4({.dst = destination, .ttl = ttl}, udp(src_port, 9, Bytes(50, 0x5a)));
  }
  static Bytes from_tunnel(const Bytes& packet, unsigned encap = 0, uint16_t type = 0x0800) {
    return arriving(ethernet(mac(kNearRouter + 16 * encap), mac(kFarRouter + 16 * encap), type, packet),
                    {.src = kRemote + encap, .vni = 100 * (encap + 1)});
  }
  // The same one hop later; the checksum made anew.
  static Bytes hop_later(Bytes packet) {
    if (packet[0] >> 4 == 6) {
      --packet[7];
      return packet;
    }
    --packet[8];
    put16(packet, 10, 0);
    put16(packet, 10, static_cast<uint16_t>(~sum16(packet, 0, (packet[0] & 0xf) * 4u)));
    return packet;
  }
  Bytes into_tunnel(const Bytes& packet, unsigned encap, uint16_t type = 0x0800) const {
    return ethernet(mac(kFarRouter + 16 * encap), mac(kNearRouter + 16 * encap), type, packet);
  }
  static Bytes inner_of(const Bytes& frame) { return {frame.begin() + kOuterBytes, frame.end()}; }
  static uint32_t vni_of(const Bytes& frame) { return (get16(frame, 46) << 8) | frame[48]; }

  Rig rig;
  HopId last_hop = 0;
};

TEST_F(Routes, IntoATunnelWithANewHeaderAndOneHopLess) {
  route("10.7.0.0/16", add_hop(into(0)));
  route("10.7.9.0/24", add_hop(into(1)));
  const Bytes packet = packet_to(0x0a070005);
  const auto out = rig.carry(0, from_tenant(packet), Rig::kUplink);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(vni_of(out[0]), 100u);
  EXPECT_EQ(inner_of(out[0]), into_tunnel(hop_later(packet), 0));
  const auto longer = rig.carry(1, from_tenant(packet_to(0x0a070905)), Rig::kUplink);
  ASSERT_EQ(longer.size(), 1u);
  EXPECT_EQ(vni_of(longer[0]), 200u);
  const auto stats = rig.path->stats();
  EXPECT_EQ(stats.forwarded, 2u);
  EXPECT_EQ(stats.encapsulated, 2u);
  EXPECT_EQ(rig.path->encap_counters(0).packets, 1u);
  EXPECT_EQ(rig.all_drops(), 0u);
  EXPECT_TRUE(rig.path->paths(rig.now).empty()) << "an l3 network learns nothing";
}

TEST_F(Routes, EveryTtlAndItsChecksum) {
  route("10.0.0.0/8", add_hop(into(0)));
  for (unsigned ttl = 2; ttl < 256; ++ttl) {
    // The identification makes the checksum take other values.
    Bytes packet = packet_to(0x0a070005, static_cast<uint8_t>(ttl));
    put16(packet, 4, ttl * 257 * 31);
    put16(packet, 10, 0);
    put16(packet, 10, static_cast<uint16_t>(~sum16(packet, 0, 20)));
    const auto out = rig.carry(0, from_tenant(packet), Rig::kUplink);
    ASSERT_EQ(out.size(), 1u);
    ASSERT_EQ(inner_of(out[0]), into_tunnel(hop_later(packet), 0)) << ttl;
  }
}

TEST_F(Routes, OutOfATunnelToAStation) {
  route("10.0.0.0/24", add_hop(to(0)));
  const Bytes packet = packet_to(0x0a000002);
  const auto out = rig.carry(Rig::kUplink, from_tunnel(packet), 0);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0], ethernet(mac(kStation), mac(kOurMac), 0x0800, hop_later(packet)));
  EXPECT_EQ(rig.path->stats().decapsulated, 1u);
  EXPECT_EQ(rig.path->stats().forwarded, 1u);
}

TEST_F(Routes, Ipv6BothWays) {
  route("2001:db8::2/128", add_hop(into(1)));
  const Bytes packet = ipv6(0, 64, 17, udp(1000, 9, Bytes(40, 1)));
  const auto out = rig.carry(0, from_tenant(packet, 0x86dd), Rig::kUplink);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(inner_of(out[0]), into_tunnel(hop_later(packet), 1, 0x86dd));
  route("2001:db8::2/128", add_hop(to(1)));
  const auto back = rig.carry(Rig::kUplink, from_tunnel(packet, 0, 0x86dd), 1);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0], ethernet(mac(kStation), mac(kOurMac), 0x86dd, hop_later(packet)));
}

TEST_F(Routes, FromATunnelIntoATunnel) {
  route("10.0.0.0/24", add_hop(into(1)));
  const Bytes packet = packet_to(0x0a000002);
  const auto out = rig.carry(Rig::kUplink, from_tunnel(packet, 0), Rig::kUplink);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(vni_of(out[0]), 200u);
  EXPECT_EQ(inner_of(out[0]), into_tunnel(hop_later(packet), 1));
  EXPECT_GE(get16(out[0], 34), 49152) << "entropy";
}

TEST_F(Routes, TheOuterHeaderInheritsTheTtlThatIsLeft) {
  auto inheriting = tunnel(0);
  inheriting.ttl.reset();
  inheriting.dscp.reset();
  rig.resolve(0, inheriting);
  route("0.0.0.0/0", add_hop(into(0)));
  const Bytes packet = ipv4({.dst = 0x0a070005, .tos = 0xb9, .ttl = 9}, udp(1, 9, Bytes(40)));
  for (const Bytes& frame : {from_tenant(packet)}) {
    const auto out = rig.carry(0, frame, Rig::kUplink);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0][22], 8);
    EXPECT_EQ(out[0][15], 0xb9);
  }
  const auto out = rig.carry(Rig::kUplink, from_tunnel(packet, 1), Rig::kUplink);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0][22], 8);
  EXPECT_EQ(out[0][15], 0xb9);
}

// 240.0.0.0/4 is reserved, and the kernel routes it all the same.
TEST_F(Routes, ReservedAddressesAreRouted) {
  route("240.0.0.0/4", add_hop(into(0)));
  EXPECT_EQ(rig.carry(0, from_tenant(packet_to(0xf0000001)), Rig::kUplink).size(), 1u);
}

TEST_F(Routes, PaddingIsLeftBehind) {
  route("10.0.0.0/24", add_hop(into(0)));
  const Bytes packet = ipv4({}, udp(1000, 9, {}));
  Bytes frame = from_tenant(packet);
  frame.resize(60, 0xee);
  const auto out = rig.carry(0, frame, Rig::kUplink);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(inner_of(out[0]), into_tunnel(hop_later(packet), 0));
}

TEST_F(Routes, PacketsInSegments) {
  route("10.0.0.0/24", add_hop(into(0)));
  const Bytes packet = ipv4({}, udp(1000, 9, Bytes(900, 3)));
  ASSERT_TRUE(rig.ports[0]->arrive(from_tenant(packet), 200));
  Bytes padded = from_tenant(packet);
  padded.resize(padded.size() + 250, 0xee);  // more than a segment of padding
  ASSERT_TRUE(rig.ports[0]->arrive(padded, 200));
  rig.turn();
  const auto out = rig.ports[Rig::kUplink]->sent();
  ASSERT_EQ(out.size(), 2u);
  for (const Bytes& frame : out) EXPECT_EQ(inner_of(frame), into_tunnel(hop_later(packet), 0));
}

// One for each way that a packet can be no good: it is dropped by its name, whatever the route.
TEST_F(Routes, EachFaultHasItsName) {
  route("0.0.0.0/0", add_hop(into(0)));
  route("::/0", add_hop(into(0)));
  const Bytes v4 = packet_to(0x0a070005), v6 = ipv6(0, 64, 17, udp(1, 9, Bytes(40)));
  const auto altered = [](Bytes packet, size_t at, uint8_t value, bool sum = true) {
    packet[at] = value;
    if (packet[0] >> 4 == 4 && sum) {
      put16(packet, 10, 0);
      put16(packet, 10, static_cast<uint16_t>(~sum16(packet, 0, 20)));
    }
    return packet;
  };
  struct Case {
    DropReason reason;
    Bytes frame;
  };
  const auto from4 = [&](uint32_t source) {
    return from_tenant(ipv4({.src = source, .dst = 0x0a070005}, udp(1, 9, Bytes(40))));
  };
  Bytes loopback6 = v6, unspecified6 = v6, group6 = v6, local6 = v6, nowhere6 = v6;
  std::fill_n(nowhere6.begin() + 24, 16, uint8_t{0});
  std::fill_n(loopback6.begin() + 8, 15, uint8_t{0});
  std::fill_n(unspecified6.begin() + 8, 16, uint8_t{0});
  group6[8] = 0xff;
  local6[8] = 0xfe;
  local6[9] = 0x80;
  const std::vector<Case> cases{
      {DropReason::ipv4_bad_header, from_tenant(altered(v4, 0, 0x55, false))},
      {DropReason::ipv4_bad_header, from_tenant(altered(v4, 0, 0x44, false))},
      {DropReason::ipv4_bad_header, from_tenant(Bytes(v4.begin(), v4.begin() + 19))},
      {DropReason::ipv4_bad_length, from_tenant(altered(v4, 3, 19))},
      {DropReason::ipv4_bad_length, from_tenant(Bytes(v4.begin(), v4.end() - 1))},
      {DropReason::ipv4_bad_checksum, from_tenant(altered(v4, 9, 18, false))},
      {DropReason::ipv6_bad_header, from_tenant(altered(v6, 0, 0x40), 0x86dd)},
      {DropReason::ipv6_bad_header, from_tenant(Bytes(v6.begin(), v6.begin() + 39), 0x86dd)},
      {DropReason::ipv6_bad_length, from_tenant(Bytes(v6.begin(), v6.end() - 1), 0x86dd)},
      {DropReason::ipv6_bad_length, from_tenant(ipv6(0, 64, 0, {}), 0x86dd)},  // RFC 2675
      {DropReason::ttl_expired, from_tenant(packet_to(0x0a070005, 1))},
      {DropReason::ttl_expired, from_tenant(packet_to(0x0a070005, 0))},
      {DropReason::ttl_expired, from_tenant(altered(v6, 7, 1), 0x86dd)},
      {DropReason::ttl_expired, from_tenant(altered(v6, 7, 0), 0x86dd)},
      {DropReason::martian_source, from4(0)},
      {DropReason::martian_source, from4(0x7f000001)},
      {DropReason::martian_source, from4(0xe0000001)},
      {DropReason::martian_source, from4(0xffffffff)},
      {DropReason::martian_source, from_tenant(loopback6, 0x86dd)},
      {DropReason::martian_source, from_tenant(unspecified6, 0x86dd)},
      {DropReason::martian_source, from_tenant(group6, 0x86dd)},
      {DropReason::martian_source, from_tenant(local6, 0x86dd)},
      {DropReason::martian_destination, from_tenant(packet_to(0x00010203))},
      {DropReason::martian_destination, from_tenant(packet_to(0x7f000001))},
      {DropReason::martian_destination, from_tenant(nowhere6, 0x86dd)},
      {DropReason::invalid_source_mac, ethernet(mac(kOurMac), Bytes(6), 0x0800, v4)},
      {DropReason::other_mac, ethernet(mac(5), mac(kStation), 0x0800, v4)},
      {DropReason::other_mac, ethernet(Bytes(6, 0xff), mac(kStation), 0x0806, Bytes(28))},
      {DropReason::not_ip, from_tenant(Bytes(28), 0x0806)},
      {DropReason::not_ip, ethernet(mac(kOurMac), mac(kStation), 0x0800, v4, {0x81000007})},
      {DropReason::no_kernel_path, from_tenant(packet_to(0xe0000005))},
      {DropReason::no_kernel_path, from_tenant(packet_to(0xffffffff))},
      {DropReason::no_kernel_path, from_tenant(altered(v6, 24, 0xff), 0x86dd)},
      {DropReason::no_kernel_path, from_tenant(altered(altered(v6, 24, 0xfe), 25, 0x80), 0x86dd)},
      {DropReason::other_mac, arriving(ethernet(mac(5), mac(kFarRouter), 0x0800, v4))},
      {DropReason::other_mac,
       arriving(ethernet(mac(kNearRouter + 16), mac(kFarRouter), 0x0800, v4))},  // of the other tunnel
      {DropReason::not_ip, from_tunnel(Bytes(28), 0, 0x0806)},
      {DropReason::ttl_expired, from_tunnel(packet_to(0x0a070005, 1))},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const uint64_t before = rig.drops(cases[i].reason), all = rig.all_drops();
    const bool tunnelled = cases[i].frame.size() > 14 && get16(cases[i].frame, 12) == 0x0800 &&
                           cases[i].frame.size() > 50 && get16(cases[i].frame, 36) == 4789;
    EXPECT_TRUE(rig.carry(tunnelled ? unsigned{Rig::kUplink} : 0u, cases[i].frame, Rig::kUplink).empty())
        << i;
    EXPECT_EQ(rig.drops(cases[i].reason), before + 1) << i;
    EXPECT_EQ(rig.all_drops(), all + 1) << i;
  }
  EXPECT_EQ(rig.path->stats().exceptions, 0u) << "no kernel sees these ports";
}

TEST_F(Routes, WhatARouteSays) {
  struct Case {
    const char* prefix;
    uint32_t address;
    DropReason reason;
  };
  const std::vector<Case> cases{{"10.1.0.0/16", 0x0a010001, DropReason::route_blackhole},
                                {"10.2.0.0/16", 0x0a020001, DropReason::route_unreachable},
                                {"10.3.0.0/16", 0x0a030001, DropReason::route_prohibit},
                                {"10.4.0.0/16", 0x0a040001, DropReason::route_throw},
                                {"10.5.0.0/16", 0x0a050001, DropReason::hop_down},
                                {"10.6.0.0/16", 0x0a060001, DropReason::hop_elsewhere}};
  for (const Case& one : cases) route(one.prefix, add_hop(Way{.reason = one.reason}));
  for (const Case& one : cases) {
    EXPECT_TRUE(rig.carry(0, from_tenant(packet_to(one.address)), Rig::kUplink).empty());
    EXPECT_EQ(rig.drops(one.reason), 1u) << one.prefix;
  }
  EXPECT_TRUE(rig.carry(0, from_tenant(packet_to(0x0b000001)), Rig::kUplink).empty());
  EXPECT_EQ(rig.drops(DropReason::no_route), 1u);
  route("10.8.0.0/16", add_hop(Way{.kind = Kind::kernel}));
  EXPECT_TRUE(rig.carry(0, from_tenant(packet_to(0x0a080001)), Rig::kUplink).empty());
  EXPECT_EQ(rig.drops(DropReason::no_kernel_path), 1u);
  rig.path->set_encap(0, tunnel(0), nullptr, dataplane::Unresolved::neighbour);
  route("10.9.0.0/16", add_hop(into(0)));
  EXPECT_TRUE(rig.carry(0, from_tenant(packet_to(0x0a090001)), Rig::kUplink).empty());
  EXPECT_EQ(rig.drops(DropReason::neighbour_unresolved), 1u);
}

TEST_F(Routes, AStationsLinkHasAnMtu) {
  Way way = to(1);
  way.mtu = 500;
  route("10.0.0.0/24", add_hop(way));
  const auto packet = [](size_t bytes) { return ipv4({}, udp(1, 9, Bytes(bytes - 28))); };
  EXPECT_EQ(rig.carry(0, from_tenant(packet(500)), 1).size(), 1u);
  EXPECT_EQ(rig.carry(0, from_tenant(packet(501)), 1).size(), 0u);
  EXPECT_EQ(rig.drops(DropReason::too_big), 1u);
}

// That of the route holds for what is directly connected and for tunnels too.
TEST_F(Routes, ARouteHasAnMtu) {
  rig.path->neighbours(1).set(*net::Prefix::parse("10.0.0.2/32"), add_hop(to(1, 0xb2)));
  const auto packet = [](size_t bytes) { return ipv4({}, udp(1, 9, Bytes(bytes - 28))); };
  Way connected{.kind = Kind::on_link, .port = 1}, tunnel = into(0);
  connected.mtu = tunnel.mtu = 500;
  route("10.0.0.0/24", add_hop(connected));
  EXPECT_EQ(rig.carry(0, from_tenant(packet(500)), 1).size(), 1u);
  EXPECT_EQ(rig.carry(0, from_tenant(packet(501)), 1).size(), 0u);
  EXPECT_EQ(rig.drops(DropReason::too_big), 1u);
  route("10.0.0.0/24", add_hop(tunnel));
  EXPECT_EQ(rig.carry(0, from_tenant(packet(500)), Rig::kUplink).size(), 1u);
  EXPECT_EQ(rig.carry(0, from_tenant(packet(501)), Rig::kUplink).size(), 0u);
  EXPECT_EQ(rig.drops(DropReason::too_big), 2u);
}

// One store moves all routes that name the hop; and a hop that is gone is no route.
TEST_F(Routes, AHopMovesAllItsRoutes) {
  const HopId hop = add_hop(into(0));
  route("10.1.0.0/16", hop);
  route("10.2.0.0/16", hop);
  rig.path->set_hop(hop, dataplane::make_route_hop({{into(1), 1}}));
  for (const uint32_t address : {0x0a010001u, 0x0a020001u}) {
    const auto out = rig.carry(0, from_tenant(packet_to(address)), Rig::kUplink);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(vni_of(out[0]), 200u);
  }
  rig.path->remove_hop(hop);
  EXPECT_TRUE(rig.carry(0, from_tenant(packet_to(0x0a010001)), Rig::kUplink).empty());
  EXPECT_EQ(rig.drops(DropReason::no_route), 1u);
}

TEST_F(Routes, DirectlyConnectedStationsAreAskedFor) {
  std::vector<std::pair<unsigned, std::string>> wanted;
  rig.path->set_neighbour_listener(
      [&](unsigned port, const net::IpAddr& ip) { wanted.emplace_back(port, ip.to_string()); });
  route("10.0.0.0/24", add_hop(Way{.kind = Kind::on_link, .port = 1}));
  route("2001:db8::/64", add_hop(Way{.kind = Kind::on_link, .port = 0}));
  const Bytes v6 = ipv6(0, 64, 17, udp(1000, 9, Bytes(40, 1)));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(rig.ports[0]->arrive(from_tenant(packet_to(0x0a000002))));
    ASSERT_TRUE(rig.ports[0]->arrive(from_tenant(packet_to(0x0a000003))));
  }
  ASSERT_TRUE(rig.ports[0]->arrive(from_tenant(v6, 0x86dd)));
  rig.turn();
  EXPECT_EQ(rig.drops(DropReason::neighbour_unresolved), 7u);
  const std::vector<std::pair<unsigned, std::string>> expected{
      {1, "10.0.0.2"}, {1, "10.0.0.3"}, {0, "2001:db8::2"}};
  EXPECT_EQ(wanted, expected) << "once each, although packets came";

  rig.path->neighbours(1).set(*net::Prefix::parse("10.0.0.2/32"), add_hop(to(1, 0xb2)));
  rig.path->neighbours(0).set(*net::Prefix::parse("2001:db8::2/128"), add_hop(to(0, 0xb3)));
  const auto out = rig.carry(0, from_tenant(packet_to(0x0a000002)), 1);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0], ethernet(mac(0xb2), mac(kOurMac), 0x0800, hop_later(packet_to(0x0a000002))));
  const auto back = rig.carry(Rig::kUplink, from_tunnel(v6, 0, 0x86dd), 0);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0], ethernet(mac(0xb3), mac(kOurMac), 0x86dd, hop_later(v6)));
  EXPECT_EQ(rig.drops(DropReason::neighbour_unresolved), 7u);
}

TEST_F(Routes, WeightsShareTheFlows) {
  route("10.0.0.0/24", add_hop({{into(0), 3}, {into(1), 1}}));
  std::map<uint32_t, unsigned> count;
  std::map<uint16_t, uint32_t> way;
  for (unsigned round = 0; round < 2; ++round)
    for (uint16_t flow = 0; flow < 1000; ++flow) {
      const auto out = rig.carry(0, from_tenant(packet_to(0x0a000002, 64, flow)), Rig::kUplink);
      ASSERT_EQ(out.size(), 1u);
      const uint32_t vni = vni_of(out[0]);
      ++count[vni];
      ASSERT_EQ(way.emplace(flow, vni).first->second, vni) << "a flow keeps its way";
    }
  EXPECT_NEAR(count[100], 1500, 100);
  EXPECT_NEAR(count[200], 500, 100);
}

TEST(RouteHop, BucketsFollowTheWeights) {
  const auto shares = [](const std::vector<uint32_t>& weights) {
    std::vector<dataplane::WeightedWay> ways;
    for (size_t i = 0; i < weights.size(); ++i)
      ways.push_back({{.kind = Kind::tunnel, .encap = static_cast<unsigned>(i)}, weights[i]});
    const RouteHop hop = dataplane::make_route_hop(ways);
    std::vector<unsigned> count(weights.size());
    for (uint32_t hash = 0; hash < RouteHop::kBuckets; ++hash) ++count[hop.way(hash).encap];
    return count;
  };
  EXPECT_EQ(shares({1}), (std::vector<unsigned>{256}));
  EXPECT_EQ(shares({1, 1}), (std::vector<unsigned>{128, 128}));
  EXPECT_EQ(shares({1, 3}), (std::vector<unsigned>{64, 192}));
  EXPECT_EQ(shares({1, 1, 1}), (std::vector<unsigned>{86, 85, 85}));
  EXPECT_EQ(shares({256, 1}), (std::vector<unsigned>{256, 0})) << "finer than the buckets";
  EXPECT_EQ(shares(std::vector<uint32_t>(256, 7)), std::vector<unsigned>(256, 1));
}

TEST_F(Routes, FlowsComeFirstAndChangeNothing) {
  route("10.0.0.0/24", add_hop(into(0)));
  dataplane::FlowRule rule{.port = 0, .encap = 1};
  rule.match.ip_proto = 17;
  ASSERT_TRUE(rig.path->set_flow(0, rule));
  const Bytes frame = from_tenant(packet_to(0x0a000002, 1));
  const auto out = rig.carry(0, frame, Rig::kUplink);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(vni_of(out[0]), 200u);
  EXPECT_EQ(inner_of(out[0]), frame);
}

// A burst with all sorts of packets, of two networks: each comes where it is to.
TEST_F(Routes, ABurstOfAllSorts) {
  ASSERT_TRUE(rig.path->set_networks({{.id = 0, .ports = {0}, .encaps = {0}, .routed = true},
                                      {.id = 1, .ports = {1}, .encaps = {1}, .routed = true}}));
  auto terminations = rig.terminations();
  for (unsigned encap : {0, 1}) {
    terminations[encap].network = static_cast<dataplane::NetworkId>(encap);
    terminations[encap].inner_mac = to_mac(kNearRouter + 16 * encap);
  }
  ASSERT_TRUE(rig.path->set_terminations(terminations));
  rig.path->routes(0)->set(*net::Prefix::parse("10.0.0.0/24"), add_hop(to(0)));
  rig.path->routes(1)->set(*net::Prefix::parse("10.0.0.0/24"), add_hop(to(1)));
  rig.path->routes(1)->set(*net::Prefix::parse("2001:db8::/32"), add_hop(to(1)));
  const Bytes v6 = ipv6(0, 64, 17, udp(1000, 9, Bytes(40, 1)));
  for (unsigned i = 0; i < 32; ++i) {
    const unsigned encap = i / 3 % 2;
    ASSERT_TRUE(rig.ports[Rig::kUplink]->arrive(i % 4 == 3 ? from_tunnel(v6, encap, 0x86dd)
                                                           : from_tunnel(packet_to(0x0a000002), encap)));
  }
  rig.turn();
  size_t v4_count[2]{}, v6_count = 0;
  for (unsigned i = 0; i < 32; ++i)
    if (i % 4 == 3)
      v6_count += i / 3 % 2;
    else
      ++v4_count[i / 3 % 2];
  EXPECT_EQ(rig.ports[0]->sent().size(), v4_count[0]);
  EXPECT_EQ(rig.ports[1]->sent().size(), v4_count[1] + v6_count);
  EXPECT_EQ(rig.drops(DropReason::no_route), 8 - v6_count);
}

// An l2 network that becomes an l3 network, and back.
TEST_F(Routes, ANetworkChangesItsType) {
  route("10.0.0.0/24", add_hop(into(0)));
  ASSERT_TRUE(rig.path->set_networks(rig.networks()));
  EXPECT_EQ(rig.path->routes(0), nullptr);
  rig.teach(kOurMac, Where::tunnel(1));
  const auto out = rig.carry(0, from_tenant(packet_to(0x0a000002)), Rig::kUplink);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(vni_of(out[0]), 200u);
  ASSERT_TRUE(rig.path->set_networks({{.id = 0, .ports = {0, 1}, .encaps = {0, 1}, .routed = true}}));
  EXPECT_TRUE(rig.path->paths(rig.now).empty());
  EXPECT_TRUE(rig.carry(0, from_tenant(packet_to(0x0a000002)), Rig::kUplink).empty());
  EXPECT_EQ(rig.drops(DropReason::no_route), 1u) << "its routes are new";
  // What cannot be changes nothing.
  route("10.0.0.0/24", add_hop(into(0)));
  EXPECT_FALSE(rig.path->set_networks({{.id = 1, .ports = {77}, .routed = true}}));
  EXPECT_EQ(rig.path->routes(1), nullptr);
  EXPECT_EQ(rig.carry(0, from_tenant(packet_to(0x0a000002)), Rig::kUplink).size(), 1u);
}

class BesideTheKernel : public Routes {
 protected:
  BesideTheKernel() : Routes({.bifurcated = true}) {}
};

TEST_F(BesideTheKernel, ItGetsWhatIsNotRouted) {
  route("0.0.0.0/0", add_hop(into(0)));
  route("10.0.0.1/32", add_hop(Way{.kind = Kind::kernel}));
  const std::vector<Bytes> kernels{
      ethernet(Bytes(6, 0xff), mac(kStation), 0x0806, Bytes(28)),
      ethernet(mac(5), mac(kStation), 0x0800, packet_to(0x0a070005)),
      from_tenant(Bytes(28), 0x0806),
      from_tenant(packet_to(0xe0000005)),
      from_tenant(packet_to(0x0a000001, 1)),  // its TTL is the kernel's business
  };
  for (const Bytes& frame : kernels) EXPECT_TRUE(rig.carry(0, frame, Rig::kUplink).empty());
  EXPECT_EQ(rig.path->stats().exceptions, kernels.size());
  EXPECT_EQ(rig.all_drops(), 0u);
  // From a tunnel it sees nothing.
  EXPECT_TRUE(rig.carry(Rig::kUplink, from_tunnel(packet_to(0x0a000001)), 0).empty());
  EXPECT_EQ(rig.drops(DropReason::no_kernel_path), 1u);
}

}  // namespace
}  // namespace culvert::testing
