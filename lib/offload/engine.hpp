// The offload thread: it alone makes and destroys rules. It takes requests from its mailbox in order, decides
// for each node that they concern what should be in the NIC (decide.cpp), and moves each rule there one
// operation at a time (rules.cpp), so that a change never lets a stale header out and never leaves a gap:
//
//   A rule is replaced by making the new one beside it at a higher precedence; only when the driver says that
//   it is in is the old one destroyed. Before a rule leaves without a successor, those of lower precedence
//   that would take its packets have left.
//
// Nothing here blocks but the driver: what a classic port takes time for, this thread waits for, and no
// other.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "offload/flow_table.hpp"
#include "offload/mailbox.hpp"
#include "offload/node.hpp"
#include "offload/types.hpp"
#include "rcu/domain.hpp"

namespace culvert::offload {

// Requests, in the order in which they were made.
struct AddFlow {
  std::unique_ptr<Flow> flow;  // in the table already
  Flow* old = nullptr;         // out of the table already: keeps its rules until those of `flow` have settled
};
struct RemoveFlow {
  Flow* flow;  // out of the table already
};
struct SetEncap {
  std::unique_ptr<EncapUpdate> update;  // large, and most requests are of flows
};
struct RemoveEncap {
  EncapId id;
};
struct SetNetworks {
  std::vector<NetworkSpec> networks;
};
struct SetMode {
  Mode mode;
  LayoutWish layout;
};
struct RemovePort {
  PortIndex port;
};
// Frames that were marked before this generation have left the workers' queues.
struct Drained {
  EncapId encap;
  uint64_t generation;
};
struct Barrier {
  std::function<void()> done;  // on the offload thread, when all that was said before is in, out or refused
};
struct Ask {  // anything that is to be looked at between two changes
  std::function<void()> look;
};
using Request = std::variant<AddFlow, RemoveFlow, SetEncap, RemoveEncap, SetNetworks, SetMode, RemovePort,
                             Drained, Barrier, Ask>;

class Engine {
 public:
  struct Setup {
    Mode mode = Mode::automatic;
    rcu::Domain* domain = nullptr;
    FlowTable* table = nullptr;
    std::vector<std::unique_ptr<Target>> targets;
    std::vector<uint16_t> port_ids;                // by PortIndex
    std::vector<std::vector<uint16_t>> rx_queues;  // by PortIndex, for RSS
    std::vector<bool> isolated;                    // by PortIndex
    EncapState* encaps = nullptr;                  // kMaxEncaps of them, shared with readers
    std::function<void()> wake_control;            // an event has been left
  };
  explicit Engine(Setup setup);
  ~Engine();

  // Any thread.
  Mailbox<Request>& mailbox() { return mailbox_; }
  std::vector<Event> take_events();
  Latency latency() const;
  Operations operations() const;

  // The offload thread: one turn; waits at most `limit` when there is nothing to do.
  void turn(std::chrono::microseconds limit);
  // Withdraws every rule and waits for the driver, at most a few seconds.
  void shutdown();

  // The offload thread, inside Ask::look. verify.cpp, explain.cpp.
  std::vector<std::string> audit() const;
  Result<std::vector<std::string>> explain(const std::string& name) const;
  // The offload thread, or before it runs.
  static std::string describe(const Target& target);
  const std::vector<std::unique_ptr<Target>>& targets() const { return targets_; }

 private:
  struct Outcome {
    Form want;
    FlowState state = FlowState::software;
    std::string reason;
    bool desires = false;  // wants to be in the NIC, whether others let it or not
  };
  using Nodes = std::vector<std::unique_ptr<Node>>;
  using Places = std::vector<NodePlace>;
  // Nodes are of a flow, or of a network's gates.
  struct Whose {
    Flow* flow = nullptr;
    NetworkId network = 0;
    std::optional<net::Mac> mac;
  };
  // Nodes whose claims share packets with one's own: of higher and of lower precedence.
  struct Overlaps {
    std::vector<Node*> higher, lower;
  };

  // requests.cpp: what each request makes of nodes.
  void apply(AddFlow& request);
  void apply(const RemoveFlow& request);
  void apply(const SetEncap& request);
  void apply(const RemoveEncap& request);
  void apply(const SetMode& request);
  void apply(const RemovePort& request);
  void apply(const Drained& request);
  void apply(Barrier& request);
  void apply(const Ask& request) { request.look(); }
  void take_over(Flow& flow, Flow& old);
  void give_up(Target& target, std::unique_ptr<RuleQueue>& queue);
  void remove(Flow& flow, uint64_t since);
  void refresh_slot(EncapRow& row, Target* target);
  void refresh_terminations(EncapRow& row, bool same_underlay);
  bool decapsulates(const Target& target) const;
  uint32_t next_mark();

