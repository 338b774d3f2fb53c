// The layouts of rules that a tunnel gateway puts into a NIC, with and without profile=mlx5.
#include <gtest/gtest.h>
#include <rte_bus_vdev.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "rule.hpp"

namespace eswitch_test {
namespace {

const Bytes kFrame = udp_frame();

/// The VNI and the destination MAC's telling byte of a frame that was encapsulated by vxlan_header; checks
/// that what is inside is kFrame and the lengths are filled.
std::pair<unsigned, unsigned> tunnel_of(const Bytes& frame) {
  EXPECT_EQ(frame.size(), kInnerAt + kFrame.size());
  EXPECT_EQ(Bytes(frame.begin() + kInnerAt, frame.end()), kFrame);
  EXPECT_EQ(be16(frame, kIpAt + 2), frame.size() - kIpAt);
  EXPECT_EQ(be16(frame, kUdpAt + 4), frame.size() - kUdpAt);
  return {be16(frame, kVxlanAt + 5), frame[4]};
}

class Layout : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Profiles, Layout, testing::Values("profile=generic", "profile=mlx5"),
                         [](const auto& info) { return std::string(info.param + 8); });

TEST_P(Layout, TaggedSendsManyFlowsThroughOneSlot) {
  TestSwitch sw(3, GetParam());
  const uint16_t up = sw.port(0);
  std::vector<rte_flow*> flows;
  for (const unsigned vport : {1u, 2u})
    flows.push_back(Rule(at(kTransfer, 1)).from(sw.port(vport)).eth().set_tag(42).count().jump(2).create(up));
  ASSERT_NE(Rule(kTransfer).from_any().jump(1).create(up), nullptr);
  Bytes header = vxlan_header(100);
  rte_flow* slot = Rule(at(kTransfer, 2)).from_any().tag(42).count().encap(header).to_wire(up).create(up);
  ASSERT_TRUE(flows[0] != nullptr && flows[1] != nullptr && slot != nullptr);
  for (unsigned i = 0; i < 10; ++i) sw.arrive(1 + i % 2, kFrame);
  sw.arrive(0, kFrame);  // no flow: a miss in group 1
  sw.settle();
  const auto frames = sw.left(0);
  ASSERT_EQ(frames.size(), 10u);
  for (const Bytes& frame : frames) EXPECT_EQ(tunnel_of(frame), std::pair(100u, 0x99u));
  for (rte_flow* flow : flows) EXPECT_EQ(hits(up, flow), 5u);
  EXPECT_EQ(hits(up, slot), 10u);
  EXPECT_EQ(counted(up, slot).bytes, 10 * kFrame.size());
  EXPECT_EQ(sw.received(0), std::vector<Bytes>{kFrame});
}

TEST_P(Layout, SameMatchTwiceIsTheEarliersUntilItGoes) {
  TestSwitch sw(2, GetParam());
  const uint16_t up = sw.port(0);
  Bytes old_header = vxlan_header(100, 1), new_header = vxlan_header(100, 2);
  ASSERT_NE(Rule(kTransfer).from(sw.port(1)).eth().jump(1).create(up), nullptr);
  rte_flow* earlier = Rule(at(kTransfer, 1)).from_any().tag(0).encap(old_header).to_wire(up).create(up);
  rte_flow* later = Rule(at(kTransfer, 1)).from_any().tag(0).encap(new_header).to_wire(up).create(up);
  ASSERT_TRUE(earlier != nullptr && later != nullptr);
  const auto mac = [&] {
    sw.arrive(1, kFrame);
    sw.settle();
    const auto frames = sw.left(0);
    return frames.size() == 1 ? tunnel_of(frames[0]).second : 0u;
  };
  EXPECT_EQ(mac(), 1u);
  ASSERT_EQ(rte_flow_destroy(up, earlier, nullptr), 0);
  EXPECT_EQ(mac(), 2u);
}

// A slot's rule is replaced again and again at the other of two priorities while packets flow: each packet
// leaves with one of the headers, none is missed, and the counters of all the rules together are exact.
TEST_P(Layout, ReplacingASlotLosesNothing) {
  TestSwitch sw(2, GetParam());
  const uint16_t up = sw.port(0);
  ASSERT_NE(Rule(kTransfer).from(sw.port(1)).eth().set_tag(1).jump(1).create(up), nullptr);
  const auto slot = [&](unsigned turn) {
    Bytes header = vxlan_header(100, static_cast<uint8_t>(turn));
    return Rule(at(kTransfer, 1, turn % 2)).from_any().tag(1).count().encap(header).to_wire(up).create(up);
  };
  std::atomic<bool> stop{false};
  std::atomic<unsigned> turns{0};
  rte_flow* standing = slot(0);
  std::thread replacer([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      rte_flow* next = slot(turns.fetch_add(1, std::memory_order_relaxed) + 1);
      rte_flow_destroy(up, standing, nullptr);
      standing = next;
    }
  });
  uint64_t sent = 0, seen = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (std::chrono::steady_clock::now() < end) {
    for (unsigned i = 0; i < 64; ++i, ++sent) sw.arrive(1, kFrame);
    sw.settle();
    for (const Bytes& frame : sw.left(0)) tunnel_of(frame), ++seen;
  }
  stop.store(true, std::memory_order_relaxed);
  replacer.join();
  EXPECT_EQ(seen, sent);
  EXPECT_TRUE(sw.received(1).empty());
  EXPECT_GT(turns.load(), 10u);
  const uint64_t before = hits(up, standing);
  sw.arrive(1, kFrame);
  sw.settle();
  EXPECT_EQ(hits(up, standing), before + 1);
}

