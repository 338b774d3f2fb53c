#include <functional>
#include <random>

#include "rig.hpp"

namespace culvert::testing {
namespace {

constexpr size_t kIpAt = 14, kUdpAt = 34, kVxlanAt = 42;

// After a change of the outer IPv4 header.
void fix_ip_checksum(Bytes& frame) {
  put16(frame, kIpAt + 10, 0);
  put16(frame, kIpAt + 10, static_cast<uint16_t>(~sum16(frame, kIpAt, (frame[kIpAt] & 0xfu) * 4)));
}

void set_udp_checksum(Bytes& frame) {
  const uint16_t udp_bytes = get16(frame, kUdpAt + 4);
  put16(frame, kUdpAt + 6, 0);
  const uint16_t sum = sum16(frame, kUdpAt, udp_bytes, sum16(frame, kIpAt + 12, 8, 17 + udp_bytes));
  put16(frame, kUdpAt + 6, static_cast<uint16_t>(~sum) == 0 ? 0xffff : static_cast<uint16_t>(~sum));
}

class Decap : public ::testing::Test {
 protected:
  Decap() { rig.teach(1, Where::port(Rig::kTenant)); }

  void accepted(const Bytes& outer, const Bytes& inner) {
    const auto sent = rig.carry(Rig::kUplink, outer, Rig::kTenant);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0], inner);
  }

  void dropped(const Bytes& outer, DropReason reason) {
    const uint64_t before = rig.drops(reason);
    const uint64_t all = rig.all_drops();
    EXPECT_TRUE(rig.carry(Rig::kUplink, outer, Rig::kTenant).empty());
    EXPECT_EQ(rig.drops(reason), before + 1) << dataplane::kDropReasonNames[static_cast<size_t>(reason)].name;
    EXPECT_EQ(rig.all_drops(), all + 1);
  }

  void exception(const Bytes& outer) {
    const uint64_t before = rig.path->stats().exceptions;
    const uint64_t all = rig.all_drops();
    EXPECT_TRUE(rig.carry(Rig::kUplink, outer, Rig::kTenant).empty());
    EXPECT_EQ(rig.path->stats().exceptions, before + 1);
    EXPECT_EQ(rig.all_drops(), all);
  }

  // `change` made to a good packet.
  static Bytes changed(const std::function<void(Bytes&)>& change) {
    Bytes frame = arriving(udp_frame(1, 9, 100));
    change(frame);
    return frame;
  }

  Rig rig;
};

TEST_F(Decap, EveryInnerSize) {
  for (size_t size = 60; size <= 1450; ++size)
    accepted(arriving(udp_frame(1, 9, size)), udp_frame(1, 9, size));
  EXPECT_EQ(rig.path->stats().decapsulated, 1391u);
  EXPECT_EQ(rig.all_drops(), 0u);
}

TEST_F(Decap, WhatRfc7348LetsPass) {
  const Bytes inner = udp_frame(1, 9, 100);
  accepted(arriving(inner, {.flags = 0xff}), inner);  // reserved flags
  accepted(changed([](Bytes& f) { f[kVxlanAt + 1] = f[kVxlanAt + 3] = f[kVxlanAt + 7] = 0xff; }), inner);
  accepted(arriving(inner, {.vlan = 5}), inner);
  accepted(changed(set_udp_checksum), inner);
}

TEST_F(Decap, EthernetPaddingIsCutOff) {
  const Bytes inner = ethernet(mac(1), mac(9), 0x0806, {});
  Bytes outer = arriving(inner);
  outer.resize(outer.size() + 30, 0xaa);
  accepted(outer, inner);
}

TEST_F(Decap, IpOptions) {
  const Bytes inner = udp_frame(1, 9, 100);
  Bytes outer = arriving(inner);
  outer.insert(outer.begin() + kUdpAt, {1, 1, 1, 0});
  outer[kIpAt] = 0x46;
  put16(outer, kIpAt + 2, get16(outer, kIpAt + 2) + 4u);
  fix_ip_checksum(outer);
  accepted(outer, inner);
  outer[kUdpAt] ^= 1;
  dropped(outer, DropReason::ipv4_bad_checksum);
}

