// Carries out a rule's actions on a packet. Switch thread only.
#pragma once

#include "action.hpp"

namespace eswitch {

/// Where the rules go on after one rule.
struct Next {
  enum class Kind : uint8_t {
    kDone,    // packet.fate tells the rest; kNone: what a miss gets
    kJump,    // look up in `table`
    kLower,   // PASSTHRU: the next rule in precedence
    kBroken,  // an action met a packet it cannot be done on: the packet is lost
  };
  Kind kind = Kind::kDone;
  const Table* table = nullptr;
};

/// `now_ms` is coarse_ms() of this burst.
Next execute(const ActionList& actions, Packet& packet, uint64_t now_ms);

}  // namespace eswitch
