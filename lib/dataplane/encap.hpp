// Outer headers in front of an inner frame.
#pragma once

#include <rte_flow.h>
#include <rte_mbuf.h>

#include <cstring>
#include <optional>

#include "dataplane/encap_slot.hpp"
#include "dataplane/worker.hpp"
#include "net/headers.hpp"

namespace culvert::dataplane {

// Leaves the slot's header to the NIC: the mark goes with the inner frame as Tx metadata. Returns why it
// cannot be, and then nothing has changed.
inline std::optional<DropReason> leave_to_nic(rte_mbuf* mbuf, const EncapSlot& slot) {
  if (rte_pktmbuf_pkt_len(mbuf) + kIpUdpVxlanBytes > slot.mtu) [[unlikely]]
    return DropReason::too_big;
  rte_flow_dynf_metadata_set(mbuf, slot.mark);
  mbuf->ol_flags |= RTE_MBUF_DYNFLAG_TX_METADATA;
  return std::nullopt;
}

// Writes the slot's header before the frame. What differs per packet: IP length and checksum, UDP length and
// source port, and what the tunnel inherits (TOS by RFC 6040 and RFC 2983, TTL). Identification stays 0,
// since DF is set (RFC 6864, 4.1), and the UDP checksum 0 (RFC 7348, 5). Returns why it cannot be, and then
// nothing has changed.
inline std::optional<DropReason> encapsulate(rte_mbuf* mbuf, const Frame& frame, const EncapSlot& slot) {
  constexpr uint32_t kUdpVxlan = sizeof(net::UdpHdr) + sizeof(net::VxlanHdr);
  const uint32_t ip_bytes = rte_pktmbuf_pkt_len(mbuf) + kIpUdpVxlanBytes;
  if (ip_bytes > slot.mtu) [[unlikely]]
    return DropReason::too_big;
  if (rte_pktmbuf_headroom(mbuf) < EncapSlot::kTemplateBytes) [[unlikely]]
    return DropReason::no_headroom;

  auto* const inner = rte_pktmbuf_mtod(mbuf, uint8_t*);
  // A constant size: four 16-byte stores, whatever the header's length.
  std::memcpy(inner - EncapSlot::kTemplateBytes, slot.header.data(), EncapSlot::kTemplateBytes);
  auto* const ip = reinterpret_cast<net::Ipv4Hdr*>(inner - kIpUdpVxlanBytes);
  auto* const udp = reinterpret_cast<net::UdpHdr*>(inner - kUdpVxlan);

  const auto tos = static_cast<uint8_t>(slot.tos | (frame.tos & slot.tos_mask));
  const uint8_t ttl = slot.inherit_ttl && frame.ttl != 0 ? frame.ttl : slot.ttl;
  const net::be16 length{static_cast<uint16_t>(ip_bytes)};
  // The header's sum without these three is in the slot; they are added as they lie in the 16-bit words in
  // memory: TOS and the protocol's neighbour TTL are the second and the first byte of theirs.
  uint32_t sum = slot.ip_sum + length.wire() + (uint32_t{tos} << 8) + ttl;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  ip->tos = tos;
  ip->ttl = ttl;
  ip->total_length = length;
  ip->checksum = net::be16::from_wire(static_cast<uint16_t>(~sum));
  // The hash scaled into the range: multiply and shift, no division.
  const uint64_t scaled = uint64_t{frame.flow_hash} * slot.source_port_count >> 32;
  udp->src_port = net::be16{static_cast<uint16_t>(slot.source_port_first + scaled)};
  udp->length = net::be16{static_cast<uint16_t>(ip_bytes - sizeof(net::Ipv4Hdr))};

  mbuf->data_off = static_cast<uint16_t>(mbuf->data_off - slot.header_bytes);
  mbuf->data_len = static_cast<uint16_t>(mbuf->data_len + slot.header_bytes);
  mbuf->pkt_len += slot.header_bytes;
  return std::nullopt;
}

}  // namespace culvert::dataplane