void send_marked(TestSwitch& sw, uint32_t slot) {
  sw.send(0, kFrame, [slot](rte_mbuf& mbuf) {
    rte_flow_dynf_metadata_set(&mbuf, slot);
    mbuf.ol_flags |= rte_flow_dynf_metadata_mask;
  });
}

// A plain NIC: one egress rule a slot; what has a mark without a slot is dropped by lowest rules, one for
// each bit that a mark can have (a rule cannot say "not 0"); what has no mark is sent as it is.
TEST_P(Layout, EgressSlotsOnAPlainNic) {
  TestSwitch sw(1, GetParam());
  const uint16_t port = sw.port(0);
  Bytes header = vxlan_header(100), other = vxlan_header(101);
  ASSERT_NE(Rule(kEgress).jump(1).create(port), nullptr);
  rte_flow* slot = Rule(at(kEgress, 1)).meta(3).count().encap(header).create(port);
  ASSERT_NE(Rule(at(kEgress, 1)).meta(4).count().encap(other).create(port), nullptr);
  ASSERT_NE(slot, nullptr);
  for (unsigned bit = 0; bit < 32; ++bit)
    ASSERT_NE(Rule(at(kEgress, 1, 3)).meta(1u << bit, 1u << bit).drop().create(port), nullptr);
  send_marked(sw, 3);
  send_marked(sw, 4);
  send_marked(sw, 5);           // no such slot
  send_marked(sw, 0x80000000);  // nor that
  sw.send(0, kFrame);
  sw.settle();
  const auto frames = sw.left(0);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(tunnel_of(frames[0]).first, 100u);
  EXPECT_EQ(tunnel_of(frames[1]).first, 101u);
  EXPECT_EQ(frames[2], kFrame);
  EXPECT_EQ(hits(port, slot), 1u);
  EXPECT_EQ(sw.xstat(0, "drop_by_rule"), 2u);
}

TEST_P(Layout, TerminationOnAPlainNic) {
  PortSetup setup{.queues = 4};
  setup.conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  TestSwitch sw(1, GetParam(), setup);
  const uint16_t port = sw.port(0);
  ASSERT_EQ(rte_eth_dev_stop(port), 0);
  ASSERT_EQ(rte_flow_isolate(port, 1, nullptr), 0);
  ASSERT_EQ(rte_eth_dev_start(port), 0);
  rte_flow_item_udp udp{}, udp_mask{};
  udp.hdr.dst_port = RTE_BE16(4789);
  udp_mask.hdr.dst_port = RTE_BE16(0xffff);
  const auto vxlan = [](uint8_t vni) {
    rte_flow_item_vxlan item{};
    item.vni[2] = vni;
    return item;
  };
  rte_flow_item_vxlan vni_mask{};
  std::memset(vni_mask.vni, 0xff, 3);
  const uint16_t queues[] = {0, 1, 2, 3};
  rte_flow_action_rss rss{};
  rss.types = RTE_ETH_RSS_IP | RTE_ETH_RSS_NONFRAG_IPV4_UDP;
  rss.queue_num = 4;
  rss.queue = queues;
  const auto rule = [&](uint8_t vni) {
    Rule one(kIngress);
    one.eth().item(RTE_FLOW_ITEM_TYPE_IPV4).item(RTE_FLOW_ITEM_TYPE_UDP, udp, udp_mask);
    one.item(RTE_FLOW_ITEM_TYPE_VXLAN, vxlan(vni), vni_mask);
    return one;
  };
  rte_flow* spread = rule(100)
                         .mark(100)
                         .count()
                         .action(RTE_FLOW_ACTION_TYPE_VXLAN_DECAP)
                         .action(RTE_FLOW_ACTION_TYPE_RSS, rss)
                         .create(port);
  ASSERT_NE(spread, nullptr);
  ASSERT_NE(rule(101).mark(101).action(RTE_FLOW_ACTION_TYPE_VXLAN_DECAP).queue(2).create(port), nullptr);
  for (uint16_t i = 0; i < 32; ++i)
    sw.arrive(0, vxlan_frame(100, udp_frame({.source_port = static_cast<uint16_t>(1000 + i)})));
  sw.arrive(0, vxlan_frame(101, kFrame));
  sw.arrive(0, vxlan_frame(102, kFrame));  // no tunnel of ours: the kernel's
  sw.settle();
  const auto packets = sw.received_packets(0);
  ASSERT_EQ(packets.size(), 33u);
  bool used[4] = {};
  for (const Received& packet : packets) {
    EXPECT_NE(packet.flags & RTE_MBUF_F_RX_FDIR_ID, 0u);
    EXPECT_EQ(packet.frame.size(), kFrame.size());
    if (packet.mark == 101) {
      EXPECT_EQ(packet.queue, 2);
    }
    if (packet.mark == 100) used[packet.queue] = true;
  }
  EXPECT_TRUE(used[0] && used[1] && used[2] && used[3]) << "spread by what is inside";
  EXPECT_EQ(hits(port, spread), 32u);
  EXPECT_EQ(sw.xstat(0, "drop_isolated"), 1u);
}

