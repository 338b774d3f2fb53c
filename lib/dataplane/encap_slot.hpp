// One encap as the workers use it: an immutable value, replaced as a whole.
#pragma once

#include <array>
#include <cstdint>

#include "base/result.hpp"
#include "dataplane/drop_reason.hpp"
#include "dataplane/ids.hpp"
#include "net/headers.hpp"
#include "tunnel/encap_rule.hpp"
#include "tunnel/tunnel.hpp"

namespace culvert::dataplane {

// What VXLAN over IPv4 puts between the outer Ethernet header and the inner frame.
inline constexpr uint32_t kIpUdpVxlanBytes =
    sizeof(net::Ipv4Hdr) + sizeof(net::UdpHdr) + sizeof(net::VxlanHdr);

struct alignas(64) EncapSlot {
  // The widest header that fits: VXLAN over IPv4 behind a VLAN tag has 54 bytes.
  static constexpr size_t kTemplateBytes = 64;

  // The header ends where the template ends, so that one copy of the whole template puts it right before the
  // inner frame, whatever its length; what is in front of it falls on unused headroom. TOS, TTL, lengths,
  // source port and checksum are zero.
  std::array<uint8_t, kTemplateBytes> header{};
  uint32_t ip_sum = 0;  // of the IPv4 header's 16-bit words, as they lie in memory
  uint32_t mtu = 0;     // of the outer IP packet, bytes
  uint32_t mark = 0;    // not 0: the NIC writes the header, and knows which by this Tx metadata
  uint32_t source_port_first = 0;
  uint32_t source_port_count = 0;
  PortIndex port = 0;
  uint8_t header_bytes = 0;
  uint8_t tos = 0;       // of the outer header, where it is not the inner's
  uint8_t tos_mask = 0;  // which bits of the inner TOS are copied: DSCP 0xfc, ECN 0x03
  uint8_t ttl = 0;
  net::Mac inner_dst_mac, inner_src_mac;  // of what an l3 network routes into it
  bool inherit_ttl = false;
  bool resolved = false;
  DropReason unresolved_reason = DropReason::tunnel_unresolved;
};

// Error: the header does not fit the template, or the underlay is not IPv4.
Result<EncapSlot> make_encap_slot(const tunnel::Tunnel& tunnel, const tunnel::EncapRule& rule);

}  // namespace culvert::dataplane