TEST_F(Decap, EachFaultHasItsName) {
  const auto ip_fault = [&](const std::function<void(Bytes&)>& change) {
    return changed([&](Bytes& f) {
      change(f);
      fix_ip_checksum(f);
    });
  };
  const auto first = [&](size_t bytes) { return changed([&](Bytes& f) { f.resize(bytes); }); };
  dropped(first(13), DropReason::malformed_ethernet);
  dropped(first(33), DropReason::ipv4_bad_header);
  dropped(changed([](Bytes& f) { f[kIpAt] = 0x65; }), DropReason::ipv4_bad_header);
  dropped(changed([](Bytes& f) { f[kIpAt] = 0x44; }), DropReason::ipv4_bad_header);
  dropped(first(100), DropReason::ipv4_bad_length);
  dropped(ip_fault([](Bytes& f) { put16(f, kIpAt + 2, 19); }), DropReason::ipv4_bad_length);
  dropped(changed([](Bytes& f) { f[kIpAt + 10] ^= 1; }), DropReason::ipv4_bad_checksum);
  dropped(ip_fault([](Bytes& f) { f[kIpAt + 6] = 0x20; }), DropReason::ipv4_fragment);
  dropped(changed([](Bytes& f) { put16(f, kUdpAt + 4, 7); }), DropReason::udp_bad_length);
  dropped(changed([](Bytes& f) { put16(f, kUdpAt + 4, get16(f, kUdpAt + 4) + 1u); }),
          DropReason::udp_bad_length);
  dropped(ip_fault([](Bytes& f) { put16(f, kIpAt + 2, 27); }), DropReason::udp_bad_length);
  dropped(changed([](Bytes& f) { f[kUdpAt + 6] = 1; }), DropReason::udp_bad_checksum);
  dropped(changed([](Bytes& f) { put16(f, kUdpAt + 4, 15); }), DropReason::vxlan_truncated);
  dropped(arriving(udp_frame(1, 9, 100), {.flags = 0xf7}), DropReason::vxlan_bad_flags);
  dropped(arriving(udp_frame(1, 9, 100), {.vni = 101}), DropReason::unknown_vni);
  dropped(arriving(udp_frame(1, 9, 100), {.src = 0xc0000209}), DropReason::unknown_remote);
  dropped(arriving(Bytes(13, 2)), DropReason::malformed_ethernet);
  dropped(arriving(ethernet(mac(1), Bytes(6), 0x0800, Bytes(46))), DropReason::invalid_source_mac);
}

TEST_F(Decap, AShorterUdpLengthCutsTheInnerFrame) {
  const Bytes inner = udp_frame(1, 9, 100);
  accepted(changed([](Bytes& f) { put16(f, kUdpAt + 4, 16 + 60); }),
           Bytes(inner.begin(), inner.begin() + 60));
}

TEST_F(Decap, WhatIsNotOursIsTheKernels) {
  exception(ethernet(mac(kOurMac), mac(kGatewayMac), 0x0806, Bytes(46)));
  exception(ethernet(mac(kOurMac), mac(kGatewayMac), 0x86dd, ipv6(0, 64, 17, Bytes(60))));
  exception(ethernet(mac(kOurMac), mac(kGatewayMac), 0x0800, ipv4({.protocol = 89}, Bytes(40))));
  exception(ethernet(mac(kOurMac), mac(kGatewayMac), 0x0800, Bytes(40), {0x81000001, 0x81000002}));
  exception(arriving(udp_frame(1, 9, 100), {.dst = 0xc0000255}));
  exception(arriving(udp_frame(1, 9, 100), {.dst_port = 4790}));
  exception(
      ethernet(mac(kOurMac), mac(kGatewayMac), 0x0800, ipv4({.src = kRemote, .dst = kLocal}, {0, 1, 2})));
  // The rest of a fragmented packet does not say what it belongs to.
  exception(ethernet(mac(kOurMac), mac(kGatewayMac), 0x0800,
                     ipv4({.src = kRemote, .dst = kLocal, .fragment = 100}, Bytes(40))));
}

TEST_F(Decap, NoNetwork) {
  auto terminations = rig.terminations();
  terminations[0].network.reset();
  ASSERT_TRUE(rig.path->set_terminations(terminations));
  dropped(arriving(udp_frame(1, 9, 100)), DropReason::no_network);
  terminations[0].network = 9;
  ASSERT_TRUE(rig.path->set_terminations(terminations));
  dropped(arriving(udp_frame(1, 9, 100)), DropReason::no_network);
}

