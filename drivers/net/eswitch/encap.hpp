// Tunnel headers: how they are given (raw bytes or an item list), put on and taken off.
#pragma once

#include <rte_flow.h>

#include <memory>
#include <vector>

#include "packet.hpp"

namespace eswitch {

/// Header bytes to put in front of packets, and which of them depend on the packet. Immutable.
class EncapHeader {
 public:
  static constexpr size_t kMaxBytes = 128;

  explicit EncapHeader(std::vector<uint8_t> bytes);

  /// Puts the header on and fills what a NIC fills: IPv4 total length and checksum or IPv6 payload length,
  /// UDP length, and as UDP source port 49152..65535 by the hash of the flow inside. False: no room in front
  /// of the packet.
  bool put_on(Packet& packet) const;

  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
  Layout layout_;
};

/// The bytes that VXLAN_ENCAP or NVGRE_ENCAP describe by items; fields left 0 get their usual values (types,
/// IHL, TTL 64, hop limit 255, UDP port 4789, flags). Empty: refused, `error` tells.
std::vector<uint8_t> header_of_items(const rte_flow_action& action, const rte_flow_item definition[],
                                     rte_flow_item_type tunnel, rte_flow_error* error);

/// What a decap action takes off.
struct Decap {
  enum class Kind : uint8_t {
    kVxlan,     // all up to the end of VXLAN
    kNvgre,     // all up to the end of GRE
    kTunnel,    // all up to the end of whatever tunnel the packet has
    kTunnelL2,  // that and the Ethernet header inside
    kL2,        // the Ethernet header and its VLAN tags
    kBytes,     // just so many bytes
  };
  Kind kind = Kind::kBytes;
  uint16_t count = 0;  // of the template; what kBytes takes off

  /// What RAW_DECAP with this template means.
  static Decap of_template(const uint8_t* bytes, size_t count);
  /// False: the packet is not of that kind.
  bool take_off(Packet& packet) const;
};

}  // namespace eswitch
