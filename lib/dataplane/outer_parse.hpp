// The outer headers of an arriving tunnel packet, checked one by one: RFC 791, 768, 7348.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>

#include "dataplane/drop_reason.hpp"
#include "dataplane/inner_parse.hpp"
#include "net/headers.hpp"

namespace culvert::dataplane {

inline constexpr uint32_t kUdpVxlanBytes = sizeof(net::UdpHdr) + sizeof(net::VxlanHdr);

// Unfinished: the field holds the pseudo header's sum, as a kernel leaves it for the hardware.
enum class UdpChecksum : uint8_t { good, bad, unfinished };

// Sums up the datagram behind `udp_offset`, which is whole.
UdpChecksum check_udp(const rte_mbuf* mbuf, uint32_t udp_offset, const net::Ipv4Hdr& ip,
                      const net::UdpHdr& udp);

// One's complement sum of `bytes` (a multiple of four, 20 at least) folded to 16 bits: 0xffff when the
// checksum inside is right. Four bytes at a time into 64 bits: the carries keep until the end.
inline uint16_t sum_header(const uint8_t* at, uint32_t bytes) {
  uint64_t sum = uint64_t{load<uint32_t>(at)} + load<uint32_t>(at + 4) + load<uint32_t>(at + 8) +
                 load<uint32_t>(at + 12) + load<uint32_t>(at + 16);
  for (uint32_t i = 20; i < bytes; i += 4) sum += load<uint32_t>(at + i);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

struct OuterCheck {
  std::optional<DropReason> fault;
  bool checksum_unfinished = false;  // the sender's kernel had left the UDP checksum to hardware
};

// `mbuf` holds an Ethernet frame with an IPv4 header behind `l2_bytes`, whose version and header length are
// sound and whose bytes are within the first segment, as are the first four bytes behind it. `kernel_frames`:
// on such a port a UDP checksum that the kernel had not finished is taken for right, and a packet longer than
// the frame was cut.
inline OuterCheck check_outer(const rte_mbuf* mbuf, uint32_t l2_bytes, bool kernel_frames) {
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
