// What goes with a packet and is no byte of it: marks, metadata, tags; and the entropy of encapsulation.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "rule.hpp"

namespace eswitch_test {
namespace {

void set_meta(rte_mbuf& mbuf, uint32_t value) {
  rte_flow_dynf_metadata_set(&mbuf, value);
  mbuf.ol_flags |= rte_flow_dynf_metadata_mask;
}

TEST(Metadata, MarkAndMetaAreDelivered) {
  TestSwitch sw(1);
  const rte_flow_action_set_meta meta{0x1234, UINT32_MAX};
  ASSERT_NE(
      Rule(kIngress).eth().mark(77).action(RTE_FLOW_ACTION_TYPE_SET_META, meta).queue(0).create(sw.port(0)),
      nullptr);
  sw.arrive(0, udp_frame());
  sw.settle();
  const auto marked = sw.received_packets(0);
  ASSERT_EQ(marked.size(), 1u);
  EXPECT_NE(marked[0].flags & RTE_MBUF_F_RX_FDIR_ID, 0u);
  EXPECT_EQ(marked[0].mark, 77u);
  EXPECT_NE(marked[0].flags & rte_flow_dynf_metadata_mask, 0u);
  EXPECT_EQ(marked[0].meta, 0x1234u);
  ASSERT_EQ(rte_flow_flush(sw.port(0), nullptr), 0);
  sw.arrive(0, udp_frame());
  sw.settle();
  const auto plain = sw.received_packets(0);
  ASSERT_EQ(plain.size(), 1u);
  EXPECT_EQ(plain[0].flags & (RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID | rte_flow_dynf_metadata_mask), 0u);
}

TEST(Metadata, TxMetaIsMatchedInEgressAndDoesNotLeave) {
  TestSwitch sw(1);
  rte_flow* seven = Rule(kEgress).meta(7).count().create(sw.port(0));
  rte_flow* low_byte = Rule(at(kEgress, 0, 1)).meta(9, 0xff).count().create(sw.port(0));
  ASSERT_TRUE(seven != nullptr && low_byte != nullptr);
  sw.send(0, udp_frame(), [](rte_mbuf& mbuf) { set_meta(mbuf, 7); });
  sw.send(0, udp_frame(), [](rte_mbuf& mbuf) { set_meta(mbuf, 0x109); });
  sw.send(0, udp_frame(), [](rte_mbuf& mbuf) { rte_flow_dynf_metadata_set(&mbuf, 7); });  // without the flag
  sw.settle();
  EXPECT_EQ(hits(sw.port(0), seven), 1u);
  EXPECT_EQ(hits(sw.port(0), low_byte), 1u);
  EXPECT_EQ(sw.left(0).size(), 3u);
}

TEST(Metadata, MarkOfOneRuleIsMatchedByTheNext) {
  TestSwitch sw(2);
  const rte_flow_item_mark nine{9}, all{UINT32_MAX};
  ASSERT_NE(Rule(kTransfer).from(sw.port(1)).eth().mark(9).jump(1).create(sw.port(0)), nullptr);
  rte_flow* hit = Rule(at(kTransfer, 1))
                      .from_any()
                      .item(RTE_FLOW_ITEM_TYPE_MARK, nine, all)
                      .count()
                      .jump(2)
                      .create(sw.port(0));
  ASSERT_NE(hit, nullptr);
  sw.arrive(1, udp_frame());
  sw.arrive(0, udp_frame());
  sw.settle();
  EXPECT_EQ(hits(sw.port(0), hit), 1u);
  const auto packets = sw.received_packets(1);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].mark, 9u) << "a miss keeps its mark on the way to the application";
}

TEST(Metadata, TagsEndWithTheirDomain) {
  TestSwitch sw(2);
  ASSERT_NE(Rule(kTransfer).from_any().eth().set_tag(5).jump(1).create(sw.port(0)), nullptr);
  rte_flow* tag = Rule(kIngress).tag(5).count().create(sw.port(1));
  ASSERT_NE(tag, nullptr);
  sw.arrive(1, udp_frame());
  sw.settle();
  EXPECT_EQ(sw.received(1).size(), 1u);
  EXPECT_EQ(hits(sw.port(1), tag), 0u);
}

class Entropy : public testing::Test {
 protected:
  Entropy() { EXPECT_NE(Rule(kEgress).eth().encap(header_).create(sw_.port(0)), nullptr); }
  /// The outer UDP source port that a frame gets.
  uint16_t port_of(const Bytes& frame) {
    sw_.send(0, frame);
    sw_.settle();
    const auto left = sw_.left(0);
    EXPECT_EQ(left.size(), 1u);
    return be16(left.at(0), kUdpAt);
  }
  Bytes header_ = vxlan_header(5);
  TestSwitch sw_{1};
};

TEST_F(Entropy, FollowsTheFlowInside) {
  std::set<uint16_t> ports;
  for (uint16_t i = 0; i < 200; ++i) {
    const UdpFlow flow{.source_port = static_cast<uint16_t>(1000 + i)};
    const uint16_t port = port_of(udp_frame(flow));
    EXPECT_GE(port, 49152);
    EXPECT_EQ(port_of(udp_frame(flow, Bytes(300, 'y'))), port) << "another packet of the flow";
    ports.insert(port);
  }
  EXPECT_GT(ports.size(), 190u);
}

TEST_F(Entropy, IsTheSameForAllFragmentsOfADatagram) {
  Bytes first = udp_frame(), later = udp_frame({}, Bytes(40, 'z'));
  put16(first, kIpAt + 6, 0x2000);
  put16(later, kIpAt + 6, 0x0010);
  put16(later, kUdpAt, 0x5555);  // no UDP header, but data
  EXPECT_EQ(port_of(first), port_of(later));
}

// Several lcores send, each flow from one of them: on the wire each flow is in the order it was sent.
TEST(Order, OfEachFlowIsKeptWhenSeveralThreadsSend) {
  constexpr uint16_t kSenders = 3;
  constexpr uint32_t kPackets = 3000;
  TestSwitch sw(2, "", {.queues = kSenders, .conf = {}});
  Bytes header = vxlan_header(5);
  ASSERT_NE(Rule(kEgress).eth().encap(header).create(sw.port(0)), nullptr);
  std::vector<std::thread> senders;
  std::atomic<uint32_t> left_to_send{kSenders * kPackets}, taken{0};
  for (uint16_t sender = 0; sender < kSenders; ++sender)
    senders.emplace_back([&, sender] {
      for (uint32_t i = 0; i < kPackets; ++i, --left_to_send) {
        // No more on the way than the wire holds.
        while (i * kSenders > taken.load(std::memory_order_relaxed) + 1000) std::this_thread::yield();
        Bytes payload(8);
        put16(payload, 0, static_cast<uint16_t>(i));
        sw.send(0, udp_frame({.source_port = sender}, payload), {}, sender);
      }
    });
  std::map<uint16_t, uint32_t> next;
  uint32_t seen = 0;
  for (bool all_sent = false; !all_sent;) {
    all_sent = left_to_send == 0;
    if (all_sent) sw.settle();
    for (const Bytes& frame : sw.left(0)) {
      EXPECT_EQ(be16(frame, kInnerAt + kVxlanAt), next[be16(frame, kInnerAt + kUdpAt)]++ & 0xffff);
      ++seen;
    }
    taken.store(seen, std::memory_order_relaxed);
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(seen, kSenders * kPackets);
}

}  // namespace
}  // namespace eswitch_test
