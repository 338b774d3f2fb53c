// What the wire gets: a tunnel resolved to one next hop.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "net/address.hpp"
#include "tunnel/tunnel.hpp"

namespace culvert::tunnel {

// The outer headers as given to a driver or copied by a worker: Ethernet, VLAN if any, IP, UDP, VXLAN. What
// differs per packet is zero (IP length, id and checksum, UDP length and checksum); the UDP source port is
// the first of the range.
struct Header {
  static constexpr size_t kMaxBytes = 128;
  std::array<uint8_t, kMaxBytes> bytes{};
  uint8_t size_bytes = 0;
  uint8_t l3_offset = 0;  // of the IP header: 14, or 18 behind a VLAN tag

  std::span<const uint8_t> view() const { return {bytes.data(), size_bytes}; }
  std::string hex() const;
  bool operator==(const Header&) const = default;
};

struct EncapRule {
  uint16_t port = 0;             // culvert's port index: its place in the configuration's `ports`
  std::optional<uint16_t> vlan;  // VID of the outer frame
  net::Mac dst_mac;              // the neighbour's
  net::Mac src_mac;              // the output link's
  net::IpAddr src_ip;            // the tunnel's local address
  net::IpAddr via;               // the neighbour: gateway, or the remote itself when on-link
  uint32_t mtu = 0;              // of the outer IP packet, bytes: the smaller of link's and route's
  Header header;

  bool operator==(const EncapRule&) const = default;
};

// Writes the outer headers of `tunnel` for this adjacency. Sources: RFC 7348 section 5; DF is set because a
// VTEP must not fragment (4.3) and lets identification stay zero (RFC 6864, 4.1). Inherited fields are zero
// here. IPv4 underlays only.
Header make_header(const Tunnel& tunnel, const net::Mac& dst_mac, const net::Mac& src_mac,
                   std::optional<uint16_t> vlan);

}  // namespace culvert::tunnel
