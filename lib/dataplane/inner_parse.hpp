// What an inner Ethernet frame tells the outer header: its flow, its TOS and its TTL. Reads within the first
// `room` bytes only; a frame cut short, or of no protocol known here, is hashed by what it has.
#pragma once

#include <cstdint>
#include <cstring>

#include "dataplane/crc.hpp"
#include "net/headers.hpp"

namespace culvert::dataplane {

template <typename T>
inline T load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

struct L3Place {
  uint32_t offset;
  uint16_t ether_type;  // as on the wire
};

// Behind the Ethernet header and at most two VLAN tags. `room` is at least 14.
inline L3Place find_l3(const uint8_t* frame, uint32_t room) {
  uint32_t offset = sizeof(net::EtherHdr);
  uint16_t type = load<uint16_t>(frame + offset - 2);
  for (int tag = 0; tag < 2; ++tag) {
    if (type != net::kEtherVlan.wire() && type != net::kEtherQinq.wire()) break;
    if (offset + sizeof(net::VlanHdr) > room) break;
    offset += sizeof(net::VlanHdr);
    type = load<uint16_t>(frame + offset - 2);
  }
  return {offset, type};
}

struct InnerFlow {
  uint32_t hash = 0;
  uint8_t tos = 0;
  uint8_t ttl = 0;  // 0: not IP
};

namespace detail {

// TCP, UDP and their like begin with the two ports.
inline uint32_t hash_ports(uint32_t hash, uint8_t protocol, const uint8_t* frame, uint32_t offset,
                           uint32_t room) {
  uint64_t word = protocol;
  if ((protocol == net::kProtoTcp || protocol == net::kProtoUdp) && offset + 4 <= room)
    word |= static_cast<uint64_t>(load<uint32_t>(frame + offset)) << 32;
  return crc_word(word, hash);
}

inline InnerFlow parse_ipv4(const uint8_t* frame, uint32_t offset, uint32_t room) {
  const auto ip = load<net::Ipv4Hdr>(frame + offset);
  InnerFlow flow{.tos = ip.tos, .ttl = ip.ttl};
  flow.hash = crc_word(load<uint64_t>(frame + offset + offsetof(net::Ipv4Hdr, src)), 0);
  // Only the first fragment has the ports; all must take one way.
  const bool fragment = (ip.fragment.wire() & net::be16{net::Ipv4Hdr::kFragmentMask}.wire()) != 0;
  flow.hash =
      hash_ports(flow.hash, fragment ? uint8_t{0} : ip.protocol, frame, offset + ip.header_bytes(), room);
  return flow;
}

inline InnerFlow parse_ipv6(const uint8_t* frame, uint32_t offset, uint32_t room) {
  const uint8_t* ip = frame + offset;
  InnerFlow flow{.tos = static_cast<uint8_t>(load<net::be16>(ip).host() >> 4),
                 .ttl = ip[offsetof(net::Ipv6Hdr, hop_limit)]};
  for (size_t at = offsetof(net::Ipv6Hdr, src); at < sizeof(net::Ipv6Hdr); at += 8)
    flow.hash = crc_word(load<uint64_t>(ip + at), flow.hash);
  flow.hash = hash_ports(flow.hash, ip[offsetof(net::Ipv6Hdr, next_header)], frame,
                         offset + sizeof(net::Ipv6Hdr), room);
  return flow;
}

}  // namespace detail

// `room` is at least 14.
inline InnerFlow parse_inner(const uint8_t* frame, uint32_t room) {
  const L3Place l3 = find_l3(frame, room);
  if (l3.ether_type == net::kEtherIpv4.wire() && l3.offset + sizeof(net::Ipv4Hdr) <= room)
    return detail::parse_ipv4(frame, l3.offset, room);
  if (l3.ether_type == net::kEtherIpv6.wire() && l3.offset + sizeof(net::Ipv6Hdr) <= room)
    return detail::parse_ipv6(frame, l3.offset, room);
  // Both MACs; the low 16 bits of the second word are the end of the first.
  return {.hash = crc_word(load<uint64_t>(frame + 6) >> 16, crc_word(load<uint64_t>(frame), 0))};
}

}  // namespace culvert::dataplane