// One thread makes and destroys rules, another reads the counters of standing ones, the switch counts.
TEST_P(Layout, CountersAreReadFromAnotherThread) {
  TestSwitch sw(2, GetParam());
  rte_flow* counting =
      Rule(at(kTransfer, 1)).from(sw.port(1)).eth().count().to_wire(sw.port(0)).create(sw.port(0));
  ASSERT_NE(Rule(kTransfer).from_any().jump(1).create(sw.port(0)), nullptr);
  std::atomic<bool> stop{false};
  std::thread maker([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      rte_flow* passing = Rule(at(kTransfer, 1)).from(sw.port(0)).eth().drop().create(sw.port(1));
      rte_flow_destroy(sw.port(1), passing, nullptr);
    }
  });
  uint64_t last = 0;
  std::thread reader([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      const uint64_t now = hits(sw.port(0), counting);
      EXPECT_GE(now, last);
      last = now;
    }
  });
  for (unsigned burst = 0; burst < 20; ++burst) {
    for (unsigned i = 0; i < 64; ++i) sw.arrive(1, kFrame);
    sw.settle();
    EXPECT_EQ(sw.left(0).size(), 64u);
  }
  stop.store(true, std::memory_order_relaxed);
  maker.join();
  reader.join();
  EXPECT_EQ(hits(sw.port(0), counting), 20u * 64);
}

// How a sender learns that what it posted is with the wire. rte_ethdev counts descriptors from where the next
// packet goes; net_mlx5 from the oldest one in work.
TEST_P(Layout, DescriptorsTellWhenTheyAreExecuted) {
  TestSwitch sw(1, std::string(GetParam()) + ",tx_delay_us=30000");
  const bool mlx5 = std::string_view(GetParam()) == "profile=mlx5";
  // Posted under one rule, executed after it has gone: a NIC would send it as it is.
  rte_flow* drop = Rule(kEgress).eth().drop().create(sw.port(0));
  ASSERT_NE(drop, nullptr);
  sw.send(0, kFrame);
  EXPECT_EQ(rte_eth_tx_descriptor_status(sw.port(0), 0, 4095),
            mlx5 ? RTE_ETH_TX_DESC_DONE : RTE_ETH_TX_DESC_FULL);
  EXPECT_EQ(rte_eth_tx_descriptor_status(sw.port(0), 0, 0),
            mlx5 ? RTE_ETH_TX_DESC_FULL : RTE_ETH_TX_DESC_DONE);
  EXPECT_TRUE(sw.left(0).empty());
  EXPECT_EQ(rte_flow_destroy(sw.port(0), drop, nullptr), 0);
  sw.settle();
  for (const uint16_t offset : {0, 4095})
    EXPECT_EQ(rte_eth_tx_descriptor_status(sw.port(0), 0, offset), RTE_ETH_TX_DESC_DONE);
  EXPECT_EQ(sw.left(0), std::vector<Bytes>{kFrame});
}

// Headers are put on whatever room the sender left in front of the frame.
TEST_P(Layout, EncapNeedsNoHeadroom) {
  TestSwitch sw(1, GetParam());
  Bytes header = vxlan_header(100);
  Rule rule(kEgress);
  rule.eth();
  for (unsigned tags = 0; tags < 5; ++tags)
    rule.action(RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN, rte_flow_action_of_push_vlan{RTE_BE16(0x8100)});
  ASSERT_NE(rule.encap(header).create(sw.port(0)), nullptr);
  for (const uint16_t room : {0, 4, 49, 64, 70, 128}) {
    sw.send(0, kFrame, [&](rte_mbuf& mbuf) {
      std::memmove(static_cast<uint8_t*>(mbuf.buf_addr) + room, rte_pktmbuf_mtod(&mbuf, uint8_t*),
                   kFrame.size());
      mbuf.data_off = room;
    });
    sw.settle();
    const auto frames = sw.left(0);
    ASSERT_EQ(frames.size(), 1u) << room;
    EXPECT_EQ(frames[0].size(), header.size() + 20 + kFrame.size());
  }
}

}  // namespace
}  // namespace eswitch_test
