// ARP and ND suppression: answers are compared with frames made by hand.
#include <thread>

#include "rig.hpp"

namespace culvert::testing {
namespace {

constexpr unsigned kA = 0x0a, kB = 0x0b, kC = 0x0c;  // stations
constexpr uint32_t kIpA = 0x0a070001, kIpB = 0x0a070002;
constexpr uint16_t kRequest = 1, kReply = 2;
const Bytes kBroadcast(6, 0xff), kNobody(6, 0);

Bytes arp(uint16_t operation, const Bytes& dst, unsigned src, uint32_t sender, const Bytes& target_mac,
          uint32_t target) {
  Bytes packet{0, 1, 8, 0, 6, 4, 0, static_cast<uint8_t>(operation)};
  append(packet, mac(src));
  append32(packet, sender);
  append(packet, target_mac);
  append32(packet, target);
  return ethernet(dst, mac(src), 0x0806, packet);
}
Bytes asks(unsigned src, uint32_t sender, uint32_t target) {
  return arp(kRequest, kBroadcast, src, sender, kNobody, target);
}

Bytes ip6(uint8_t host) { return {0xfd, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host}; }
Bytes solicited_node(uint8_t host) { return {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, host}; }

// An ICMPv6 neighbour message with its checksum; `option` 0: none.
Bytes nd(uint8_t type, const Bytes& dst_mac, unsigned src_mac, const Bytes& src, const Bytes& dst,
         const Bytes& target, uint8_t option, uint32_t flags = 0, uint8_t hop_limit = 255) {
  Bytes message{type, 0, 0, 0};
  append32(message, flags);
  append(message, target);
  if (option != 0) {
    append(message, {option, 1});
    append(message, mac(src_mac));
  }
  Bytes pseudo = src;
  append(pseudo, dst);
  append32(pseudo, static_cast<uint32_t>(message.size()));
  append32(pseudo, 58);
  append(pseudo, message);
  put16(message, 2, static_cast<uint16_t>(~sum16(pseudo, 0, pseudo.size())));
  Bytes packet{0x60, 0, 0, 0};
  append16(packet, static_cast<uint32_t>(message.size()));
  append(packet, {58, hop_limit});
  append(packet, src);
  append(packet, dst);
  append(packet, message);
  return ethernet(dst_mac, mac(src_mac), 0x86dd, packet);
}
Bytes solicits(unsigned src_mac, uint8_t src, uint8_t target, uint8_t option = 1) {
  return nd(135, {0x33, 0x33, 0xff, 0, 0, target}, src_mac, ip6(src), solicited_node(target), ip6(target),
            option);
}

// A is behind port a, B behind tunnel 0, C behind port b.
class Suppress : public ::testing::Test {
 protected:
  Suppress() {
    auto networks = rig.networks();
    networks[0].suppress = true;
    EXPECT_TRUE(rig.path->set_networks(networks));
    rig.teach(kA, Where::port(0));
    rig.teach(kB, Where::tunnel(0));
    rig.teach(kC, Where::port(1));
  }

  void bind(uint32_t ip, unsigned station) {
    EXPECT_TRUE(rig.path->set_binding(0, net::IpAddr::v4(net::be32{ip}), to_mac(station), false));
  }
  void bind6(uint8_t host, unsigned station, bool router) {
    EXPECT_TRUE(rig.path->set_binding(0, *net::IpAddr::from_bytes(ip6(host)), to_mac(station), router));
  }

  // What comes back out of port a for a frame that came in there; `elsewhere` is how many went out otherwise.
  std::vector<Bytes> answers(const Bytes& frame) {
    rig.now += seconds(1);
    rig.control();
    EXPECT_TRUE(rig.ports[0]->arrive(frame));
    rig.turn();
    elsewhere = rig.ports[1]->sent().size() + rig.ports[Rig::kUplink]->sent().size();
    return rig.ports[0]->sent();
  }
  bool is_flooded(const Bytes& frame) { return answers(frame).empty() && elsewhere == 3; }

