// Trunks: VLANs of one port as members of networks.
#include "rig.hpp"

namespace culvert::testing {
namespace {

using dataplane::NetworkSpec;

constexpr unsigned kTrunk = Rig::kTenant, kWhole = Rig::kTenant2;
constexpr uint32_t kTag = 0x81000000;
const Bytes kBroadcast(6, 0xff);

// A frame from station `src` to `dst` with these tags, the outermost first.
Bytes tagged(const Bytes& dst, unsigned src, std::initializer_list<uint32_t> tags) {
  return ethernet(dst, mac(src), 0x0800, ipv4({}, udp(1000, 9, Bytes(30, 0x5a))), tags);
}

// Port a is a trunk: its VLAN 100 is in network 0, which has tunnel 0 and the whole port b, its VLAN 200 in
// network 1, which has tunnel 1.
class Trunk : public ::testing::Test {
 protected:
  Trunk() {
    EXPECT_TRUE(rig.path->set_networks(networks()));
    auto terminations = rig.terminations();
    terminations[1].network = 1;
    EXPECT_TRUE(rig.path->set_terminations(terminations));
  }

  static std::vector<NetworkSpec> networks() {
    return {{.id = 0, .ports = {kWhole}, .encaps = {0}, .vlans = {{kTrunk, 100}}},
            {.id = 1, .encaps = {1}, .vlans = {{kTrunk, 200}}}};
  }

  // What comes out of all ports for a frame into `port`, in words: "b", "0" or "1" (tunnels), "a100" (the
  // trunk and the tag that it has there).
  std::string reached(unsigned port, const Bytes& frame) {
    EXPECT_TRUE(rig.ports[port]->arrive(frame));
    rig.turn();
    std::string places;
    for (const Bytes& out : rig.ports[kTrunk]->sent()) {
      const bool has_tag = get16(out, 12) == 0x8100;
      places += "a" + (has_tag ? std::to_string(get16(out, 14)) : "");
    }
    if (!(last_whole = rig.ports[kWhole]->sent()).empty()) places += 'b';
    for (const Bytes& out : last_tunnel = rig.ports[Rig::kUplink]->sent()) places += out[33] == 2 ? '0' : '1';
    return places;
  }

  Bytes from_tunnel(unsigned encap, const Bytes& inner) const {
    return arriving(inner, {.src = kRemote + encap, .vni = 100 * (encap + 1)});
  }

