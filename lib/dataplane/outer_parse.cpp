#include "dataplane/outer_parse.hpp"

#include <rte_ip.h>

#include "dataplane/inner_parse.hpp"

namespace culvert::dataplane {

namespace {

// One's complement sum of `bytes` (a multiple of four) folded to 16 bits: 0xffff when the checksum inside is
// right. Four bytes at a time into 64 bits: the carries keep until the end.
uint16_t sum_header(const uint8_t* at, uint32_t bytes) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < bytes; i += 4) sum += load<uint32_t>(at + i);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

enum class UdpChecksum : uint8_t { good, bad, unfinished };

UdpChecksum check_udp(const rte_mbuf* mbuf, uint32_t udp_offset, const net::Ipv4Hdr& ip,
                      const net::UdpHdr& udp) {
  struct [[gnu::packed]] {
    net::be32 src, dst;
    uint8_t zero = 0;
    uint8_t protocol = net::kProtoUdp;
    net::be16 length;
  } const pseudo{.src = ip.src, .dst = ip.dst, .length = udp.length};
  const uint16_t pseudo_sum = rte_raw_cksum(&pseudo, sizeof(pseudo));
  uint16_t sum = 0;
  if (rte_raw_cksum_mbuf(mbuf, udp_offset, udp.length.host(), &sum) != 0) return UdpChecksum::bad;
  const uint32_t total = uint32_t{sum} + pseudo_sum;
  if ((total & 0xffff) + (total >> 16) == 0xffff) return UdpChecksum::good;
  return udp.checksum.wire() == pseudo_sum ? UdpChecksum::unfinished : UdpChecksum::bad;
}

}  // namespace

OuterCheck check_outer(const rte_mbuf* mbuf, uint32_t l2_bytes, bool kernel_frames) {
  const auto* data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
  const uint32_t room = rte_pktmbuf_data_len(mbuf);
  const auto ip = load<net::Ipv4Hdr>(data + l2_bytes);
  const uint32_t header_bytes = ip.header_bytes();
  const uint32_t total_bytes = ip.total_length.host();
  if (total_bytes < header_bytes) return {DropReason::ipv4_bad_length};
  if (l2_bytes + total_bytes > rte_pktmbuf_pkt_len(mbuf))
    return {kernel_frames ? DropReason::truncated : DropReason::ipv4_bad_length};
  if (sum_header(data + l2_bytes, header_bytes) != 0xffff) return {DropReason::ipv4_bad_checksum};
  if ((ip.fragment.host() & net::Ipv4Hdr::kFragmentMask) != 0) return {DropReason::ipv4_fragment};

  const uint32_t payload_bytes = total_bytes - header_bytes;
  const uint32_t udp_offset = l2_bytes + header_bytes;
  if (payload_bytes < sizeof(net::UdpHdr) || udp_offset + sizeof(net::UdpHdr) > room)
    return {DropReason::udp_bad_length};
  const auto udp = load<net::UdpHdr>(data + udp_offset);
  const uint32_t udp_bytes = udp.length.host();
  if (udp_bytes < sizeof(net::UdpHdr) || udp_bytes > payload_bytes) return {DropReason::udp_bad_length};
  OuterCheck check;
  if (udp.checksum.wire() != 0) {  // RFC 7348, 5: zero is accepted
    const UdpChecksum state = check_udp(mbuf, udp_offset, ip, udp);
    check.checksum_unfinished = kernel_frames && state == UdpChecksum::unfinished;
    if (state != UdpChecksum::good && !check.checksum_unfinished) return {DropReason::udp_bad_checksum};
  }
  if (udp_bytes < kUdpVxlanBytes || udp_offset + kUdpVxlanBytes > room) return {DropReason::vxlan_truncated};
  const auto vxlan = load<net::VxlanHdr>(data + udp_offset + sizeof(net::UdpHdr));
  if ((vxlan.flags.host() & net::VxlanHdr::kValidVni) == 0) return {DropReason::vxlan_bad_flags};
  return check;
}

}  // namespace culvert::dataplane