  Rig rig;
  size_t elsewhere = 0;
};

TEST_F(Suppress, AnswersForWhomTheKernelAndTheFdbKnow) {
  EXPECT_TRUE(is_flooded(asks(kA, kIpA, kIpB)));
  bind(kIpB, kB);
  EXPECT_EQ(answers(asks(kA, kIpA, kIpB)), std::vector<Bytes>{arp(kReply, mac(kA), kB, kIpB, mac(kA), kIpA)});
  EXPECT_EQ(elsewhere, 0u);
  EXPECT_EQ(rig.path->stats().suppressed, 1u);
  rig.path->remove_binding(0, net::IpAddr::v4(net::be32{kIpB}));
  EXPECT_TRUE(is_flooded(asks(kA, kIpA, kIpB)));
  bind(kIpB, 0x77);  // nobody in the FDB
  EXPECT_TRUE(is_flooded(asks(kA, kIpA, kIpB)));
  bind(kIpB, kC);
  EXPECT_EQ(answers(asks(kA, kIpA, kIpB)), std::vector<Bytes>{arp(kReply, mac(kA), kC, kIpB, mac(kA), kIpA)});
}

TEST_F(Suppress, AdvertisesWithTheRouterFlagAsKnown) {
  for (const bool router : {false, true})
    for (const uint8_t option : {uint8_t{1}, uint8_t{0}}) {
      bind6(2, kB, router);
      const Bytes expected =
          nd(136, mac(kA), kB, ip6(2), ip6(1), ip6(2), 2, router ? 0xe0000000 : 0x60000000);
      EXPECT_EQ(answers(solicits(kA, 1, 2, option)), std::vector<Bytes>{expected});
      EXPECT_EQ(elsewhere, 0u);
    }
}

TEST_F(Suppress, WhatIsNoPlainQuestionIsFlooded) {
  bind(kIpA, kC);
  bind(kIpB, kB);
  bind6(2, kB, false);
  EXPECT_TRUE(is_flooded(asks(kA, kIpB, kIpB))) << "gratuitous";
  EXPECT_TRUE(is_flooded(asks(kA, 0, kIpB))) << "a probe";
  EXPECT_TRUE(is_flooded(arp(kReply, kBroadcast, kA, kIpA, kBroadcast, kIpB))) << "a reply to all";
  Bytes other = asks(kA, kIpA, kIpB);
  other[27] ^= 1;  // the sender is not who it says
  EXPECT_TRUE(is_flooded(other));
  Bytes cut = asks(kA, kIpA, kIpB);
  cut.pop_back();
  EXPECT_TRUE(is_flooded(cut));
  Bytes tagged = asks(kA, kIpA, kIpB);
  tagged.insert(tagged.begin() + 12, {0x81, 0, 0, 7});
  EXPECT_TRUE(is_flooded(tagged)) << "a VLAN inside the network is another one";
  EXPECT_TRUE(is_flooded(asks(kA, kIpA, 0x7f000001)));
  EXPECT_TRUE(is_flooded(asks(kB, kIpA, kIpB))) << "for its own";

  const Bytes none(16, 0);
  EXPECT_TRUE(is_flooded(nd(135, {0x33, 0x33, 0xff, 0, 0, 2}, kA, none, solicited_node(2), ip6(2), 0)))
      << "duplicate address detection";
  EXPECT_TRUE(
      is_flooded(nd(135, {0x33, 0x33, 0xff, 0, 0, 2}, kA, ip6(1), solicited_node(2), ip6(2), 1, 0, 254)))
      << "from another link";
  Bytes wrong = solicits(kA, 1, 2);
  wrong[56] ^= 1;
  EXPECT_TRUE(is_flooded(wrong)) << "checksum";
  Bytes option = solicits(kA, 1, 2);
  option[79] = 0;
  EXPECT_TRUE(is_flooded(option)) << "an option of no length";
  for (size_t size = 15; size < solicits(kA, 1, 2).size(); size += 3) {
    Bytes shorter = solicits(kA, 1, 2);
    shorter.resize(size);
    EXPECT_TRUE(is_flooded(shorter)) << size;
  }
}

TEST_F(Suppress, QuestionsOutOfATunnelGoToTheTenants) {
  bind(kIpA, kA);
  ASSERT_TRUE(rig.ports[Rig::kUplink]->arrive(arriving(asks(kB, kIpB, kIpA))));
  rig.turn();
  EXPECT_EQ(rig.ports[0]->sent(), std::vector<Bytes>{asks(kB, kIpB, kIpA)});
  EXPECT_EQ(rig.ports[1]->sent().size(), 1u);
  EXPECT_TRUE(rig.ports[Rig::kUplink]->sent().empty());
}

TEST_F(Suppress, WhoIsBehindTheSamePortHasHeardIt) {
  bind(kIpB, kA);
  EXPECT_TRUE(answers(asks(0x44, kIpA, kIpB)).empty());
  EXPECT_EQ(elsewhere, 0u);
  EXPECT_EQ(rig.drops(DropReason::same_port), 1u);
}

// B has an address, then C, then B again: each is believed when it says so.
TEST_F(Suppress, AnAddressThatGoesAndComesBack) {
  for (const unsigned station : {kB, kC, kB}) {
    std::this_thread::sleep_for(milliseconds(20));
    const Bytes said = arp(kReply, mac(kA), station, kIpB, mac(kA), kIpA);
    ASSERT_TRUE(station == kB ? rig.ports[Rig::kUplink]->arrive(arriving(said)) : rig.ports[1]->arrive(said));
    rig.turn();
    EXPECT_EQ(rig.ports[0]->sent().size(), 1u);
    EXPECT_EQ(answers(asks(kA, kIpA, kIpB)), std::vector<Bytes>{said});
  }
}

// What B says of itself is enough, while it is known and says it again.
TEST_F(Suppress, HeardFromTheStation) {
  EXPECT_TRUE(is_flooded(asks(kA, kIpA, kIpB)));
  ASSERT_TRUE(rig.ports[Rig::kUplink]->arrive(arriving(arp(kReply, mac(kA), kB, kIpB, mac(kA), kIpA))));
  rig.turn();
  EXPECT_EQ(rig.ports[0]->sent().size(), 1u) << "an answer goes on";
  EXPECT_EQ(answers(asks(kA, kIpA, kIpB)), std::vector<Bytes>{arp(kReply, mac(kA), kB, kIpB, mac(kA), kIpA)});

  const Bytes advertised = nd(136, mac(kA), kB, ip6(2), ip6(1), ip6(2), 2, 0xe0000000);
  ASSERT_TRUE(rig.ports[Rig::kUplink]->arrive(arriving(advertised)));
  rig.turn();
  EXPECT_EQ(rig.ports[0]->sent().size(), 1u);
  EXPECT_EQ(answers(solicits(kA, 1, 2)), std::vector<Bytes>{advertised});
  EXPECT_EQ(elsewhere, 0u);

  // The kernel's word counts more. (What the table does not say yet is told 10 ms later again.)
  bind(kIpB, kC);
  std::this_thread::sleep_for(milliseconds(20));
  ASSERT_TRUE(rig.ports[Rig::kUplink]->arrive(arriving(arp(kReply, mac(kA), kB, kIpB, mac(kA), kIpA))));
  rig.turn();
  rig.ports[0]->sent();
  EXPECT_EQ(answers(asks(kA, kIpA, kIpB)), std::vector<Bytes>{arp(kReply, mac(kA), kC, kIpB, mac(kA), kIpA)});

  // B is not heard again.
  for (int i = 0; i < 310; ++i) {
    rig.now += seconds(1);
    rig.control();
  }
  EXPECT_TRUE(is_flooded(solicits(kA, 1, 2)));
}

TEST_F(Suppress, OnlyTheNetworkThatWantsIt) {
  ASSERT_TRUE(rig.path->set_networks(
      {{.id = 0, .ports = {0}, .encaps = {0}, .suppress = true}, {.id = 1, .ports = {1}, .encaps = {1}}}));
  bind(kIpB, kB);
  EXPECT_FALSE(rig.path->set_binding(1, net::IpAddr::v4(net::be32{kIpB}), to_mac(kB), false));
  EXPECT_EQ(answers(asks(kA, kIpA, kIpB)).size(), 1u);
  ASSERT_TRUE(rig.ports[1]->arrive(asks(kC, kIpA, kIpB)));
  rig.turn();
  EXPECT_TRUE(rig.ports[1]->sent().empty());
  EXPECT_EQ(rig.ports[Rig::kUplink]->sent().size(), 1u);
  ASSERT_TRUE(rig.path->set_networks(rig.networks()));
  EXPECT_TRUE(is_flooded(asks(kA, kIpA, kIpB)));
}

// Hostile: no more than the limits are kept, and what the kernel knows has room still.
TEST_F(Suppress, AStationThatSaysToHaveEverything) {
  auto hash = std::move(
      *dataplane::BindingHash::create("test_bindings", dataplane::Bindings::kMost * 9 / 8, *rig.domain));
  dataplane::Bindings bindings(*hash);
  const auto key = [](uint32_t ip, dataplane::NetworkId network) {
    return dataplane::BindingKey{net::IpAddr::v4(net::be32{ip}), 0, network};
  };
  for (uint32_t i = 0; i < dataplane::Bindings::kMostOfNetwork + 10; ++i)
    bindings.hear({key(i + 1, 3), 5, {}}, 1);
  EXPECT_TRUE(hash->find(key(dataplane::Bindings::kMostOfNetwork, 3)));
  EXPECT_FALSE(hash->find(key(dataplane::Bindings::kMostOfNetwork + 1, 3)));
  bindings.hear({key(1, 4), 5, {}}, 1);
  EXPECT_TRUE(hash->find(key(1, 4)));
  EXPECT_TRUE(bindings.set(key(1u << 30, 3), {5, true}));
  // Its MAC is in the FDB no more: heard rows go, the kernel's stays until its network goes.
  const auto there = [](dataplane::NetworkId) { return true; };
  for (int i = 0; i < 10; ++i)
    bindings.sweep(
        1000, 2, [](dataplane::StationKey) { return false; }, there);
  EXPECT_FALSE(hash->find(key(1, 3)));
  EXPECT_FALSE(hash->find(key(1, 4)));
  EXPECT_TRUE(hash->find(key(1u << 30, 3)));
  bindings.hear({key(1, 3), 6, {}}, 2);
  EXPECT_EQ(hash->find(key(1, 3)), 6u) << "there is room again";
  for (int i = 0; i < 2; ++i)
    bindings.sweep(
        1000, 2, [](dataplane::StationKey) { return true; }, [](dataplane::NetworkId) { return false; });
  EXPECT_FALSE(hash->find(key(1u << 30, 3)));
}

}  // namespace
}  // namespace culvert::testing
