// What an ethdev of the switch does beside rules: queues, offloads, addresses, MTU, statistics, its end.
#include <gtest/gtest.h>
#include <rte_bus_vdev.h>
#include <rte_ip.h>

#include <set>

#include "rule.hpp"

namespace eswitch_test {
namespace {

constexpr uint64_t kUdpRss = RTE_ETH_RSS_IP | RTE_ETH_RSS_NONFRAG_IPV4_UDP;

PortSetup with_rss(uint16_t queues, uint64_t types = kUdpRss) {
  PortSetup setup{.queues = queues};
  setup.conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  setup.conf.rx_adv_conf.rss_conf.rss_hf = types;
  return setup;
}

void arrive_flows(TestSwitch& sw, uint16_t count) {
  for (uint16_t i = 0; i < count; ++i)
    sw.arrive(0, udp_frame({.source_port = static_cast<uint16_t>(1000 + i)}));
  sw.settle();
}

std::set<uint16_t> queues_of(const std::vector<Received>& packets) {
  std::set<uint16_t> queues;
  for (const Received& packet : packets) queues.insert(packet.queue);
  return queues;
}

TEST(Rss, SpreadsFlowsAndKeepsEachOnItsQueue) {
  TestSwitch sw(1, "", with_rss(4));
  arrive_flows(sw, 64);
  const auto first = sw.received_packets(0);
  ASSERT_EQ(first.size(), 64u);
  EXPECT_EQ(queues_of(first).size(), 4u);
  arrive_flows(sw, 64);
  const auto second = sw.received_packets(0);
  for (size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(first[i].queue, second[i].queue);
    EXPECT_EQ(first[i].queue, first[i].hash % 128 % 4);
    EXPECT_NE(first[i].flags & RTE_MBUF_F_RX_RSS_HASH, 0u);
  }
}

TEST(Rss, RedirectionTableMovesFlowsWhilePacketsFlow) {
  TestSwitch sw(1, "", with_rss(4));
  rte_eth_rss_reta_entry64 reta[2]{};
  for (auto& entry : reta) {
    entry.mask = UINT64_MAX;
    for (uint16_t& queue : entry.reta) queue = 3;
  }
  arrive_flows(sw, 16);
  ASSERT_EQ(rte_eth_dev_rss_reta_update(sw.port(0), reta, 128), 0);
  EXPECT_GT(queues_of(sw.received_packets(0)).size(), 1u);
  arrive_flows(sw, 16);
  EXPECT_EQ(queues_of(sw.received_packets(0)), std::set<uint16_t>{3});
  reta[0].reta[5] = 1;
  reta[0].mask = 1u << 5;
  reta[1].mask = 0;
  ASSERT_EQ(rte_eth_dev_rss_reta_update(sw.port(0), reta, 128), 0);
  reta[0].mask = reta[1].mask = UINT64_MAX;
  ASSERT_EQ(rte_eth_dev_rss_reta_query(sw.port(0), reta, 128), 0);
  for (unsigned i = 0; i < 128; ++i) EXPECT_EQ(reta[i / 64].reta[i % 64], i == 5 ? 1 : 3);
  reta[0].reta[0] = 4;
  EXPECT_NE(rte_eth_dev_rss_reta_update(sw.port(0), reta, 128), 0) << "there is no queue 4";
}

TEST(Rss, TypesAndKeyCanBeChanged) {
  TestSwitch sw(1, "", with_rss(4));
  uint8_t key[40] = {1};
  rte_eth_rss_conf conf{.rss_key = key, .rss_key_len = sizeof(key), .rss_hf = RTE_ETH_RSS_IPV4};
  ASSERT_EQ(rte_eth_dev_rss_hash_update(sw.port(0), &conf), 0);
  arrive_flows(sw, 32);
  EXPECT_EQ(queues_of(sw.received_packets(0)).size(), 1u) << "the ports no longer count";
  uint8_t read[40];
  rte_eth_rss_conf now{.rss_key = read, .rss_key_len = sizeof(read), .rss_hf = 0};
  ASSERT_EQ(rte_eth_dev_rss_hash_conf_get(sw.port(0), &now), 0);
  EXPECT_EQ(now.rss_hf, RTE_ETH_RSS_IPV4);
  EXPECT_EQ(std::memcmp(key, read, sizeof(key)), 0);
}

TEST(Rss, AllFragmentsOfADatagramTakeOneQueue) {
  TestSwitch sw(1, "", with_rss(4));
  for (uint16_t i = 0; i < 16; ++i) {
    Bytes fragment = udp_frame({.source_port = static_cast<uint16_t>(1000 + i)});
    put16(fragment, kIpAt + 6, 0x2000);  // the first, more follow
    sw.arrive(0, fragment);
  }
  sw.settle();
  EXPECT_EQ(queues_of(sw.received_packets(0)).size(), 1u) << "only the first one has the ports";
}

TEST(RxOffloads, ChecksumsAreJudged) {
  PortSetup setup;
  setup.conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
  TestSwitch sw(1, "", setup);
  const Bytes good = udp_frame();
  Bytes bad_ip = good, bad_udp = good, no_udp = good;
  bad_ip[kIpAt + 10] ^= 1;
  bad_udp.back() ^= 1;
  put16(no_udp, kUdpAt + 6, 0);
  for (const Bytes& frame : {good, bad_ip, bad_udp, no_udp}) sw.arrive(0, frame);
  sw.settle();
  const auto packets = sw.received_packets(0);
  ASSERT_EQ(packets.size(), 4u);
  const uint64_t ip[] = {RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_MBUF_F_RX_IP_CKSUM_BAD, RTE_MBUF_F_RX_IP_CKSUM_GOOD,
                         RTE_MBUF_F_RX_IP_CKSUM_GOOD};
  const uint64_t l4[] = {RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_BAD,
                         RTE_MBUF_F_RX_L4_CKSUM_GOOD};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(packets[i].flags & RTE_MBUF_F_RX_IP_CKSUM_MASK, ip[i]) << i;
    EXPECT_EQ(packets[i].flags & RTE_MBUF_F_RX_L4_CKSUM_MASK, l4[i]) << i;
  }
}

Bytes tagged(const Bytes& frame, uint16_t tci) {
  Bytes with = frame;
  with.insert(with.begin() + 12, {0x81, 0, static_cast<uint8_t>(tci >> 8), static_cast<uint8_t>(tci)});
  return with;
}

TEST(RxOffloads, VlanIsStripped) {
  PortSetup setup;
  setup.conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
  TestSwitch sw(1, "", setup);
  sw.arrive(0, tagged(udp_frame(), 0x6064));
  sw.settle();
  const auto packets = sw.received_packets(0);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].frame, udp_frame());
  EXPECT_EQ(packets[0].vlan_tci, 0x6064);
  EXPECT_NE(packets[0].flags & RTE_MBUF_F_RX_VLAN_STRIPPED, 0u);
}

