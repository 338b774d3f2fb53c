// What a driver takes on one target, found by asking it for culvert's own shapes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "offload/driver_traits.hpp"
#include "offload/refusal.hpp"
#include "offload/shapes.hpp"

namespace culvert::offload {

// Whom to ask.
struct ProbeTarget {
  uint16_t port_id = 0;  // the ethdev on which rules are made: a switch's transfer proxy, or the NIC port
  std::optional<uint16_t> tenant;  // another port of the same switch; none: a plain NIC port
  bool async = false;              // make_async() has succeeded on port_id
  uint16_t rx_queues = 1;          // of port_id
};

// One question and its answer, for `flow explain`.
struct Answer {
  std::string what;     // "tagged layout: an explicit flow"
  std::string refusal;  // in the driver's words; empty: it takes that
};

enum class Layout : uint8_t { none, flat, tagged };

struct Capabilities {
  bool any = false;  // the driver takes some rule of ours
  bool async = false;
  bool transfer = false;  // a switch whose rules are taken; else only plain NIC rules can be
  // On a switch.
  bool tagged = false, flat = false;    // layouts of explicit flows and paths
  bool gates = false;                   // known sources: needed by networks
  bool decap = false;                   // RX_DEST on a switch, ingress_decap on a plain NIC
  bool hold = false;                    // a jump to where all miss
  TagWriter tags = TagWriter::set_tag;  // how tags are written, where they are
  Miss miss = Miss::unknown;
  // On a plain NIC.
  bool egress = false;  // slot rules on Tx metadata, with the no-leak rule
  // On both.
  bool steer = false;            // ingress rules that bring a tunnel's packets to queues
  bool rss = false;              // to several queues; else to one
  bool shared_counters = false;  // indirect COUNT

  struct Levels {
    Domain domain;
    uint32_t group;
    uint32_t count;  // priorities 0..count-1; 0: no rule is taken there
  };
  std::vector<Levels> levels;
  std::vector<Answer> answers;  // in the order asked

  uint32_t priorities(Domain domain, uint32_t group) const;
  // What `layout: auto` takes on a switch: tagged only where it is known what a miss does.
  Layout automatic_layout() const;
};

// Asks. Makes no rule that stays: one counter on a port that has them, on an async port templates and tables,
// and a rule where the driver validates too much (driver_traits.hpp), all destroyed again. To be called once
// the port is started, before or by the thread that owns its rules. May take milliseconds a question.
Capabilities probe(const ProbeTarget& target);

}  // namespace culvert::offload