  Rig rig;
  std::vector<Bytes> last_whole, last_tunnel;
};

TEST_F(Trunk, EachVlanIsItsNetworksAlone) {
  EXPECT_EQ(reached(kTrunk, tagged(kBroadcast, 1, {kTag | 100})), "b0");
  EXPECT_EQ(reached(kTrunk, tagged(kBroadcast, 2, {kTag | 200})), "1");
  EXPECT_EQ(reached(kWhole, tagged(kBroadcast, 3, {})), "a1000");
  EXPECT_EQ(reached(Rig::kUplink, from_tunnel(0, tagged(kBroadcast, 4, {}))), "a100b");
  EXPECT_EQ(reached(Rig::kUplink, from_tunnel(1, tagged(kBroadcast, 5, {}))), "a200");
  EXPECT_EQ(rig.all_drops(), 0u);
}

TEST_F(Trunk, TheTagIsTakenOutAndSet) {
  const Bytes inside = tagged(kBroadcast, 1, {});
  ASSERT_EQ(reached(kTrunk, tagged(kBroadcast, 1, {kTag | 0xb064})), "b0");  // VLAN 100, priority 5, DEI
  EXPECT_EQ(last_whole, std::vector<Bytes>{inside});
  ASSERT_EQ(last_tunnel.size(), 1u);
  EXPECT_EQ(Bytes(last_tunnel[0].end() - static_cast<long>(inside.size()), last_tunnel[0].end()), inside);
  ASSERT_TRUE(rig.ports[kWhole]->arrive(tagged(kBroadcast, 3, {})));
  rig.turn();
  EXPECT_EQ(rig.ports[kTrunk]->sent(), std::vector<Bytes>{tagged(kBroadcast, 3, {kTag | 100})});
  rig.ports[Rig::kUplink]->sent();
}

TEST_F(Trunk, InnerTagsPassThrough) {
  for (const uint32_t inner : {kTag | 7, 0x88a80000u | 7, kTag | 200}) {
    EXPECT_EQ(reached(kTrunk, tagged(kBroadcast, 1, {kTag | 100, inner})), "b0");
    EXPECT_EQ(last_whole, std::vector<Bytes>{tagged(kBroadcast, 1, {inner})});
    ASSERT_TRUE(rig.ports[kWhole]->arrive(tagged(kBroadcast, 3, {inner})));
    rig.turn();
    EXPECT_EQ(rig.ports[kTrunk]->sent(), std::vector<Bytes>{tagged(kBroadcast, 3, {kTag | 100, inner})});
    rig.ports[Rig::kUplink]->sent();
  }
}

TEST_F(Trunk, WhatIsInNoVlanIsDropped) {
  uint64_t dropped = 0;
  for (const auto& tags : {std::initializer_list<uint32_t>{},
                           {kTag | 101},
                           {kTag | 0xa000},
                           {kTag | 4095},
                           {0x88a80000u | 100},
                           {0x88a80000u | 5, kTag | 100}}) {
    EXPECT_EQ(reached(kTrunk, tagged(kBroadcast, 1, tags)), "");
    EXPECT_EQ(rig.drops(DropReason::unknown_vlan), ++dropped);
  }
  Bytes cut = tagged(kBroadcast, 1, {kTag | 100});
  cut.resize(17);
  EXPECT_EQ(reached(kTrunk, cut), "");
  EXPECT_EQ(rig.drops(DropReason::unknown_vlan), ++dropped);
  EXPECT_EQ(rig.all_drops(), dropped);
  EXPECT_TRUE(rig.path->paths(rig.now).empty()) << "a dropped frame was learned from";
}

// The same MAC lives once in each network, and behind the VLAN that it was heard from.
TEST_F(Trunk, StationsAreLearnedBehindTheirVlan) {
  reached(kTrunk, tagged(kBroadcast, 1, {kTag | 100}));
  reached(kTrunk, tagged(kBroadcast, 1, {kTag | 200}));
  reached(kWhole, tagged(kBroadcast, 3, {}));
  const auto rows = rig.path->paths(rig.now);
  ASSERT_EQ(rows.size(), 3u);
  for (const auto& row : rows) {
    if (row.mac == to_mac(3))
      EXPECT_EQ(row.where, Where::port(kWhole));
    else
      EXPECT_EQ(row.where, Where::port(kTrunk, row.network == 0 ? 100 : 200));
  }
  EXPECT_EQ(reached(kTrunk, tagged(mac(3), 1, {kTag | 100})), "b");
  EXPECT_EQ(reached(kTrunk, tagged(mac(3), 1, {kTag | 200})), "1");  // unknown there
  EXPECT_EQ(reached(Rig::kUplink, from_tunnel(0, tagged(mac(1), 9, {}))), "a100");
  EXPECT_EQ(reached(Rig::kUplink, from_tunnel(1, tagged(mac(1), 9, {}))), "a200");
  EXPECT_EQ(reached(kTrunk, tagged(mac(1), 7, {kTag | 100})), "");
  EXPECT_EQ(rig.drops(DropReason::same_port), 1u);
}

// Two VLANs of one port in one network are two members.
TEST_F(Trunk, OutOfItsPortInAnotherVlan) {
  ASSERT_TRUE(rig.path->set_networks({{.id = 0, .encaps = {0}, .vlans = {{kTrunk, 100}, {kTrunk, 200}}}}));
  EXPECT_EQ(reached(kTrunk, tagged(kBroadcast, 1, {kTag | 100})), "a2000");
  EXPECT_EQ(reached(kTrunk, tagged(mac(1), 2, {kTag | 200})), "a100");
  EXPECT_EQ(rig.all_drops(), 0u);
}

TEST_F(Trunk, FlowsSeeTheTag) {
  tunnel::Match match;
  match.vlan = 200;
  ASSERT_TRUE(rig.path->set_flow(1, {.port = kTrunk, .match = match, .encap = 0}));
  const Bytes frame = tagged(kBroadcast, 1, {kTag | 200});
  EXPECT_EQ(reached(kTrunk, frame), "0");
  EXPECT_EQ(Bytes(last_tunnel[0].end() - static_cast<long>(frame.size()), last_tunnel[0].end()), frame);
  EXPECT_EQ(reached(kTrunk, tagged(kBroadcast, 1, {kTag | 100})), "b0");
}

TEST_F(Trunk, NetworksThatDoNotFit) {
  using List = std::vector<NetworkSpec>;
  const std::pair<List, const char*> cases[]{
      {{{.id = 0, .vlans = {{9, 1}}}}, "network 0: VLAN 1 of port 9: there is no such port"},
      {{{.id = 0, .vlans = {{0, 0}}}}, "network 0: VLAN 0 of port 0: a VID is from 1 to 4094"},
      {{{.id = 0, .vlans = {{0, 4095}}}}, "network 0: VLAN 4095 of port 0: a VID is from 1 to 4094"},
      {{{.id = 0, .routed = true, .vlans = {{0, 1}}}},
       "network 0: VLAN 1 of port 0: an l3 network has whole"},
      {{{.id = 0, .vlans = {{0, 1}}}, {.id = 1, .vlans = {{0, 1}}}}, "VLAN 1 of port 0: it is in a network"},
      {{{.id = 0, .ports = {0}, .vlans = {{0, 1}}}}, "VLAN 1 of port 0: the whole port is in a network"},
      {{{.id = 0, .vlans = {{0, 1}}}, {.id = 1, .ports = {0}}}, "network 1: port 0 is a trunk"},
  };
  for (const auto& [list, message] : cases) {
    const Status status = rig.path->set_networks(list);
    ASSERT_FALSE(status) << message;
    EXPECT_NE(status.error().message.find(message), std::string::npos) << status.error().message;
    EXPECT_EQ(reached(kTrunk, tagged(kBroadcast, 2, {kTag | 200})), "1") << "something was applied";
  }
}

TEST_F(Trunk, RowsGoWithTheirVlan) {
  reached(kTrunk, tagged(kBroadcast, 1, {kTag | 100}));
  reached(kTrunk, tagged(kBroadcast, 1, {kTag | 200}));
  auto specs = networks();
  specs[1].vlans = {{kTrunk, 201}};
  ASSERT_TRUE(rig.path->set_networks(specs));
  const auto rows = rig.path->paths(rig.now);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].where, Where::port(kTrunk, 100));
  EXPECT_EQ(reached(kTrunk, tagged(kBroadcast, 1, {kTag | 201})), "1");
  EXPECT_EQ(reached(kTrunk, tagged(kBroadcast, 1, {kTag | 200})), "");
}