TEST_F(Decap, EcnTable) {  // RFC 6040, figure 4: rows inner, columns outer; 4: dropped
  constexpr uint8_t kNot = 0, kEct1 = 1, kEct0 = 2, kCe = 3, kDrop = 4;
  constexpr std::array<uint8_t, 4> kOrder{kNot, kEct0, kEct1, kCe};
  constexpr uint8_t kTable[4][4] = {{kNot, kNot, kNot, kDrop},
                                    {kEct0, kEct0, kEct1, kCe},
                                    {kEct1, kEct1, kEct1, kCe},
                                    {kCe, kCe, kCe, kCe}};
  for (size_t row = 0; row < 4; ++row) {
    for (size_t column = 0; column < 4; ++column) {
      const auto v4 = [&](uint8_t ecn) {
        return udp_frame(1, 9, 90, 1, {.tos = static_cast<uint8_t>(46 << 2 | ecn)});
      };
      const auto v6 = [&](uint8_t ecn) {
        const auto traffic_class = static_cast<uint8_t>(46 << 2 | ecn);
        return ethernet(mac(1), mac(9), 0x86dd, ipv6(traffic_class, 64, 17, udp(1, 2, Bytes(20))),
                        {0x81000003});
      };
      const uint8_t result = kTable[row][column];
      const OuterFields outer{.tos = static_cast<uint8_t>(10 << 2 | kOrder[column])};
      if (result == kDrop) {
        dropped(arriving(v4(kOrder[row]), outer), DropReason::ecn_illegal);
        dropped(arriving(v6(kOrder[row]), outer), DropReason::ecn_illegal);
      } else {
        accepted(arriving(v4(kOrder[row]), outer), v4(result));
        accepted(arriving(v6(kOrder[row]), outer), v6(result));
      }
    }
  }
  const Bytes arp = ethernet(mac(1), mac(9), 0x0806, Bytes(46));
  accepted(arriving(arp, {.tos = kCe}), arp);
}

// Any packet of any length, whole or cut or with bytes changed: one of sent, dropped and exception, and
// (under ASan) no byte read that is not there. With flooding a packet may be sent here and dropped there.
class Mutations : public ::testing::TestWithParam<bool> {};

TEST_P(Mutations, EndSomewhere) {
  const bool flood = GetParam();
  Rig rig({.kernel_frames = flood});
  auto networks = rig.networks();
  networks[0].flood = flood;
  ASSERT_TRUE(rig.path->set_networks(networks));
  std::mt19937 random(7);
  const std::vector<Bytes> seeds{
      arriving(udp_frame(1, 9, 100)), arriving(udp_frame(1, 9, 60), {.vlan = 5}),
      arriving(ethernet(mac(1), mac(9), 0x86dd, ipv6(3, 64, 17, Bytes(30)), {0x81000001}), {.tos = 3}),
      udp_frame(9, 1, 80), Bytes(1600)};
  uint64_t arrived = 0;
  for (unsigned round = 0; round < 20000; ++round) {
    Bytes frame = seeds[random() % seeds.size()];
    if (random() % 2 == 0) frame.resize(random() % (frame.size() + 1));
    for (unsigned flips = random() % 4; flips != 0 && !frame.empty(); --flips)
      frame[random() % std::min<size_t>(frame.size(), 80)] = static_cast<uint8_t>(random());
    if (random() % 2 == 0 && frame.size() >= kUdpAt && (frame[kIpAt] & 0xfu) == 5) fix_ip_checksum(frame);
    ASSERT_TRUE(rig.ports[random() % 2 == 0 ? Rig::kUplink : Rig::kTenant]->arrive(frame));
    ++arrived;
    if (round % 16 != 15) continue;
    rig.turn();
    for (auto& port : rig.ports) port->sent();
  }
  rig.turn();
  const auto stats = rig.path->stats();
  EXPECT_EQ(stats.rx, arrived);
  const uint64_t ended = stats.forwarded + stats.exceptions + rig.all_drops();
  EXPECT_TRUE(flood ? ended >= arrived : ended == arrived) << ended << " of " << arrived;
}

INSTANTIATE_TEST_SUITE_P(Flood, Mutations, ::testing::Bool());

class KernelFrames : public Decap {
 protected:
  KernelFrames() : kernel({.kernel_frames = true}) {
    kernel.teach(1, Where::port(Rig::kTenant));
    kernel.teach(9, Where::tunnel(0));
  }

