// Marks: a plain NIC writes and removes the outer headers.
#include "nic.hpp"

#include <rte_vxlan.h>

namespace culvert::testing {
namespace {

using dataplane::DropReason;
using dataplane::Where;

TEST_F(Nic, WritesTheHeader) {
  never_leak();
  make_slot(kMark, rule(0, 0x1111).header);  // not the workers' gateway: who wrote it is seen
  resolve(0, 0x2222, kMark);
  const Bytes inner = udp_frame(9, 1, 100);
  arrive(tenant, inner);
  turn();
  auto sent = leave(1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(Bytes(sent[0].begin(), sent[0].begin() + 6), mac(0x1111));
  EXPECT_EQ(Bytes(sent[0].begin() + 50, sent[0].end()), inner);
  EXPECT_EQ(vni_of(sent[0]), 100u);
  EXPECT_EQ(path->stats().encapsulated, 1u);
  EXPECT_EQ(path->stats().marked, 1u);
  EXPECT_EQ(path->encap_counters(0).bytes, 100u);

  resolve(0, 0x2222, 0);
  arrive(tenant, inner);
  turn();
  sent = leave(1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(Bytes(sent[0].begin(), sent[0].begin() + 6), mac(0x2222));
  EXPECT_EQ(Bytes(sent[0].begin() + 50, sent[0].end()), inner);
  EXPECT_EQ(path->stats().marked, 1u);
  EXPECT_EQ(path->encap_counters(0).packets, 2u);
}

TEST_F(Nic, FlowsTakeMarksToo) {
  never_leak();
  make_slot(kMark, rule(1, 0x1111).header);
  resolve(1, 0x2222, kMark);
  ASSERT_TRUE(path->set_flow(0, {.port = kTenant, .match = {.ip_proto = 17}, .encap = 1}));
  arrive(tenant, udp_frame(9, 1, 100));
  turn();
  const auto sent = leave(1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(vni_of(sent[0]), 200u);
  EXPECT_EQ(path->flow_counters(0).packets, 1u);
}

TEST_F(Nic, TheMtuHolds) {
  resolve(0, kGatewayMac, kMark);
  arrive(tenant, udp_frame(9, 1, 1465));
  turn();
  EXPECT_EQ(path->stats().drops[static_cast<size_t>(DropReason::too_big)], 1u);
  EXPECT_EQ(path->stats().marked, 0u);
  never_leak();
  make_slot(kMark, rule(0, kGatewayMac).header);
  arrive(tenant, udp_frame(9, 1, 1464));
  turn();
  EXPECT_EQ(leave(1).size(), 1u);
}

// A copy for each tunnel: the mark of one is not the other's.
TEST_F(Nic, FloodsMarkedAndUnmarked) {
  never_leak();
  make_slot(kMark, rule(0, kGatewayMac).header);
  for (const uint32_t first : {kMark, uint32_t{0}}) {
    make_slot(kMark + 1, rule(1, kGatewayMac).header);
    resolve(0, kGatewayMac, first);
    resolve(1, kGatewayMac, first == 0 ? kMark + 1 : 0);
    const Bytes inner = udp_frame(77, 1, 100);
    arrive(tenant, inner);
    turn();
    const auto sent = leave(2);
    ASSERT_EQ(sent.size(), 2u);
    EXPECT_EQ(vni_of(sent[0]) + vni_of(sent[1]), 300u);
    for (const Bytes& frame : sent) EXPECT_EQ(Bytes(frame.begin() + 50, frame.end()), inner);
  }
  EXPECT_EQ(path->stats().marked, 2u);
  EXPECT_EQ(path->stats().encapsulated, 4u);
}

TEST_F(Nic, RemovesTheHeader) {
  const tunnel::Tunnel t = tunnel(1);
  ASSERT_TRUE(path->set_terminations({{t.local, t.remote, t.dst_port, t.vni, 1, dataplane::NetworkId{0}}}));
  ASSERT_TRUE(path->add_path(0, to_mac(5), Where::port(kTenant)));
  rte_flow_item_vxlan vxlan_spec{}, vxlan_mask{};
  vxlan_spec.hdr.vx_vni = rte_cpu_to_be_32(t.vni << 8);
  vxlan_mask.hdr.vx_vni = rte_cpu_to_be_32(0xffffff00);
  const rte_flow_item items[] = {{RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr, nullptr},
                                 {RTE_FLOW_ITEM_TYPE_IPV4, nullptr, nullptr, nullptr},
                                 {RTE_FLOW_ITEM_TYPE_UDP, nullptr, nullptr, nullptr},
                                 {RTE_FLOW_ITEM_TYPE_VXLAN, &vxlan_spec, nullptr, &vxlan_mask},
                                 {RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr}};
  const rte_flow_action_mark tunnel_mark{.id = 2};
  const rte_flow_action_queue queue{.index = 0};
  const rte_flow_action actions[] = {{RTE_FLOW_ACTION_TYPE_MARK, &tunnel_mark},
                                     {RTE_FLOW_ACTION_TYPE_VXLAN_DECAP, nullptr},
                                     {RTE_FLOW_ACTION_TYPE_QUEUE, &queue},
                                     {RTE_FLOW_ACTION_TYPE_END, nullptr}};
  make_rule({.ingress = 1}, items, actions);
  const Bytes inner = udp_frame(5, 4, 100);
  arrive(wire, arriving(inner, {.src = kRemote + 1, .vni = t.vni}));
  EXPECT_TRUE(wait_for([&] { return tenant.from_switch.ready() != 0; }, [&] { turn(); }));
  EXPECT_EQ(take(tenant), std::vector<Bytes>{inner});
  EXPECT_EQ(path->stats().decapsulated, 1u);
  EXPECT_EQ(path->stats().exceptions, 0u);
}

}  // namespace
}  // namespace culvert::testing
