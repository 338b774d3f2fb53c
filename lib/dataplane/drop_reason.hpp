// Why a worker dropped a packet. Every drop has one of these; `show stats` prints them all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace culvert::dataplane {

enum class DropReason : uint8_t {
  // What came in on any port.
  stopped,             // forwarding is off
  malformed_ethernet,  // shorter than an Ethernet header, outer or inner
  own_frame,           // the kernel's own outgoing frame, seen on its way out (af_packet)
  truncated,           // cut by the receive ring: the IP length is more than the frame has (af_packet)
  invalid_source_mac,  // multicast or zero
  no_flow,             // no flow takes it, and its port is in no network
  unknown_vlan,        // on a trunk: untagged, or of a VLAN that is in no network
  // What claims to be for one of our tunnels (outer headers). Those of IPv4 also for packets of l3 networks.
  ipv4_bad_header,    // no room for it, version, or header length
  ipv4_bad_length,    // total length is more than the frame has, or less than the header
  ipv4_bad_checksum,  // of the header
  ipv4_fragment,      // the outer packet is a fragment: RFC 7348, 4.3
  udp_bad_length,     // less than its header, or more than the IP payload
  udp_bad_checksum,   // neither zero nor right
  vxlan_bad_flags,    // I flag not set
  vxlan_truncated,    // no room for the VXLAN header
  unknown_vni,        // no tunnel of that address and UDP port has the VNI
  unknown_remote,     // the VNI is known, but not from that sender
  no_network,         // its tunnel is in no network
  unknown_mark,       // the NIC decapsulated it for a tunnel that is not terminated any more
  ecn_illegal,        // congestion was met on the way and the inner packet cannot say so: RFC 6040, 4.2
  // Packets of l3 networks.
  ipv6_bad_header,      // no room for it, or version
  ipv6_bad_length,      // more than the frame has
  other_mac,            // not for the router's MAC, and no kernel sees it
  not_ip,               // likewise, neither IPv4 nor IPv6
  no_kernel_path,       // for the kernel, which does not see what comes from there
  martian_source,       // loopback, a group, link-local: never routed
  martian_destination,  // loopback, 0.0.0.0/8, unspecified: likewise
  ttl_expired,          // TTL or hop limit at its end
  no_route,             // none has the destination in it
  route_blackhole,      // the route says so, as the following do
  route_unreachable,
  route_prohibit,
  route_throw,
  hop_down,  // all next hops of the route are down
  // Its next hop is neither a port nor a tunnel of the network, or has an encap of the kernel's own.
  hop_elsewhere,
  too_many_hops,  // its route or station found no number for its hop: kMaxHops are in use
  // Where it was to go.
  same_port,             // to where it came from
  split_horizon,         // from a tunnel into a tunnel of the same network
  flood_off,             // unknown destination and flooding is off
  no_member,             // nobody else is in the network to flood to
  tunnel_unresolved,     // the tunnel has no encap yet
  neighbour_unresolved,  // the next hop, or the station on the link, has no MAC yet
  too_big,               // the outer packet, or a routed one, is more than the path's MTU
  no_headroom,           // the driver left no room for the outer headers
  no_mbuf,               // no buffer for a flooded copy
  tx_full,               // the port's send queue did not take it
  port_removed,          // the port's device is gone
};

struct DropReasonName {
  DropReason reason;
  std::string_view name;
};

// In the order of the enumeration.
inline constexpr std::array kDropReasonNames{
    DropReasonName{DropReason::stopped, "stopped"},
    DropReasonName{DropReason::malformed_ethernet, "malformed_ethernet"},
    DropReasonName{DropReason::own_frame, "own_frame"},
    DropReasonName{DropReason::truncated, "truncated"},
    DropReasonName{DropReason::invalid_source_mac, "invalid_source_mac"},
    DropReasonName{DropReason::no_flow, "no_flow"},
    DropReasonName{DropReason::unknown_vlan, "unknown_vlan"},
    DropReasonName{DropReason::ipv4_bad_header, "ipv4_bad_header"},
    DropReasonName{DropReason::ipv4_bad_length, "ipv4_bad_length"},
    DropReasonName{DropReason::ipv4_bad_checksum, "ipv4_bad_checksum"},
    DropReasonName{DropReason::ipv4_fragment, "ipv4_fragment"},
    DropReasonName{DropReason::udp_bad_length, "udp_bad_length"},
    DropReasonName{DropReason::udp_bad_checksum, "udp_bad_checksum"},
    DropReasonName{DropReason::vxlan_bad_flags, "vxlan_bad_flags"},
    DropReasonName{DropReason::vxlan_truncated, "vxlan_truncated"},
    DropReasonName{DropReason::unknown_vni, "unknown_vni"},
    DropReasonName{DropReason::unknown_remote, "unknown_remote"},
    DropReasonName{DropReason::no_network, "no_network"},
    DropReasonName{DropReason::unknown_mark, "unknown_mark"},
    DropReasonName{DropReason::ecn_illegal, "ecn_illegal"},
    DropReasonName{DropReason::ipv6_bad_header, "ipv6_bad_header"},
    DropReasonName{DropReason::ipv6_bad_length, "ipv6_bad_length"},
    DropReasonName{DropReason::other_mac, "other_mac"},
    DropReasonName{DropReason::not_ip, "not_ip"},
    DropReasonName{DropReason::no_kernel_path, "no_kernel_path"},
    DropReasonName{DropReason::martian_source, "martian_source"},
    DropReasonName{DropReason::martian_destination, "martian_destination"},
    DropReasonName{DropReason::ttl_expired, "ttl_expired"},
    DropReasonName{DropReason::no_route, "no_route"},
    DropReasonName{DropReason::route_blackhole, "route_blackhole"},
    DropReasonName{DropReason::route_unreachable, "route_unreachable"},
    DropReasonName{DropReason::route_prohibit, "route_prohibit"},
    DropReasonName{DropReason::route_throw, "route_throw"},
    DropReasonName{DropReason::hop_down, "hop_down"},
    DropReasonName{DropReason::hop_elsewhere, "hop_elsewhere"},
    DropReasonName{DropReason::too_many_hops, "too_many_hops"},
    DropReasonName{DropReason::same_port, "same_port"},
    DropReasonName{DropReason::split_horizon, "split_horizon"},
    DropReasonName{DropReason::flood_off, "flood_off"},
    DropReasonName{DropReason::no_member, "no_member"},
    DropReasonName{DropReason::tunnel_unresolved, "tunnel_unresolved"},
    DropReasonName{DropReason::neighbour_unresolved, "neighbour_unresolved"},
    DropReasonName{DropReason::too_big, "too_big"},
    DropReasonName{DropReason::no_headroom, "no_headroom"},
    DropReasonName{DropReason::no_mbuf, "no_mbuf"},
    DropReasonName{DropReason::tx_full, "tx_full"},
    DropReasonName{DropReason::port_removed, "port_removed"},
};

inline constexpr size_t kDropReasonCount = kDropReasonNames.size();

namespace detail {
constexpr bool names_in_order() {
  for (size_t i = 0; i < kDropReasonCount; ++i)
    if (static_cast<size_t>(kDropReasonNames[i].reason) != i) return false;
  return true;
}
}  // namespace detail
static_assert(detail::names_in_order() &&
              static_cast<size_t>(DropReason::port_removed) + 1 == kDropReasonCount);

}  // namespace culvert::dataplane
