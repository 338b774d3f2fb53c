#include "dataplane/kernel_frame.hpp"

#include <rte_ip.h>

#include "dataplane/checksum.hpp"
#include "dataplane/inner_parse.hpp"
#include "net/headers.hpp"

namespace culvert::dataplane {

namespace {

// The part of the frame that a TCP or UDP checksum covers, and the pseudo header's sum.
struct L4 {
  uint32_t offset = 0;  // 0: there is none to check
  uint32_t bytes = 0;
  uint8_t protocol = 0;
  uint16_t pseudo_sum = 0;
};

// False: the IP packet is longer than the frame.
bool find_ipv4(const uint8_t* frame, uint32_t offset, uint32_t frame_bytes, L4& l4) {
  const auto ip = load<net::Ipv4Hdr>(frame + offset);
  if (offset + ip.total_length.host() > frame_bytes) return false;
  if (ip.header_bytes() < sizeof(ip) || ip.total_length.host() < ip.header_bytes()) return true;
  if ((ip.fragment.host() & net::Ipv4Hdr::kFragmentMask) != 0) return true;
  l4 = {offset + ip.header_bytes(), ip.total_length.host() - ip.header_bytes(), ip.protocol,
        rte_ipv4_phdr_cksum(reinterpret_cast<const rte_ipv4_hdr*>(frame + offset), 0)};
  return true;
}

bool find_ipv6(const uint8_t* frame, uint32_t offset, uint32_t frame_bytes, L4& l4) {
  const auto ip = load<net::Ipv6Hdr>(frame + offset);
  if (offset + sizeof(ip) + ip.payload_length.host() > frame_bytes) return false;
  l4 = {static_cast<uint32_t>(offset + sizeof(ip)), ip.payload_length.host(), ip.next_header,
        rte_ipv6_phdr_cksum(reinterpret_cast<const rte_ipv6_hdr*>(frame + offset), 0)};
  return true;
}

// Offset of the checksum within the L4 header; 0: not a protocol whose checksum is left to hardware.
uint32_t checksum_offset(const L4& l4) {
  if (l4.protocol == net::kProtoTcp && l4.bytes >= 20) return 16;
  if (l4.protocol == net::kProtoUdp && l4.bytes >= 8) return 6;
  return 0;
}

}  // namespace

KernelFrame fix_kernel_frame(rte_mbuf* mbuf) {
  auto* frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
  const uint32_t room = rte_pktmbuf_data_len(mbuf);
  const uint32_t frame_bytes = rte_pktmbuf_pkt_len(mbuf);
  if (room < sizeof(net::EtherHdr)) return KernelFrame::whole;
  const L3Place l3 = find_l3(frame, room);
  L4 l4;
  bool fits = true;
  if (l3.ether_type == net::kEtherIpv4.wire() && l3.offset + sizeof(net::Ipv4Hdr) <= room)
    fits = find_ipv4(frame, l3.offset, frame_bytes, l4);
  else if (l3.ether_type == net::kEtherIpv6.wire() && l3.offset + sizeof(net::Ipv6Hdr) <= room)
    fits = find_ipv6(frame, l3.offset, frame_bytes, l4);
  if (!fits) return KernelFrame::cut;

  const uint32_t checksum_at = checksum_offset(l4);
  if (checksum_at == 0 || l4.offset + checksum_at + 2 > room) return KernelFrame::whole;
  uint8_t* const field = frame + l4.offset + checksum_at;
  if (load<uint16_t>(field) != l4.pseudo_sum) return KernelFrame::whole;
  auto checksum = static_cast<uint16_t>(~sum_packet(mbuf, l4.offset, l4.bytes));
  if (checksum == 0 && l4.protocol == net::kProtoUdp) checksum = 0xffff;  // RFC 768: zero means none
  std::memcpy(field, &checksum, sizeof(checksum));
  return KernelFrame::completed;
}

}  // namespace culvert::dataplane