TEST(TxOffloads, ChecksumsAndVlanAreDoneBeforeTheRulesSeeThePacket) {
  PortSetup setup;
  setup.conf.txmode.offloads =
      RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
  TestSwitch sw(1, "", setup);
  rte_flow* vlan = Rule(kEgress).eth().item(RTE_FLOW_ITEM_TYPE_VLAN).count().create(sw.port(0));
  ASSERT_NE(vlan, nullptr);
  Bytes unfinished = udp_frame();
  put16(unfinished, kIpAt + 10, 0);
  put16(unfinished, kUdpAt + 6, 0);
  auto* ip = reinterpret_cast<rte_ipv4_hdr*>(&unfinished[kIpAt]);
  put16(unfinished, kUdpAt + 6, rte_be_to_cpu_16(rte_ipv4_phdr_cksum(ip, RTE_MBUF_F_TX_UDP_CKSUM)));
  sw.send(0, unfinished, [](rte_mbuf& mbuf) {
    mbuf.l2_len = 14;
    mbuf.l3_len = 20;
    mbuf.vlan_tci = 0x6064;
    mbuf.ol_flags |=
        RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_VLAN;
  });
  sw.settle();
  EXPECT_EQ(sw.left(0), std::vector<Bytes>{tagged(udp_frame(), 0x6064)});
  EXPECT_EQ(hits(sw.port(0), vlan), 1u);
}

TEST(Mac, OnlyItsOwnAddressesReachAPortThatIsNotPromiscuous) {
  TestSwitch sw(2);
  const uint16_t port = sw.port(0);
  rte_eth_promiscuous_disable(port);
  rte_eth_promiscuous_disable(sw.port(1));
  const auto taken = [&](unsigned vport, const Bytes& mac) {
    Bytes frame = udp_frame();
    std::copy(mac.begin(), mac.end(), frame.begin());
    sw.arrive(vport, frame);
    sw.settle();
    return sw.received(vport).size() == 1;
  };
  rte_ether_addr own;
  ASSERT_EQ(rte_eth_macaddr_get(port, &own), 0);
  EXPECT_TRUE(taken(0, Bytes(own.addr_bytes, own.addr_bytes + 6)));
  const Bytes other = {2, 0, 0, 0, 7, 9}, group = {1, 0, 0x5e, 0, 0, 9};
  EXPECT_FALSE(taken(0, other));
  EXPECT_TRUE(taken(1, other)) << "a representor is given what its function sends";
  EXPECT_TRUE(taken(0, Bytes(6, 0xff)));
  EXPECT_TRUE(taken(0, {0x33, 0x33, 0, 0, 0, 1}));
  EXPECT_FALSE(taken(0, group));
  rte_eth_allmulticast_enable(port);
  EXPECT_TRUE(taken(0, group));
  rte_ether_addr added{{2, 0, 0, 0, 7, 9}};
  ASSERT_EQ(rte_eth_dev_mac_addr_add(port, &added, 0), 0);
  EXPECT_TRUE(taken(0, other));
  ASSERT_EQ(rte_eth_dev_mac_addr_remove(port, &added), 0);
  EXPECT_FALSE(taken(0, other));
  ASSERT_EQ(rte_eth_dev_default_mac_addr_set(port, &added), 0);
  EXPECT_TRUE(taken(0, other));
  EXPECT_FALSE(taken(0, Bytes(own.addr_bytes, own.addr_bytes + 6)));
  EXPECT_EQ(sw.xstat(0, "drop_mac_address"), 4u);
}

