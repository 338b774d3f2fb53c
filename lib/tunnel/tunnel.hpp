// What the user wants: a tunnel. Values only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/address.hpp"
#include "net/headers.hpp"

namespace culvert::tunnel {

enum class Type : uint8_t { vxlan };

// The ECN field of the outer header (RFC 6040). `automatic` copies where software writes the header.
enum class Ecn : uint8_t { automatic, copy, zero };

inline constexpr uint32_t kTableMain = 254;  // RT_TABLE_MAIN

struct Tunnel {
  std::string name;
  Type type = Type::vxlan;
  uint32_t vni = 0;  // 24 bits
  net::IpAddr local;
  net::IpAddr remote;
  uint16_t dst_port = net::kVxlanPort;
  uint16_t source_port_first = 49152;  // RFC 7348, 5: the dynamic range; both ends inclusive
  uint16_t source_port_last = 65535;
  std::optional<uint8_t> ttl = 64;  // nullopt: the inner packet's
  std::optional<uint8_t> dscp = 0;  // nullopt: the inner packet's
  Ecn ecn = Ecn::automatic;
  uint32_t table = kTableMain;  // kernel routing table of the underlay
  // The inner Ethernet header of what an l3 network routes into the tunnel; what comes out is for the latter.
  std::optional<net::Mac> inner_dst_mac, inner_src_mac;

  bool operator==(const Tunnel&) const = default;
};

}  // namespace culvert::tunnel
