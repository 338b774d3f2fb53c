// What the engine knows: nodes (what is wanted in the NIC) made of entries (rules), and the flows, encaps and
// targets that they belong to. All of it is the offload thread's, but what is said to be shared.
#pragma once

#include <rte_flow.h>

#include <array>
#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "offload/capabilities.hpp"
#include "offload/entry.hpp"
#include "offload/overlap.hpp"
#include "offload/roster.hpp"
#include "offload/rule_queue.hpp"
#include "offload/shapes.hpp"
#include "offload/types.hpp"
#include "rcu/published.hpp"

namespace culvert::offload {

struct Flow;
struct Target;
struct EncapRow;

enum class NodeKind : uint8_t {
  explicit_flow,
  path,           // TX_DEST
  station,        // RX_DEST
  tenant_source,  // a gate: with a MAC of that station, without of the whole port
  tunnel_source,
  slot,
  mark,      // a slot of a plain NIC
  steering,  // a terminated tunnel's packets to the workers, on a plain NIC without their outer headers
  fixed,     // for the whole target
};

// Variants of the fixed rules.
inline constexpr uint8_t kEgressRoot = 0;  // plain NIC
inline constexpr uint8_t kNoLeak = 1;      // plain NIC
inline constexpr uint8_t kCongested = 2;   // switch: one a wire
// Variants of steering on a plain NIC.
inline constexpr uint8_t kDecap = 0;
inline constexpr uint8_t kKeepCongested = 1;

// Which packets a rule takes, as far as rules that change in turns are concerned: of two with equal patterns
// the one of higher precedence decides.
struct Pattern {
  NodeKind kind = NodeKind::slot;
  uint8_t variant = 0;
  PortIndex port = 0;
  NetworkId network = 0;
  uint16_t udp_port = 0;
  std::optional<net::Mac> mac;
  std::optional<tunnel::MaskedKey> key;
  std::optional<uint32_t> slot;  // of the slot's own rule
  std::optional<EncapId> encap;  // of a tunnel's source

  bool operator==(const Pattern&) const = default;
};

// The unit of decision: all its rules are in, or none should be. It stays where it is: others point at it.
struct Node {
  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  NodeKind kind = NodeKind::slot;
  FlowState state = FlowState::pending;
  bool dirty = false;    // queued for a decision
  bool doomed = false;   // to be freed once its rules are out
  bool by_slot = false;  // its rule in the NIC leads to a slot, which counts its packets too
  bool told = false;     // the workers may be using the mark
  PortIndex port = 0;    // the tenant's; of steering and tunnel_source: the wire
  NetworkId network = 0;
  uint16_t udp_port = 0;  // of a station: one entry for each wire; 0: no tunnel of its network is known
  std::optional<net::Mac> mac;
  uint32_t mark = 0;  // of a plain NIC's slot; `generation`: of the header that it stands for
  uint64_t generation = 0;
  EncapRow* encap = nullptr;  // Engine::attach()
  Target* target = nullptr;   // null: nowhere, see the flow's reason
  Flow* flow = nullptr;
  uint64_t sequence = 0;
  uint64_t settling = 0;                         // the moment of what unsettled it; 0: settled
  uint32_t encap_place = 0, counting_place = 0;  // in EncapRow::nodes and Engine::counting_
  rte_flow_action_handle* counter = nullptr;
  Form want;
  std::span<Entry> entries;                   // set_entries()
  std::optional<Claim> claim;                 // stays where it is, as the node does
  Counts counted, past;                       // past: by rules with counters of their own that are gone
  std::unique_ptr<const std::string> reason;  // for a person; of most there is none
  std::unique_ptr<Refusal> refusal;           // likewise

  // Once, before anything points at them.
  void set_entries(size_t count);

  bool has_rules() const;  // in the NIC, or perhaps in it
  bool carries() const;    // the same of rules that are no holds
  bool covers() const;     // every entry has a rule that decides
  bool is_settled() const;
  bool is_refused() const { return refusal && !refusal->words.empty(); }
  bool hold_refused() const { return refusal && refusal->of_hold; }
  bool waits_for_room() const { return refusal && refusal->waits_for_room; }
  void forget_refusal() {
    if (refusal) refusal->words.clear();
  }
  // Lets a known station's frames go on.
  bool is_source() const {
    return mac && (kind == NodeKind::tenant_source || kind == NodeKind::tunnel_source);
  }
  bool counts() const {  // packets that go into a tunnel or come out of one, or that a station sends
    return kind == NodeKind::explicit_flow || kind == NodeKind::path || kind == NodeKind::station ||
           kind == NodeKind::slot || kind == NodeKind::mark || is_source();
  }
  std::string to_string() const;  // for a person: "flow dns"

 private:
  Entry first_;  // mostly there is one
  std::unique_ptr<Entry[]> more_;
};

// One thread writes it and another reads it for each flow: seven cache lines, and no more. (Of 512 bytes
// jemalloc 5.3 makes eight at a time, of 448 sixty-four.)
static_assert(sizeof(Node) <= 448);

// An explicit flow's own node, as far as it follows from the flow alone. Any thread.
std::unique_ptr<Node> make_node(const Explicit& what);

// What readers see of an encap; the offload thread writes.
struct EncapState {
  enum class Slot : uint8_t { none, pending, in, refused };
  std::atomic<Slot> slot{Slot::none};   // of its own rule, where it has one
  std::atomic<uint32_t> flow_rules{0};  // rules of flows that carry its header (flat layout)
  std::atomic<uint64_t> packets{0}, bytes{0};
  rcu::Published<std::string> reason;
};

// Where a node belongs: of a flow's nodes, and of a network's gates, no two have the same place.
struct NodePlace {
  NodeKind kind = NodeKind::explicit_flow;
  Target* target = nullptr;
  PortIndex port = 0;
  std::optional<EncapId> encap;
  uint16_t udp_port = 0;