  // A TCP packet whose checksum is left to hardware, and the same one complete.
  static std::pair<Bytes, Bytes> partial_and_complete(unsigned dst, unsigned src, bool six) {
    Bytes tcp(20 + 33, 5);
    put16(tcp, 16, 0);
    const auto bytes = static_cast<uint32_t>(tcp.size());
    Bytes packet = six ? ipv6(0, 64, 6, tcp) : ipv4({.protocol = 6}, tcp);
    const size_t l4 = six ? 40 : 20;
    const uint16_t pseudo = six ? sum16(packet, 8, 32, 6 + bytes) : sum16(packet, 12, 8, 6 + bytes);
    put16(packet, l4 + 16, pseudo);
    Bytes complete = packet;
    put16(complete, l4 + 16, static_cast<uint16_t>(~sum16(packet, l4, bytes)));
    const uint16_t type = six ? 0x86dd : 0x0800;
    return {ethernet(mac(dst), mac(src), type, packet), ethernet(mac(dst), mac(src), type, complete)};
  }

  Rig kernel;
};

TEST_F(KernelFrames, UnfinishedChecksumsAreCompleted) {
  for (const bool six : {false, true}) {
    const auto [in, out] = partial_and_complete(9, 1, six);
    const auto sent = kernel.carry(Rig::kTenant, in, Rig::kUplink);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(Bytes(sent[0].begin() + 50, sent[0].end()), out);
    const auto [inner, delivered] = partial_and_complete(1, 9, six);
    EXPECT_EQ(kernel.carry(Rig::kUplink, arriving(inner), Rig::kTenant), std::vector<Bytes>{delivered});
  }
  EXPECT_EQ(kernel.path->stats().checksums_completed, 4u);
  // A complete one stays as it is.
  const auto [in, out] = partial_and_complete(1, 9, false);
  EXPECT_EQ(kernel.carry(Rig::kUplink, arriving(out), Rig::kTenant), std::vector<Bytes>{out});
  EXPECT_EQ(kernel.path->stats().checksums_completed, 4u);
}

TEST_F(KernelFrames, UnfinishedUdp) {
  Bytes datagram = udp(1, 2, Bytes(30, 3));
  Bytes packet = ipv4({}, datagram);
  put16(packet, 26, pseudo_sum(packet));
  const auto sent = kernel.carry(Rig::kTenant, ethernet(mac(9), mac(1), 0x0800, packet), Rig::kUplink);
  ASSERT_EQ(sent.size(), 1u);
  const Bytes inner(sent[0].begin() + 64, sent[0].end());
  EXPECT_EQ(sum16(inner, 20, inner.size() - 20, pseudo_sum(inner)), 0xffff);
}

TEST_F(KernelFrames, OuterChecksumUnfinished) {
  const Bytes inner = udp_frame(1, 9, 100);
  Bytes outer = arriving(inner);
  const uint16_t udp_bytes = get16(outer, kUdpAt + 4);
  put16(outer, kUdpAt + 6, sum16(outer, kIpAt + 12, 8, 17 + udp_bytes));
  dropped(outer, DropReason::udp_bad_checksum);  // on a port that is no kernel's
  EXPECT_EQ(kernel.carry(Rig::kUplink, outer, Rig::kTenant), std::vector<Bytes>{inner});
  EXPECT_EQ(kernel.path->stats().checksums_unfinished, 1u);
}

// Linux makes the outer checksum for an inner packet that hardware will complete.
TEST_F(KernelFrames, OuterChecksumOfAnUnfinishedInner) {
  const auto [partial, complete] = partial_and_complete(1, 9, false);
  Bytes outer = arriving(complete);
  set_udp_checksum(outer);
  std::copy(partial.begin(), partial.end(), outer.begin() + kVxlanAt + 8);
  EXPECT_EQ(kernel.carry(Rig::kUplink, outer, Rig::kTenant), std::vector<Bytes>{complete});
  EXPECT_EQ(kernel.path->stats().checksums_completed, 1u);
  outer[kVxlanAt + 8 + 11] ^= 1;  // the inner source MAC, which only the outer checksum covers
  EXPECT_TRUE(kernel.carry(Rig::kUplink, outer, Rig::kTenant).empty());
  EXPECT_EQ(kernel.drops(DropReason::udp_bad_checksum), 1u);
}

