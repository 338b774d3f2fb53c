// Parts of a node: what the NIC has of each of its rules, its claim on packets, and what the NIC refused. The
// offload thread's; who adds a flow makes them.
#pragma once

#include <rte_flow.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>

#include "offload/overlap.hpp"
#include "offload/types.hpp"

namespace culvert::offload {

struct Node;

// What a rule does. Two rules of an entry that have equal forms are the same rule.
struct Form {
  enum class Kind : uint8_t {
    none,  // no rule
    hold,  // to the packet path
    real,
  };
  uint64_t generation = 0;       // of the header in it; 0 where the rule has none
  uint32_t base = 0;             // place in the order of precedence
  std::optional<uint32_t> slot;  // tagged layout: the slot that it leads to, or is
  Kind kind = Kind::none;

  bool operator==(const Form&) const = default;
  // Wherever it stands.
  bool does_as(const Form& other) const {
    return kind == other.kind && generation == other.generation && slot == other.slot;
  }
};

// One rule in the NIC, or on its way in or out.
struct Installed {
  rte_flow* handle = nullptr;
  [[no_unique_address]] Form form;  // what follows has room in its last word
  uint8_t level = 0;                // below the base: which of its turns in being replaced
  bool own_counter = false;
};

// What a posted operation is for.
struct Cookie {
  bool is_leftover = false;
};

// One rule that is wanted, and what the NIC has of it: nothing, a rule, or for a moment two. At most one
// operation is under way.
struct Entry : Cookie {
  uint8_t variant = 0;  // of the node: which of its patterns
  enum class Busy : uint8_t { no, creating, destroying } busy = Busy::no;
  bool buried = false;  // a rule that the driver did not let go stands above `in`: it is made anew
  Node* node = nullptr;
  Installed in;      // what decides now
  Counts counted;    // by a counter of `in`'s own, when it was read last
  Installed moving;  // what is being created; or destroyed, and `in` is what replaced it, if anything
};

// Order among what takes packets of one port at ENTRY: explicit flows by priority, then by age; networks
// last.
struct Order {
  uint32_t priority = 0;
  uint64_t sequence = 0;
  auto operator<=>(const Order&) const = default;
};
inline constexpr uint32_t kNetworkPriority = UINT16_MAX + 1;

// A node's claim on packets of a port at ENTRY.
struct Claim {
  Claim(Node& its, PortIndex from, const tunnel::MaskedKey& takes, const Order& stands)
      : node(&its), key(takes), hash(KeyHash()(key.value)), order(stands), port(from) {}

  Node* node;
  tunnel::MaskedKey key;
  size_t hash;
  Order order;
  PortIndex port;
  bool desires = false;          // wants to be in the NIC, blocked or not
  bool no_room = false;          // would be in it if those of lower precedence left it a base
  uint32_t overlaps = 0;         // how many others share packets with it: the index's
  std::optional<uint32_t> base;  // its place among the driver's priorities, while it has or wants a rule
};

// What the NIC has said no to, and how it is asked again.
struct Refusal {
  std::string words;      // the driver's; empty: not of what is wanted now
  Form form;              // not asked again for the same before its time
  bool of_hold = false;   // it takes no hold either
  uint32_t attempts = 0;  // how often the NIC refused it
  // It was put in Target::refused, at `place`; retry() takes it out there and leaves this.
  bool waits_for_room = false;
  std::tuple<uint32_t, Order, Node*> place;
};

}  // namespace culvert::offload