  // places.cpp: which nodes a flow has, and a network.
  void apply(const SetNetworks& request);
  void refresh(NetworkId id, NetworkRow& row);
  void leave_network(Flow& flow);
  static std::optional<NetworkId> network_of(const Flow& flow);
  void udp_port_is(EncapId id, uint16_t port, std::optional<uint16_t> before);
  std::vector<uint16_t> udp_ports_of(const NetworkSpec& network) const;
  void add_places(const Explicit& what, Places& places) const;
  void add_places(const PathTo& what, Places& places) const;
  void add_places(const StationAt& what, Places& places) const;
  void add_gates(const NetworkSpec& network, Places& places) const;
  void arrange(Flow& flow);
  void arrange(Nodes& nodes, const Places& places, const Whose& whose);
  void join(Claim& claim);
  std::unique_ptr<Node> make_node(const NodePlace& place, const Whose& whose);

  // engine.cpp
  std::chrono::microseconds rest(std::chrono::microseconds limit) const;
  size_t take_requests(std::chrono::microseconds limit);
  void fetch_ahead() const;
  void prepare(Node& node, NodeKind kind, Target* target);
  static void attach(Node& node, EncapRow& row);
  void make_fixed(Target& target);
  EncapRow& encap(EncapId id);
  Target* target_of(PortIndex port) const;  // null: the port takes no rules
  void leave(const Event& event);
  template <typename Visit>
  void each_node(Visit visit) const;

  // ends.cpp: the end of nodes.
  void doom(Node& node, uint64_t since = 0);
  void retire_node(std::unique_ptr<Node> node);
  void retire_marks(EncapRow& row, const std::function<bool(const Node&)>& goes);
  bool release(Node& node);
  void look_whether_gone(Flow& flow);
  bool is_gone(Flow& flow);
  void reap();

  // decide.cpp: what should be in the NIC, and what a person is told of it. step() then moves the rules.
  void mark_dirty(Node& node, uint64_t since = 0);
  void decide(Node& node);
  Outcome outcome_of(Node& node, const Overlaps& overlaps);
  Outcome wanted_of(Node& node, const Overlaps& overlaps);
  bool is_removed(const Node& node) const;
  Outcome tunnel_outcome(const Node& node, const Overlaps& overlaps) const;
  Outcome plain_outcome(const EncapRow& row, const Target& out) const;
  Outcome unless_refused(const Node& node, Outcome outcome) const;
  Outcome in_order(const Node& node, Outcome outcome, const Overlaps& overlaps) const;
  FlowState refused_state() const {
    return mode_ == Mode::required ? FlowState::failed : FlowState::software;
  }
  std::string homeless_text(const Node& node) const;
  std::string unable_text(PortIndex port) const;
  void publish(Node& node);
  void publish(Flow& flow);
  void tell(rcu::Published<std::string>& place, const std::string* text);

  // precedence.cpp: between what overlaps.
  Overlaps overlaps_of(const Node& node) const;
  void tell_higher(const Node& node, const Overlaps& overlaps);
  void tell_lower(const Node& node, const Overlaps& overlaps);
  static const Node* blocker_of(const Overlaps& overlaps);
  static bool holds_back(const Overlaps& overlaps);
  static bool makes_way(const Overlaps& overlaps);
  bool may_leave(const Node& node) const;
  bool find_base(Node& node, const Overlaps& overlaps);

  // rules.cpp: moving rules, one operation at a time for each entry.
  void step(Node& node);
  void step(Entry& entry);
  void create(Entry& entry);
  void destroy(Entry& entry, const Installed& rule);
  void complete(Target& target, const Completion& completion);
  void created(Entry& entry, const Completion& completion);
  void destroyed(Entry& entry, const Completion& completion);
  void leftover_gone(Target& target, Target::Leftover& rule, const Completion& completion);
  static uint8_t next_level(const Entry& entry);
  static Pattern pattern_of(const Entry& entry, const Form& form);
  void count_rule(const Node& node, const Installed& rule, int change);
  void make_counter(Entry& entry);
  static uint32_t priority(const Node& node, const Form& form, uint32_t level);
  void build(Rule& rule, const Entry& entry) const;

