// A pattern compiled: which words of a Key must have which value, and which fields must lie in a range.
#pragma once

#include <rte_flow.h>

#include <functional>
#include <optional>
#include <vector>

#include "key.hpp"

namespace eswitch {

/// An inclusive range over bytes of a Key, compared as a big-endian number after masking. Found in rules
/// whose item has `last`.
struct RangeCheck {
  uint8_t offset, width;  // bytes within Key
  std::array<uint8_t, 16> mask, low, high;

  bool holds(const Key& key) const;
};

struct Match {
  Key value{}, mask{};  // value has no bit outside mask
  std::vector<RangeCheck> ranges;
  bool names_origin = false;           // an item says where the packet comes from
  bool has_inner = false;              // the pattern has items behind a tunnel item
  unsigned last_layer = 0;             // 2, 3, 4: the deepest layer an item names; 4 for tunnels; 0: none
  std::optional<uint16_t> vxlan_port;  // the exact UDP port in front of a VXLAN item
};

/// Finds the number, within the switch, of the port with an ethdev's id; none: not of this switch.
using VportOf = std::function<std::optional<uint16_t>(uint16_t ethdev_port)>;

/// What a pattern is compiled for.
struct PatternContext {
  VportOf vport_of;
  uint16_t own_vport;  // the port that the rule is made on
  bool transfer;
};

/// Compiles an item list that ends with END. False: refused, `error` says which item and why.
bool compile_pattern(const rte_flow_item items[], const PatternContext& context, Match& match,
                     rte_flow_error* error);

}  // namespace eswitch