// Frames in several buffers, and many at once.
TEST_F(Trunk, SegmentsAndBursts) {
  const Bytes frame = tagged(kBroadcast, 1, {kTag | 100});
  ASSERT_TRUE(rig.ports[kTrunk]->arrive(frame, 24));
  rig.turn();
  EXPECT_EQ(rig.ports[kWhole]->sent(), std::vector<Bytes>{tagged(kBroadcast, 1, {})});
  rig.ports[Rig::kUplink]->sent();
  for (unsigned i = 0; i < 32; ++i)
    ASSERT_TRUE(rig.ports[kTrunk]->arrive(tagged(kBroadcast, 1, {kTag | (i % 3 + 1) * 100})));
  rig.turn();
  EXPECT_EQ(rig.ports[kWhole]->sent().size(), 11u);
  EXPECT_EQ(rig.ports[Rig::kUplink]->sent().size(), 22u);
  EXPECT_EQ(rig.drops(DropReason::unknown_vlan), 10u);
}

// A driver that takes tags out says so beside the frame.
TEST_F(Trunk, TagsThatTheDriverTookOut) {
  ASSERT_TRUE(rig.ports[kTrunk]->arrive(tagged(kBroadcast, 1, {}), 2048, std::nullopt, 0xb064));
  rig.turn();
  EXPECT_EQ(rig.ports[kWhole]->sent(), std::vector<Bytes>{tagged(kBroadcast, 1, {})});
  rig.ports[Rig::kUplink]->sent();
  ASSERT_TRUE(rig.ports[kWhole]->arrive(tagged(kBroadcast, 3, {}), 2048, std::nullopt, 0xa007));
  rig.turn();
  EXPECT_EQ(rig.ports[kTrunk]->sent(),
            std::vector<Bytes>{tagged(kBroadcast, 3, {kTag | 100, kTag | 0xa007})});
  rig.ports[Rig::kUplink]->sent();
}

}  // namespace
}  // namespace culvert::testing