TEST_F(KernelFrames, CutFramesAndTheKernelsOwn) {
  Bytes cut = udp_frame(9, 1, 200);
  cut.resize(150);
  EXPECT_TRUE(kernel.carry(Rig::kTenant, cut, Rig::kUplink).empty());
  EXPECT_TRUE(
      kernel.carry(Rig::kTenant, ethernet(mac(9), mac(1), 0x86dd, ipv6(0, 9, 59, Bytes(9))), Rig::kUplink)
          .size() == 1);
  Bytes outer = arriving(udp_frame(1, 9, 100));
  outer.resize(outer.size() - 1);
  EXPECT_TRUE(kernel.carry(Rig::kUplink, outer, Rig::kTenant).empty());
  Bytes inner = udp_frame(1, 9, 100);
  inner.resize(90);
  EXPECT_TRUE(kernel.carry(Rig::kUplink, arriving(inner), Rig::kTenant).empty());
  EXPECT_EQ(kernel.drops(DropReason::truncated), 3u);

  EXPECT_TRUE(kernel.carry(Rig::kTenant, udp_frame(9, kOurMac, 100), Rig::kUplink).empty());
  EXPECT_TRUE(kernel.carry(Rig::kUplink, udp_frame(9, kOurMac, 100), Rig::kTenant).empty());
  EXPECT_EQ(kernel.drops(DropReason::own_frame), 2u);
  kernel.path->set_own_macs(Rig::kTenant, {to_mac(77)});
  EXPECT_EQ(kernel.carry(Rig::kTenant, udp_frame(9, kOurMac, 100), Rig::kUplink).size(), 1u);
}

// What the NIC has decapsulated comes with a mark instead of the outer headers.
class RxMarks : public Decap {
 protected:
  std::vector<Bytes> arrive_marked(const Bytes& inner, uint32_t mark) {
    EXPECT_TRUE(rig.ports[Rig::kUplink]->arrive(inner, 2048, mark));
    rig.turn();
    return rig.ports[Rig::kTenant]->sent();
  }
};

TEST_F(RxMarks, NameTheTunnel) {
  rig.teach(9, Where::port(Rig::kTenant));
  const Bytes inner = udp_frame(9, 4, 100);
  EXPECT_EQ(arrive_marked(inner, 2), std::vector<Bytes>{inner});
  const auto rows = rig.path->paths(rig.now);
  EXPECT_EQ(std::ranges::find(rows, to_mac(4), &dataplane::PathRow::mac)->where, Where::tunnel(1));
  EXPECT_EQ(rig.path->stats().decapsulated, 1u);
  EXPECT_EQ(rig.path->stats().forwarded, 1u);
  // Never back into a tunnel.
  rig.teach(5, Where::tunnel(0));
  EXPECT_TRUE(arrive_marked(udp_frame(5, 4, 100), 2).empty());
  EXPECT_EQ(rig.drops(DropReason::split_horizon), 1u);
}

TEST_F(RxMarks, ThatNobodyKnows) {
  const Bytes inner = udp_frame(9, 4, 100);
  for (const uint32_t mark : {0u, 3u, 65536u, 65537u, 0x80000001u, UINT32_MAX})
    EXPECT_TRUE(arrive_marked(inner, mark).empty());
  EXPECT_EQ(rig.drops(DropReason::unknown_mark), 6u);
  // The tunnel has gone; or its network.
  auto terminations = rig.terminations();
  terminations.pop_back();
  terminations[0].network.reset();
  ASSERT_TRUE(rig.path->set_terminations(terminations));
  EXPECT_TRUE(arrive_marked(inner, 2).empty());
  EXPECT_EQ(rig.drops(DropReason::unknown_mark), 7u);
  EXPECT_TRUE(arrive_marked(inner, 1).empty());
  EXPECT_EQ(rig.drops(DropReason::no_network), 1u);
  EXPECT_EQ(rig.path->stats().decapsulated, 0u);
}

TEST_F(RxMarks, OfBadFrames) {
  EXPECT_TRUE(arrive_marked(Bytes(13, 2), 1).empty());
  EXPECT_EQ(rig.drops(DropReason::malformed_ethernet), 1u);
  EXPECT_TRUE(arrive_marked(ethernet(mac(9), Bytes(6), 0x0800, Bytes(46)), 1).empty());
  EXPECT_EQ(rig.drops(DropReason::invalid_source_mac), 1u);
}

}  // namespace
}  // namespace culvert::testing
