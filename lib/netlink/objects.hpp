// The kernel's objects as values, decoded from rtnetlink messages (linux/rtnetlink.h, neighbour.h,
// nexthop.h). Each names its key: two messages with the same key speak of the same object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "net/address.hpp"

namespace culvert::netlink {

// IFLA_INFO_DATA of a kernel vxlan device.
struct VxlanInfo {
  uint32_t vni = 0;
  uint16_t port = 0;
  bool external = false;  // collect metadata: any VNI

  bool operator==(const VxlanInfo&) const = default;
};

struct Link {
  int ifindex = 0;
  std::string name;
  std::string kind;  // IFLA_INFO_KIND: "veth", "vxlan", "vlan", ...; empty for plain devices
  net::Mac mac;
  uint32_t mtu = 0;
  uint32_t flags = 0;  // IFF_*
  int lower = 0;   // IFLA_LINK when it is in this namespace: the device a VLAN or macvlan stands on; 0: none
  int master = 0;  // IFLA_MASTER: the bridge, bond or VRF it belongs to; 0: none
  uint32_t group = 0;      // IFLA_GROUP
  uint32_t vrf_table = 0;  // of a VRF
  std::optional<uint16_t> vlan;
  std::optional<VxlanInfo> vxlan;

  int key() const { return ifindex; }
  bool is_up() const;        // IFF_UP: set up by the operator
  bool has_carrier() const;  // IFF_LOWER_UP
  bool operator==(const Link&) const = default;
};

struct Address {
  int ifindex = 0;
  net::IpAddr local;
  uint8_t prefix_length = 0;
  net::IpAddr peer;  // equal to local but on point-to-point links
  uint8_t scope = 0;
  uint32_t flags = 0;  // IFA_F_*

  auto key() const { return std::tuple(ifindex, local, prefix_length, peer); }
  bool is_usable() const;  // neither tentative nor failed duplicate detection
  bool operator==(const Address&) const = default;
};

struct Neighbour {
  int ifindex = 0;
  net::IpAddr ip;
  std::optional<net::Mac> mac;
  uint16_t nud = 0;        // NUD_*
  uint8_t flags = 0;       // NTF_*
  uint32_t ext_flags = 0;  // NTF_EXT_* (NDA_FLAGS_EXT)

  auto key() const { return std::tuple(ifindex, ip); }
  bool is_valid() const;  // NUD_VALID and a MAC (on links that have them)
  // PERMANENT, NOARP or externally learned: the operator's. NTF_USE would demote it (doc/architecture.md).
  bool is_operators() const;
  bool is_managed() const;       // NTF_EXT_MANAGED
  std::string nud_name() const;  // the kernel's: "reachable", "stale", ...
  bool operator==(const Neighbour&) const = default;
};

struct Hop {
  int ifindex = 0;                 // 0: none (blackhole and the like)
  std::optional<net::IpAddr> via;  // gateway; may be IPv6 for an IPv4 route (RTA_VIA); nullopt: on-link
  uint16_t weight = 1;
  uint8_t flags = 0;   // RTNH_F_*
  uint16_t encap = 0;  // LWTUNNEL_ENCAP_*: the kernel puts a header of its own before the packet; 0: none
  // Of that header's attributes: hops that differ in nothing else are two. Zero for
  // LWTUNNEL_ENCAP_SEG6_LOCAL, whose attributes have counters among them.
  uint32_t encap_digest = 0;

  bool is_alive() const;           // neither RTNH_F_DEAD nor RTNH_F_LINKDOWN
  std::string encap_name() const;  // as ip(8) has it: "mpls", "seg6", "ip", ...; a number when unknown
  bool operator==(const Hop&) const = default;
};

// The order in which the hops of an IPv6 route are kept: by link and gateway.
void sort_hops(std::vector<Hop>& hops);

struct Nexthop {
  uint32_t id = 0;
  bool blackhole = false;
  Hop hop;                                           // of a single nexthop
  std::vector<std::pair<uint32_t, uint16_t>> group;  // members (id, weight); empty: a single nexthop
  uint8_t protocol = 0;

  uint32_t key() const { return id; }
  bool operator==(const Nexthop&) const = default;
};

// Where a route leads and whose it is: all of it but its destination. A million routes share a few of these.
struct Path {
  uint32_t table = 0;
  net::Family family = net::Family::ipv4;
  uint8_t tos = 0;
  uint32_t metric = 0;
  uint8_t protocol = 0;  // RTPROT_*
  uint8_t scope = 0;
  uint8_t type = 0;  // RTN_*
  std::optional<net::IpAddr> prefsrc;
  uint32_t mtu = 0;         // RTAX_MTU; 0: none
  uint32_t nexthop_id = 0;  // RTA_NH_ID; 0: none
  std::vector<Hop> hops;

  bool is_v4() const { return family == net::Family::ipv4; }
  std::string type_name() const;      // "unicast", "blackhole", ...
  std::string protocol_name() const;  // "kernel", "static", "bgp", ...; a number when unknown
  bool operator==(const Path&) const = default;
};

struct Route : Path {
  net::Prefix dst;

  bool operator==(const Route&) const = default;
};

}  // namespace culvert::netlink
