// What a flow's match can see of an Ethernet frame: tunnel::MatchKey, read from its bytes.
#pragma once

#include <cstdint>
#include <cstring>

#include "dataplane/inner_parse.hpp"
#include "net/headers.hpp"
#include "tunnel/flow.hpp"

namespace culvert::dataplane {

namespace detail {

inline void read_ports(tunnel::MatchKey& key, const uint8_t* frame, uint32_t offset, uint32_t room) {
  if (key.ip_proto != net::kProtoTcp && key.ip_proto != net::kProtoUdp) return;
  if (offset + sizeof(key.l4_src) + sizeof(key.l4_dst) > room) return;
  key.l4_src = load<uint16_t>(frame + offset);
  key.l4_dst = load<uint16_t>(frame + offset + sizeof(key.l4_src));
  key.layers |= tunnel::MatchKey::kPorts;
}

inline void read_ipv4(tunnel::MatchKey& key, const uint8_t* frame, uint32_t offset, uint32_t room) {
  constexpr uint16_t kOffsetMask = 0x1fff;
  if (offset + sizeof(net::Ipv4Hdr) > room) return;
  const auto ip = load<net::Ipv4Hdr>(frame + offset);
  if (ip.version_ihl >> 4 != 4 || ip.header_bytes() < sizeof(net::Ipv4Hdr)) return;
  key.family = 4;
  key.layers = tunnel::MatchKey::kIp;
  std::memcpy(key.src.data(), &ip.src, sizeof(ip.src));
  std::memcpy(key.dst.data(), &ip.dst, sizeof(ip.dst));
  key.ip_proto = ip.protocol;
  if ((ip.fragment.host() & kOffsetMask) == 0) read_ports(key, frame, offset + ip.header_bytes(), room);
}

// The ports behind an extension header are not looked for: `ip_proto` is then the extension's.
inline void read_ipv6(tunnel::MatchKey& key, const uint8_t* frame, uint32_t offset, uint32_t room) {
  if (offset + sizeof(net::Ipv6Hdr) > room) return;
  const uint8_t* const ip = frame + offset;
  if (ip[0] >> 4 != 6) return;
  key.family = 6;
  key.layers = tunnel::MatchKey::kIp;
  std::memcpy(key.src.data(), ip + offsetof(net::Ipv6Hdr, src), key.src.size());
  std::memcpy(key.dst.data(), ip + offsetof(net::Ipv6Hdr, dst), key.dst.size());
  key.ip_proto = ip[offsetof(net::Ipv6Hdr, next_header)];
  read_ports(key, frame, offset + sizeof(net::Ipv6Hdr), room);
}

}  // namespace detail

// Reads the first `room` bytes, at least 14. A header that is cut short or of another version is not there.
inline tunnel::MatchKey read_match_key(const uint8_t* frame, uint32_t room) {
  tunnel::MatchKey key;
  std::memcpy(key.eth_dst.data(), frame, key.eth_dst.size());
  std::memcpy(key.eth_src.data(), frame + sizeof(net::Mac), key.eth_src.size());
  const L3Place l3 = find_l3(frame, room);
  if (l3.offset != sizeof(net::EtherHdr)) {
    const auto tci = load<net::be16>(frame + sizeof(net::EtherHdr));
    key.vlan = static_cast<uint16_t>(tunnel::MatchKey::kTagged | (tci.host() & 0x0fff));
  }
  if (l3.ether_type == net::kEtherIpv4.wire()) detail::read_ipv4(key, frame, l3.offset, room);
  if (l3.ether_type == net::kEtherIpv6.wire()) detail::read_ipv6(key, frame, l3.offset, room);
  return key;
}

}  // namespace culvert::dataplane