  // settling.cpp: when a node is settled, and what waits for it.
  void settle(Node& node, uint64_t since = 0);
  void settle_later(Node& node, uint64_t since);
  void set_moment(Node& node, uint64_t moment);
  void perhaps_succeeds(Flow& flow, uint64_t since);

  // room.cpp: what the NIC refused, and when it is asked for again.
  void want_room(Node& node);
  static void no_room_wanted(Node& node);
  void retry(TimePoint now);

  // verify.cpp, explain.cpp
  void audit(const Node& node, std::vector<std::string>& found) const;
  bool has_other_header(const Node& node) const;
  static void explain_rule(const Entry& entry, size_t number, std::vector<std::string>& lines);
  void explain_slot(const EncapRow& row, std::vector<std::string>& lines) const;
  void explain_refusal(const Node& node, std::vector<std::string>& lines) const;

  // counters.cpp: what the NIC has counted.
  void read_counters(TimePoint now);
  void read_counter(Node& node);
  void keep_count(Entry& entry, const Installed& rule);
  void credit(Node& node, const Counts& more);

  // A rule's turns in being replaced: so many of the driver's priorities are one of ours. Two take turns, the
  // others are for rules that a failing driver does not let go.
  static constexpr uint32_t kLevels = 4;

  Mode mode_;
  rcu::Domain& domain_;
  FlowTable& table_;
  std::vector<std::unique_ptr<Target>> targets_;
  std::vector<Target*> target_of_port_;
  const std::vector<uint16_t> port_ids_;
  const std::vector<std::vector<uint16_t>> rx_queues_;
  const std::vector<bool> isolated_;
  std::vector<bool> removed_;  // by PortIndex: the port's device is gone
  EncapState* const encap_states_;
  const std::function<void()> wake_control_;

  Mailbox<Request> mailbox_;
  mutable std::mutex events_mutex_;
  std::vector<Event> events_;
  Latency latency_;  // under events_mutex_
  std::atomic<uint64_t> created_{0}, destroyed_{0}, refused_{0};

  rcu::RetireQueue retired_;
  std::unordered_map<EncapId, std::unique_ptr<EncapRow>> encaps_;
  bool encaps_leaving_ = false;
  std::unordered_map<NetworkId, NetworkRow> networks_;
  using Flows = Roster<std::unique_ptr<Flow>, &Flow::place>;
  Flows flows_;
  std::set<Flow*> early_removals_;   // another thread was faster than the one that adds the flow
  Flows leaving_;                    // out of the table; freed when nothing refers to them
  std::vector<Flow*> perhaps_gone_;  // of those: to be looked at by reap()
  Nodes doomed_;                     // of nobody; freed when their rules are out
  std::vector<Request> requests_;    // taken out of the mailbox, applied up to next_request_
  size_t next_request_ = 0;
  std::vector<std::pair<OverlapIndex<Claim>*, Claim*>> joining_;  // of the portion's new nodes
  std::vector<Node*> dirty_;  // to be decided, after those from next_decision_ on
  std::vector<Node*> deciding_;
  size_t next_decision_ = 0;
  // How many nodes are not settled, by the moment of what unsettled them. A moment ends with a barrier, which
  // waits for its nodes and those of the moments before.
  std::map<uint64_t, size_t> settling_;
  uint64_t moment_ = 1;
  std::multimap<uint64_t, std::function<void()>> barriers_;
  uint64_t next_sequence_ = 0;
  uint32_t next_mark_ = 0, next_slot_ = 0;
  bool ending_ = false;
  std::vector<Completion> completions_;
  Places places_;         // arrange()'s, kept for its memory
  TimePoint progress_{};  // when something last happened
  TimePoint next_counters_{};
  Roster<Node*, &Node::counting_place> counting_;  // the round of read_counters()
  size_t next_counting_ = 0;
  size_t counting_left_ = 0;  // to be read in this period
};

// Those that are on their way out too.
template <typename Visit>
void Engine::each_node(Visit visit) const {
  const auto all = [&](const auto& nodes) {
    for (const auto& node : nodes) visit(*node);
  };
  for (const auto& flow : flows_) all(flow->nodes);
  for (const auto& flow : leaving_) all(flow->nodes);
  for (const auto& [id, row] : encaps_) {
    if (row->slot) visit(*row->slot);
    all(row->marks);
    all(row->terminations);
  }
  for (const auto& [id, row] : networks_) all(row.gates);
  all(doomed_);
  for (const auto& target : targets_) all(target->fixed);
}

}  // namespace culvert::offload