TEST(Mtu, IsTheWires) {
  TestSwitch sw(1);
  uint16_t mtu = 0;
  ASSERT_EQ(rte_eth_dev_set_mtu(sw.port(0), 1400), 0);
  ASSERT_EQ(rte_eth_dev_get_mtu(sw.wire_port(0), &mtu), 0);
  EXPECT_EQ(mtu, 1400);
  EXPECT_NE(rte_eth_dev_set_mtu(sw.port(0), 9001), 0) << "more than the wire can";
  ASSERT_EQ(rte_eth_dev_stop(sw.port(0)), 0);
  rte_eth_conf conf{};
  ASSERT_EQ(rte_eth_dev_configure(sw.port(0), 1, 1, &conf), 0);
  ASSERT_EQ(rte_eth_dev_get_mtu(sw.port(0), &mtu), 0);
  EXPECT_EQ(mtu, 1400) << "a configuration that names none keeps the wire's";
  conf.rxmode.mtu = 2000;
  ASSERT_EQ(rte_eth_dev_configure(sw.port(0), 1, 1, &conf), 0);
  ASSERT_EQ(rte_eth_dev_get_mtu(sw.wire_port(0), &mtu), 0);
  EXPECT_EQ(mtu, 2000);
}

TEST(Representors, AreTold) {
  TestSwitch sw(3), plain(1);
  EXPECT_EQ(rte_eth_representor_info_get(plain.port(0), nullptr), 0);
  ASSERT_EQ(rte_eth_representor_info_get(sw.port(0), nullptr), 1);
  std::vector<uint64_t> storage(16);
  auto* info = reinterpret_cast<rte_eth_representor_info*>(storage.data());
  info->nb_ranges_alloc = 1;
  ASSERT_EQ(rte_eth_representor_info_get(sw.port(0), info), 1);
  EXPECT_EQ(info->ranges[0].type, RTE_ETH_REPRESENTOR_VF);
  EXPECT_EQ(info->ranges[0].id_base, 0u);
  EXPECT_EQ(info->ranges[0].id_end, 1u);
  rte_eth_dev_info dev_info;
  ASSERT_EQ(rte_eth_dev_info_get(sw.port(2), &dev_info), 0);
  EXPECT_NE(*dev_info.dev_flags & RTE_ETH_DEV_REPRESENTOR, 0u);
  EXPECT_EQ(dev_info.switch_info.port_id, 2);
  ASSERT_EQ(rte_eth_dev_info_get(plain.port(0), &dev_info), 0);
  EXPECT_EQ(dev_info.switch_info.domain_id, RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID);
}

TEST(Stats, SurviveAQueueThatIsMadeAnew) {
  TestSwitch sw(1);
  rte_mempool* pool = rte_pktmbuf_pool_create("stats_pool", 1023, 0, 0, 2048, SOCKET_ID_ANY);
  ASSERT_NE(pool, nullptr);
  const auto received = [&] {
    rte_eth_stats stats;
    EXPECT_EQ(rte_eth_stats_get(sw.port(0), &stats), 0);
    return stats.ipackets;
  };
  arrive_flows(sw, 3);
  EXPECT_EQ(received(), 3u);
  ASSERT_EQ(rte_eth_stats_reset(sw.port(0)), 0);
  arrive_flows(sw, 2);
  ASSERT_EQ(rte_eth_dev_stop(sw.port(0)), 0);
  ASSERT_EQ(rte_eth_rx_queue_setup(sw.port(0), 0, 64, SOCKET_ID_ANY, nullptr, pool), 0);
  ASSERT_EQ(rte_eth_dev_start(sw.port(0)), 0);
  EXPECT_EQ(received(), 2u);
  arrive_flows(sw, 1);
  EXPECT_EQ(received(), 3u);
  sw.received(0);
  ASSERT_EQ(rte_eth_dev_stop(sw.port(0)), 0);
  ASSERT_EQ(rte_eth_dev_close(sw.port(0)), 0);
  rte_mempool_free(pool);
}

