// IP packets as a router sees them: are they sound, whose are they, and one hop less to live. IPv4: RFC 1812,
// 5.2.2 and 5.3.1; IPv6: RFC 8200, 3. Each works on the header that stands behind an untagged Ethernet
// header.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>

#include "dataplane/checksum.hpp"
#include "dataplane/drop_reason.hpp"
#include "dataplane/outer_parse.hpp"
#include "fib/fib.hpp"
#include "net/headers.hpp"

namespace culvert::dataplane {

struct IpCheck {
  std::optional<DropReason> fault;
  uint32_t frame_bytes = 0;  // up to the packet's end; what stands behind is padding
};

// `kBytes` of an address: 4 or 16.
template <size_t kBytes>
struct IpPacket;

template <>
struct IpPacket<4> {
  // Room, version, header length, total length, checksum.
  static IpCheck check(const rte_mbuf* mbuf) {
    const uint8_t* const at = rte_pktmbuf_mtod_offset(mbuf, const uint8_t*, sizeof(net::EtherHdr));
    const uint32_t room = rte_pktmbuf_data_len(mbuf) - static_cast<uint32_t>(sizeof(net::EtherHdr));
    if (room < sizeof(net::Ipv4Hdr)) return {DropReason::ipv4_bad_header};
    const uint32_t header_bytes = (at[0] & 0xfu) * 4;
    if (at[0] >> 4 != 4 || header_bytes < sizeof(net::Ipv4Hdr) || room < header_bytes)
      return {DropReason::ipv4_bad_header};
    const uint32_t total_bytes = load<net::be16>(at + offsetof(net::Ipv4Hdr, total_length)).host();
    const auto frame_bytes = static_cast<uint32_t>(sizeof(net::EtherHdr)) + total_bytes;
    if (total_bytes < header_bytes || frame_bytes > rte_pktmbuf_pkt_len(mbuf))
      return {DropReason::ipv4_bad_length};
    if (sum_header(at, header_bytes) != 0xffff) return {DropReason::ipv4_bad_checksum};
    return {std::nullopt, frame_bytes};
  }
  static fib::Address<4> destination(const uint8_t* ip) {
    return load<fib::Address<4>>(ip + offsetof(net::Ipv4Hdr, dst));
  }
  // Groups and broadcasts are never routed; the kernel may want them.
  static bool is_kernels(const fib::Address<4>& destination) {
    return (destination[0] & 0xf0) == 224 || load<uint32_t>(destination.data()) == UINT32_MAX;
  }
  // Never on a wire: RFC 1812, 5.3.7.
  static bool is_martian(const fib::Address<4>& destination) {
    return destination[0] == 0 || destination[0] == 127;
  }
  // Never the source of what is routed: RFC 1812, 5.3.7, as ip_route_input_slow() has it. 0.0.0.0/8,
  // loopback, groups and broadcasts.
  static bool has_martian_source(const uint8_t* ip) {
    const uint8_t first = ip[offsetof(net::Ipv4Hdr, src)];
    return first == 0 || first == 127 || (first >= 224 && first < 240) ||
           load<uint32_t>(ip + offsetof(net::Ipv4Hdr, src)) == UINT32_MAX;
  }
  // False: it has had its time, and nothing has changed.
  static bool decrement_ttl(uint8_t* ip) {
    uint8_t& ttl = ip[offsetof(net::Ipv4Hdr, ttl)];
    if (ttl <= 1) return false;
    const auto word = [&] { return load<net::be16>(&ttl).host(); };  // with the protocol
    const uint16_t before = word();
    --ttl;
    auto checksum = load<net::be16>(ip + offsetof(net::Ipv4Hdr, checksum));
    checksum = update_checksum(checksum, before, word());
    std::memcpy(ip + offsetof(net::Ipv4Hdr, checksum), &checksum, sizeof(checksum));
    return true;
  }
};

template <>
struct IpPacket<16> {
  static IpCheck check(const rte_mbuf* mbuf) {
    const uint8_t* const at = rte_pktmbuf_mtod_offset(mbuf, const uint8_t*, sizeof(net::EtherHdr));
    const uint32_t room = rte_pktmbuf_data_len(mbuf) - static_cast<uint32_t>(sizeof(net::EtherHdr));
    if (room < sizeof(net::Ipv6Hdr) || at[0] >> 4 != 6) return {DropReason::ipv6_bad_header};
    const uint32_t payload_bytes = load<net::be16>(at + offsetof(net::Ipv6Hdr, payload_length)).host();
    const auto frame_bytes =
        static_cast<uint32_t>(sizeof(net::EtherHdr) + sizeof(net::Ipv6Hdr)) + payload_bytes;
    // A jumbogram (RFC 2675) says its length elsewhere, and is longer than any link here carries.
    if (payload_bytes == 0 && at[offsetof(net::Ipv6Hdr, next_header)] == 0)
      return {DropReason::ipv6_bad_length};
    if (frame_bytes > rte_pktmbuf_pkt_len(mbuf)) return {DropReason::ipv6_bad_length};
    return {std::nullopt, frame_bytes};
  }
  static fib::Address<16> destination(const uint8_t* ip) {
    return load<fib::Address<16>>(ip + offsetof(net::Ipv6Hdr, dst));
  }
  // Groups, and what never leaves its link (RFC 4291, 2.5.6).
  static bool is_kernels(const fib::Address<16>& destination) {
    return destination[0] == 0xff || is_link_local(destination.data());
  }
  // Loopback and unspecified: ::/127.
  static bool is_martian(const fib::Address<16>& destination) { return is_lowest(destination.data()); }
  // The same, groups, and what never leaves its link.
  static bool has_martian_source(const uint8_t* ip) {
    const uint8_t* const src = ip + offsetof(net::Ipv6Hdr, src);
    return is_lowest(src) || src[0] == 0xff || is_link_local(src);
  }
  static bool decrement_ttl(uint8_t* ip) {
    uint8_t& hop_limit = ip[offsetof(net::Ipv6Hdr, hop_limit)];
    if (hop_limit <= 1) return false;
    --hop_limit;
    return true;
  }

 private:
  static bool is_lowest(const uint8_t* address) {
    return load<uint64_t>(address) == 0 && load<net::be32>(address + 8).host() == 0 &&
           load<net::be32>(address + 12).host() <= 1;
  }
  static bool is_link_local(const uint8_t* address) {
    return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
  }
};

}  // namespace culvert::dataplane