  auto operator<=>(const NodePlace&) const = default;
};

// An encap as the offload thread knows it. It lives from the first update to its removal, and as long as
// nodes use it.
struct EncapRow {
  EncapUpdate now;  // its id from the start
  // Of its slot: new with each tunnel, so that a rule of a tunnel that was deleted, and that a driver does
  // not let go, never leads into the next one with this id.
  uint32_t slot_number = 0;
  uint64_t first = 0;  // the generation with which it became known
  uint64_t terms = 0;  // the generation since which the outer headers of its packets are what they are
  bool known = false;  // configured; else only flows that came too early, or leave late, use it
  bool removed = false;
  size_t users = 0;                         // nodes that point at it: it stays as long as there are any
  Roster<Node*, &Node::encap_place> nodes;  // whose rules depend on its header or slot
  std::unique_ptr<Node> slot;               // on a switch, tagged
  std::list<std::unique_ptr<Node>>
      marks;  // on a plain NIC: the last is the newest, others wait to be drained
  std::list<std::unique_ptr<Node>> terminations;  // steering, or the decap of a plain NIC: one a wire
  size_t unsettled = 0;                           // nodes of its
  bool timed = false;                             // `now.since` is to be measured
};

// A flow as readers see it: found under RCU, kept by a reference.
struct Flow {
  FlowSpec spec;
  uint32_t id = 0;
  std::atomic<uint32_t> references{1};  // the offload thread's own; 0: going, and no one may take another
  std::atomic<bool> init_done{false};   // the engine has joined it to its encap
  std::atomic<bool> removed{false};
  std::atomic<FlowState> state{FlowState::pending};
  std::atomic<bool> by_slot{false};  // its own rule is in: the encap's slot decides
  std::atomic<uint64_t> packets{0}, bytes{0};
  rcu::Published<std::string> reason;

  // The offload thread's, once it has the flow.
  std::unique_ptr<Node> made;                // the node of an explicit flow, until it has a place
  std::vector<std::unique_ptr<Node>> nodes;  // the first is the flow's own rule
  Flow* replaces = nullptr;                  // whose rules stay until its own have settled
  uint32_t place = 0;                        // in Engine::flows_ or leaving_
  bool joined = false;                       // it is in Engine::flows_
  bool released = false;                     // the offload thread has given its reference
  bool may_be_gone = false;                  // in Engine::perhaps_gone_

  // False: it is going.
  bool take() {
    uint32_t count = references.load(std::memory_order_relaxed);
    while (count != 0 && !references.compare_exchange_weak(count, count + 1, std::memory_order_acquire)) {
    }
    return count != 0;
  }
  void give() { references.fetch_sub(1, std::memory_order_release); }
};

// A network, or only flows that came too early or leave late.
struct NetworkRow {
  std::optional<NetworkSpec> spec;
  std::vector<uint16_t> udp_ports;  // of its tunnels
  std::vector<std::unique_ptr<Node>> gates;
  std::unordered_set<Flow*> members;  // paths and stations
};

// One switch, or one plain NIC port: where one set of rules lives.
struct Target {
  std::string name;
  bool is_switch = false;
  uint16_t port_id = 0;  // on which rules are made
  std::vector<PortIndex> ports;
  std::vector<PortIndex> wires;  // those with a kernel link: tunnels come in and go out here
  Capabilities able;
  bool tagged = false;
  bool removed = false;              // the device of `port_id` is gone, and its rules with it
  std::string unable;                // why it takes no rules; empty: it does
  std::unique_ptr<RuleQueue> queue;  // of port_id
  // Of its other wires, where their steering is made: an ingress rule belongs to its own port.
  std::map<PortIndex, std::unique_ptr<RuleQueue>> wire_queues;
  std::map<PortIndex, OverlapIndex<Claim>> claims;
  std::vector<std::unique_ptr<Node>> fixed;  // the no-leak rule and the like
  size_t tunnel_sources = 0;                 // nodes that let tunnel packets go on in the NIC

  // Rules that a failing driver did not let go.
  struct Leftover : Cookie {
    RuleQueue& queue;
    rte_flow* handle;
    uint32_t priority;  // the driver's
    Pattern pattern;
    std::string what;
    bool posted = false;
  };
  std::list<Leftover> leftovers;
  TimePoint retry_at{};
  Duration back_off{};
  std::set<std::tuple<uint32_t, Order, Node*>>
      refused;         // waiting for room: least refused, then by precedence
  size_t room = 0;     // rules that left since the last refusal, and that no retry has had
  uint32_t rules = 0;  // in the NIC as far as we know
  uint32_t fixed_rules() const { return static_cast<uint32_t>(fixed.size()); }

  RuleQueue& queue_of(const Node& node) const {
    const auto own = wire_queues.find(node.port);
    return node.kind == NodeKind::steering && own != wire_queues.end() ? *own->second : *queue;
  }
  template <typename Visit>
  void each_queue(Visit visit) const {
    if (queue) visit(*queue);
    for (const auto& [wire, one] : wire_queues) visit(*one);
  }
};

}  // namespace culvert::offload

// Prints to_string(); built only when the line is really printed.
template <>
struct fmt::formatter<culvert::offload::Node> : fmt::formatter<std::string> {
  auto format(const culvert::offload::Node& node, fmt::format_context& context) const {
    return fmt::formatter<std::string>::format(node.to_string(), context);
  }
};