TEST(Queues, TellHowTheyAreSetUp) {
  TestSwitch sw(1);
  rte_eth_txq_info tx;
  rte_eth_rxq_info rx;
  ASSERT_EQ(rte_eth_tx_queue_info_get(sw.port(0), 0, &tx), 0);
  ASSERT_EQ(rte_eth_rx_queue_info_get(sw.port(0), 0, &rx), 0);
  EXPECT_EQ(tx.nb_desc, 4096);
  EXPECT_EQ(rx.nb_desc, 4096);
  EXPECT_NE(rx.mp, nullptr);
  EXPECT_EQ(tx.queue_state, RTE_ETH_QUEUE_STATE_STARTED);
  ASSERT_EQ(rte_eth_dev_stop(sw.port(0)), 0);
  ASSERT_EQ(rte_eth_tx_queue_info_get(sw.port(0), 0, &tx), 0);
  EXPECT_EQ(tx.queue_state, RTE_ETH_QUEUE_STATE_STOPPED);
}

TEST(Wires, AreOwnedAndGivenBack) {
  uint16_t wire = RTE_MAX_ETHPORTS;
  {
    TestSwitch sw(2);
    wire = sw.wire_port(1);
    rte_eth_dev_owner owner;
    ASSERT_EQ(rte_eth_dev_owner_get(wire, &owner), 0);
    EXPECT_NE(owner.id, RTE_ETH_DEV_NO_OWNER);
    rte_eth_dev_info infos[2];
    for (unsigned i = 0; i < 2; ++i) ASSERT_EQ(rte_eth_dev_info_get(sw.port(i), &infos[i]), 0);
    EXPECT_EQ(infos[0].switch_info.domain_id, infos[1].switch_info.domain_id);
    EXPECT_EQ(infos[1].switch_info.port_id, 1);
    EXPECT_NE(rte_eal_hotplug_add("vdev", "net_eswitch99", "uplink=nothing"), 0);
    EXPECT_NE(
        rte_eal_hotplug_add("vdev", "net_eswitch99", ("uplink=wire" + sw.name().substr(11) + "_0").c_str()),
        0)
        << "the wire is another switch's";
    ASSERT_EQ(rte_eal_hotplug_remove("vdev", sw.name().c_str()), 0);
    ASSERT_EQ(rte_eth_dev_owner_get(wire, &owner), 0);
    EXPECT_EQ(owner.id, RTE_ETH_DEV_NO_OWNER);
    ASSERT_EQ(
        rte_eal_hotplug_add("vdev", "net_eswitch99", ("uplink=wire" + sw.name().substr(11) + "_0").c_str()),
        0);
    ASSERT_EQ(rte_eal_hotplug_remove("vdev", "net_eswitch99"), 0);
  }
  EXPECT_FALSE(rte_eth_dev_is_valid_port(wire));
}

TEST(Ports, EndInAnyOrderAndTheRestGoesOn) {
  for (const unsigned first : {0u, 1u, 2u}) {
    TestSwitch sw(3);
    const unsigned left = (first + 1) % 3, right = (first + 2) % 3;
    rte_flow* to_gone =
        Rule(kTransfer).from(sw.port(left)).eth().to_wire(sw.port(first)).create(sw.port(left));
    ASSERT_NE(to_gone, nullptr);
    rte_flow_error error{};
    ASSERT_EQ(rte_eth_dev_stop(sw.port(first)), 0);
    ASSERT_EQ(rte_eth_dev_close(sw.port(first)), 0);
    EXPECT_EQ(Rule(kIngress).eth().drop().create(sw.port(first), &error), nullptr);
    EXPECT_EQ(rte_errno, ENODEV);
    EXPECT_NE(rte_flow_destroy(sw.port(first), to_gone, &error), 0);
    EXPECT_NE(rte_flow_flush(sw.port(first), &error), 0);
    EXPECT_NE(rte_flow_isolate(sw.port(first), 1, &error), 0);
    EXPECT_EQ(Rule(kTransfer).from(sw.port(left)).eth().to_wire(sw.port(first)).create(sw.port(left), &error),
              nullptr)
        << "a port that is closed cannot be named";
    sw.arrive(first, udp_frame());
    sw.arrive(left, udp_frame());
    sw.arrive(right, udp_frame());
    sw.settle();
    EXPECT_EQ(sw.left(first).size(), 1u) << "its wire is still the switch's";
    EXPECT_EQ(sw.received(right).size(), 1u);
    EXPECT_EQ(rte_flow_destroy(sw.port(left), to_gone, &error), 0);
  }
}

}  // namespace
}  // namespace eswitch_test
