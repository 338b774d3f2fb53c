// What the switch should do, said slowly: rules are kept as rte_flow items and actions and tried one after
// the other on the packet's bytes. Shares no code with the driver.
#pragma once

#include <rte_flow.h>

#include <map>
#include <string>
#include <vector>

#include "harness.hpp"

namespace eswitch_test {

/// A rule whose items and actions it owns. `match` lists byte comparisons an item at a time.
struct OracleItem {
  rte_flow_item_type type;
  Bytes spec, mask, last;  // of the item's structure; empty spec: any
};
struct OracleAction {
  enum class Kind {
    kDrop,
    kJump,
    kToWire,
    kToApplication,
    kSetTag,
    kDecTtl,
    kSetMacDst,
    kVxlanEncap,
    kVxlanDecap,
    kPushVlan,
    kPopVlan,
    kPassthru
  };
  Kind kind;
  uint32_t number = 0, data = 0, mask = 0;  // group, vport or tag index
  Bytes bytes;                              // MAC or header
};
struct OracleRule {
  uint32_t group = 0, priority = 0;
  std::vector<OracleItem> items;
  std::vector<OracleAction> actions;
};

struct OracleFate {
  enum class Kind { kDropped, kWire, kApplication } kind;
  unsigned vport = 0;
  Bytes frame;
  bool operator==(const OracleFate&) const = default;
};

/// What becomes of a frame that arrives on `vport`'s wire under transfer `rules`, in order of creation.
OracleFate judge(const std::vector<OracleRule>& rules, unsigned vport, const Bytes& frame);

}  // namespace eswitch_test
