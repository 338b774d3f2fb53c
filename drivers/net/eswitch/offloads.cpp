#include "offloads.hpp"

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>

namespace eswitch {
namespace {

constexpr uint64_t kTxWork = RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_VLAN |
                             RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6;

/// The checksum field of the L4 header, or null where the packet is too short for the lengths it claims.
uint16_t* l4_field(rte_mbuf* mbuf, uint16_t l4_at, bool udp) {
  const uint16_t at = static_cast<uint16_t>(l4_at + (udp ? 6 : 16));
  if (at + 2u > rte_pktmbuf_data_len(mbuf)) return nullptr;
  return rte_pktmbuf_mtod_offset(mbuf, uint16_t*, at);
}

bool tx_checksums(rte_mbuf* mbuf) {
  const uint16_t l3_at = mbuf->l2_len, l4_at = static_cast<uint16_t>(mbuf->l2_len + mbuf->l3_len);
  const bool ipv4 = (mbuf->ol_flags & RTE_MBUF_F_TX_IPV4) != 0;
  if (l3_at + (ipv4 ? 20u : 40u) > rte_pktmbuf_data_len(mbuf) || l4_at > rte_pktmbuf_data_len(mbuf))
    return false;
  const uint64_t l4 = mbuf->ol_flags & RTE_MBUF_F_TX_L4_MASK;
  if (l4 == RTE_MBUF_F_TX_UDP_CKSUM || l4 == RTE_MBUF_F_TX_TCP_CKSUM) {
    uint16_t* field = l4_field(mbuf, l4_at, l4 == RTE_MBUF_F_TX_UDP_CKSUM);
    if (field == nullptr) return false;
    *field = 0;
    *field =
        ipv4 ? rte_ipv4_udptcp_cksum_mbuf(mbuf, rte_pktmbuf_mtod_offset(mbuf, rte_ipv4_hdr*, l3_at), l4_at)
             : rte_ipv6_udptcp_cksum_mbuf(mbuf, rte_pktmbuf_mtod_offset(mbuf, rte_ipv6_hdr*, l3_at), l4_at);
  }
  if (ipv4 && (mbuf->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0) {
    auto* header = rte_pktmbuf_mtod_offset(mbuf, rte_ipv4_hdr*, l3_at);
    if (l3_at + rte_ipv4_hdr_len(header) > rte_pktmbuf_data_len(mbuf)) return false;
    header->hdr_checksum = 0;
    header->hdr_checksum = rte_ipv4_cksum(header);
  }
  return true;
}

uint32_t packet_type(const Key& key) {
  const uint32_t layers = key.level[0].layers;
  uint32_t type = (layers & kLayerVlan) != 0 ? RTE_PTYPE_L2_ETHER_VLAN : RTE_PTYPE_L2_ETHER;
  if ((layers & kLayerIpv4) != 0) type |= RTE_PTYPE_L3_IPV4_EXT_UNKNOWN;
  if ((layers & kLayerIpv6) != 0) type |= RTE_PTYPE_L3_IPV6_EXT_UNKNOWN;
  if ((layers & kLayerUdp) != 0) type |= RTE_PTYPE_L4_UDP;
  if ((layers & kLayerTcp) != 0) type |= RTE_PTYPE_L4_TCP;
  if ((layers & kLayerIcmp) != 0) type |= RTE_PTYPE_L4_ICMP;
  return type;
}

uint64_t l4_flag(const rte_mbuf* mbuf, const Packet& packet, const LevelLayout& outer, const Key& key) {
  const LevelKey& level = key.level[0];
  const uint8_t* ip = packet.bytes() + outer.l3;
  const bool ipv4 = (level.layers & kLayerIpv4) != 0;
  if ((level.layers & (kLayerUdp | kLayerTcp)) == 0 || is_fragment(level)) return 0;
  if (outer.l4_proto == IPPROTO_UDP && get_be16(packet.bytes() + outer.l4 + 6) == 0)
    return RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  const int wrong =
      ipv4 ? rte_ipv4_udptcp_cksum_mbuf_verify(mbuf, reinterpret_cast<const rte_ipv4_hdr*>(ip), outer.l4)
           : rte_ipv6_udptcp_cksum_mbuf_verify(mbuf, reinterpret_cast<const rte_ipv6_hdr*>(ip), outer.l4);
  return wrong == 0 ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

}  // namespace

bool do_tx_offloads(rte_mbuf*& mbuf) {
  if ((mbuf->ol_flags & kTxWork) == 0) return true;
  if ((mbuf->ol_flags & (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK)) != 0 && !tx_checksums(mbuf))
    return false;
  if ((mbuf->ol_flags & RTE_MBUF_F_TX_VLAN) != 0 && rte_vlan_insert(&mbuf) != 0) return false;
  mbuf->ol_flags &= ~RTE_MBUF_F_TX_OFFLOAD_MASK;
  return true;
}

bool restore_vlan(rte_mbuf*& mbuf) {
  if ((mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) == 0) return true;
  return rte_vlan_insert(&mbuf) == 0;
}

void do_rx_offloads(Packet& packet, uint64_t offloads) {
  rte_mbuf* mbuf = packet.mbuf();
  mbuf->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_VLAN |
                      RTE_MBUF_F_RX_VLAN_STRIPPED);
  const Key& key = packet.key();
  const LevelLayout& outer = packet.layout().level[0];
  mbuf->packet_type = packet_type(key);
  if ((offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0 && (key.level[0].layers & kLayerIpv4) != 0) {
    const auto* header = reinterpret_cast<const rte_ipv4_hdr*>(packet.bytes() + outer.l3);
    mbuf->ol_flags |= rte_ipv4_cksum(header) == 0 ? RTE_MBUF_F_RX_IP_CKSUM_GOOD : RTE_MBUF_F_RX_IP_CKSUM_BAD;
  }
  if ((offloads & (RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)) != 0)
    mbuf->ol_flags |= l4_flag(mbuf, packet, outer, key);
  if ((offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) != 0 && (key.level[0].layers & kLayerVlan) != 0 &&
      rte_vlan_strip(mbuf) == 0)
    packet.changed();
}

}  // namespace eswitch
