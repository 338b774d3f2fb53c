// Frames as plain bytes, made and taken apart slowly and in the open: the oracle beside the packet path. Uses
// nothing of lib/dataplane or lib/tunnel.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.hpp"

namespace culvert::testing {

using Bytes = std::vector<uint8_t>;

inline void put16(Bytes& bytes, size_t at, uint32_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}
inline uint16_t get16(const Bytes& bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
inline void append(Bytes& bytes, const Bytes& more) { bytes.insert(bytes.end(), more.begin(), more.end()); }
inline void append16(Bytes& bytes, uint32_t value) {
  append(bytes, {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)});
}
inline void append32(Bytes& bytes, uint32_t value) {
  append16(bytes, value >> 16);
  append16(bytes, value & 0xffff);
}

// RFC 1071, two bytes at a time; not complemented.
inline uint16_t sum16(const Bytes& bytes, size_t from, size_t size, uint32_t sum = 0) {
  for (size_t i = 0; i < size; ++i) sum += i % 2 == 0 ? bytes[from + i] << 8 : bytes[from + i];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// Station number `n`: 02:00:00:00:hi:lo.
inline Bytes mac(unsigned n) { return {2, 0, 0, 0, static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)}; }
inline net::Mac to_mac(unsigned n) {
  return {{2, 0, 0, 0, static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)}};
}

struct Ip {
  uint32_t src = 0x0a000001, dst = 0x0a000002;
  uint8_t tos = 0, ttl = 64, protocol = 17;
  uint16_t fragment = 0;
};

inline Bytes ipv4(const Ip& ip, const Bytes& payload) {
  Bytes header{0x45, ip.tos};
  append16(header, static_cast<uint32_t>(20 + payload.size()));
  append16(header, 0);
  append16(header, ip.fragment);
  append(header, {ip.ttl, ip.protocol, 0, 0});
  append32(header, ip.src);
  append32(header, ip.dst);
  put16(header, 10, static_cast<uint16_t>(~sum16(header, 0, 20)));
  append(header, payload);
  return header;
}

inline Bytes ipv6(uint8_t traffic_class, uint8_t hop_limit, uint8_t next, const Bytes& payload) {
  Bytes header;
  append32(header, 0x60000000 | static_cast<uint32_t>(traffic_class) << 20);
  append16(header, static_cast<uint32_t>(payload.size()));
  append(header, {next, hop_limit});
  for (uint8_t host : {1, 2}) append(header, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host});
  append(header, payload);
  return header;
}

inline Bytes udp(uint16_t src, uint16_t dst, const Bytes& payload, uint16_t checksum = 0) {
  Bytes header;
  append16(header, src);
  append16(header, dst);
  append16(header, static_cast<uint32_t>(8 + payload.size()));
  append16(header, checksum);
  append(header, payload);
  return header;
}

// The sum over the pseudo header of an IPv4 packet (RFC 768, 9293).
inline uint16_t pseudo_sum(const Bytes& packet) {
  const uint32_t l4_bytes = static_cast<uint32_t>(packet.size() - 20);
  return sum16(packet, 12, 8, packet[9] + l4_bytes);
}

inline Bytes ethernet(const Bytes& dst, const Bytes& src, uint16_t type, const Bytes& payload,
                      std::initializer_list<uint32_t> tags = {}) {
  Bytes frame = dst;
  append(frame, src);
  for (const uint32_t tag : tags) append32(frame, tag);  // 0x8100'0007
  append16(frame, type);
  append(frame, payload);
  return frame;
}

// A UDP frame of exactly `size` bytes (at least 42) from station `src` to station `dst`.
inline Bytes udp_frame(unsigned dst, unsigned src, size_t size, uint16_t src_port = 1000, const Ip& ip = {}) {
  Bytes payload(size - 42);
  for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<uint8_t>(i * 7);
  return ethernet(mac(dst), mac(src), 0x0800, ipv4(ip, udp(src_port, 9, payload)));
}

// The tunnel of the tests, as seen from culvert.
inline constexpr uint32_t kLocal = 0xc0000201, kRemote = 0xc0000202;
inline constexpr unsigned kGatewayMac = 0xffff, kOurMac = 0xfffe;

struct OuterFields {
  uint32_t src = kRemote, dst = kLocal, vni = 100;
  uint16_t src_port = 50000, dst_port = 4789;
  uint8_t tos = 0, ttl = 64;
  uint8_t flags = 8;
  uint16_t fragment = 0x4000;
  std::optional<uint16_t> vlan;
};

// An Ethernet frame that carries `inner` in VXLAN (RFC 7348, 5), from `src_mac` to `dst_mac`.
inline Bytes vxlan(const Bytes& inner, const OuterFields& outer, const Bytes& dst_mac, const Bytes& src_mac) {
  Bytes payload{outer.flags, 0, 0, 0};
  append32(payload, outer.vni << 8);
  append(payload, inner);
  const Bytes packet = ipv4({outer.src, outer.dst, outer.tos, outer.ttl, 17, outer.fragment},
                            udp(outer.src_port, outer.dst_port, payload));
  if (outer.vlan) return ethernet(dst_mac, src_mac, 0x0800, packet, {0x81000000u | *outer.vlan});
  return ethernet(dst_mac, src_mac, 0x0800, packet);
}

inline Bytes arriving(const Bytes& inner, const OuterFields& outer = {}) {
  return vxlan(inner, outer, mac(kOurMac), mac(kGatewayMac));
}

}  // namespace culvert::testing
