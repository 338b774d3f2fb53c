// A policy rule of the kernel (ip-rule(8), linux/fib_rules.h) as a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/address.hpp"

namespace culvert::netlink {

struct PortRange {
  uint16_t first = 0, last = UINT16_MAX;
  bool operator==(const PortRange&) const = default;
};

struct UserRange {
  uint32_t first = 0, last = UINT32_MAX;
  bool operator==(const UserRange&) const = default;
};

struct PolicyRule {
  net::Family family = net::Family::ipv4;
  uint32_t priority = 0;
  bool inverted = false;  // matches what the rest does not
  std::optional<net::Prefix> src, dst;
  uint8_t tos = 0;
  uint32_t mark = 0, mask = 0;  // mask 0: any
  std::string iif, oif;         // empty: any
  bool l3mdev = false;          // the table is that of the VRF which the packet is of
  uint64_t tunnel_id = 0;       // 0: any
  uint8_t ip_protocol = 0;      // 0: any
  std::optional<PortRange> sport, dport;
  std::optional<UserRange> users;

  uint8_t action = 0;  // FR_ACT_*
  uint32_t table = 0;
  uint32_t target = 0;                      // of FR_ACT_GOTO: a priority
  std::optional<uint32_t> suppress_length;  // no result of a prefix this long or shorter
  std::optional<uint32_t> suppress_group;   // nor by a link of this group
  uint8_t protocol = 0;                     // RTPROT_*

  // A rule has no name: it is all that it says. What the kernel keeps twice is one here.
  const PolicyRule& key() const { return *this; }
  bool operator==(const PolicyRule&) const = default;
};

}  // namespace culvert::netlink

template <>
struct std::hash<culvert::netlink::PolicyRule> {
  size_t operator()(const culvert::netlink::PolicyRule& rule) const {
    return culvert::net::hash_combine(rule.priority, uint64_t{rule.table} << 32 | rule.mark);
  }
};
