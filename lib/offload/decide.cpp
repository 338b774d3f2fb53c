// What should be in the NIC for a node, and what a person is told of it.
#include <algorithm>

#include "offload/engine.hpp"

namespace culvert::offload {

namespace {

// What a header that is written once for all packets cannot do.
std::string needs_software(const tunnel::Tunnel& tunnel) {
  if (!tunnel.dscp) return "dscp inherit: the NIC's header is the same for all packets";
  if (!tunnel.ttl) return "ttl inherit: the NIC's header is the same for all packets";
  if (tunnel.ecn == tunnel::Ecn::copy) return "ecn copy: the NIC's header is the same for all packets";
  return {};
}

}  // namespace

void Engine::mark_dirty(Node& node, uint64_t since) {
  if (!std::exchange(node.dirty, true)) dirty_.push_back(&node);
  settle(node, since);
}

void Engine::decide(Node& node) {
  const Form before = node.want;
  const bool desired = node.claim && node.claim->desires;
  const bool leaves = node.doomed || (ending_ && node.kind != NodeKind::fixed);  // those go last
  const Overlaps overlaps = overlaps_of(node);
  Outcome outcome = leaves ? Outcome{} : outcome_of(node, overlaps);
  if (node.claim) {
    node.claim->desires = outcome.desires;
    if (!node.doomed && !ending_ && !is_removed(node) && outcome.want.kind == Form::Kind::none &&
        !node.hold_refused() && !makes_way(overlaps) && holds_back(overlaps))
      outcome.want.kind = Form::Kind::hold;
    node.claim->no_room = false;
    if (outcome.want.kind == Form::Kind::none) {
      if (!node.has_rules()) node.claim->base.reset();
    } else if (find_base(node, overlaps)) {
      outcome.want.base = *node.claim->base;
    } else {
      outcome.want = {};
      outcome.state = FlowState::software;
      outcome.reason = "the driver's priorities leave no room between the flows that it overlaps with";
      node.claim->no_room = true;
      for (Node* other : overlaps.lower)
        mark_dirty(*other, node.settling);  // they leave, and come back behind it
    }
  }
  node.want = outcome.want;
  if (node.claim) {
    if (node.claim->desires != desired) tell_higher(node, overlaps);
    if (node.doomed || (node.want.kind == Form::Kind::none) != (before.kind == Form::Kind::none))
      tell_lower(node, overlaps);
  }
  node.state = outcome.state;
  node.reason = outcome.reason.empty() ? nullptr : std::make_unique<std::string>(std::move(outcome.reason));
  publish(node);
  settle(node);
}

Engine::Outcome Engine::outcome_of(Node& node, const Overlaps& overlaps) {
  Outcome outcome = wanted_of(node, overlaps);
  if (!is_removed(node)) return outcome;
  no_room_wanted(node);
  node.forget_refusal();
  if (outcome.want.kind == Form::Kind::real || outcome.reason.empty()) outcome.reason = removed_error().words;
  if (outcome.state == FlowState::offloaded) outcome.state = FlowState::software;
  outcome.want = {};
  outcome.desires = false;
  return outcome;
}

// Has the device gone that its rules are on, or that their packets come from?
bool Engine::is_removed(const Node& node) const {
  if (node.target == nullptr) return false;
  if (node.kind == NodeKind::steering) return removed_[node.port];
  const bool of_port =
      node.kind != NodeKind::path && node.kind != NodeKind::slot && node.kind != NodeKind::mark;
  return node.target->removed || (of_port && removed_[node.port]);
}

Engine::Outcome Engine::wanted_of(Node& node, const Overlaps& overlaps) {
  if (node.kind == NodeKind::fixed) {
    const bool idle = node.target->tunnel_sources == 0 || mode_ == Mode::off;
    if (node.entries[0].variant == kCongested && idle) return {};
    return unless_refused(node, {.want = {.kind = Form::Kind::real}});
  }
  if (node.kind == NodeKind::steering) {
    Outcome outcome;
    if (node.encap->now.terminated && (mode_ != Mode::off || isolated_[node.port]))
      outcome.want.kind = Form::Kind::real;
    return unless_refused(node, outcome);
  }
  // Workers may be using a mark until they are drained of it.
  if (mode_ == Mode::off && !(node.kind == NodeKind::mark && node.told))
    return {.reason = "offload.mode is off"};
  switch (node.kind) {
    case NodeKind::explicit_flow:
    case NodeKind::path:
    case NodeKind::slot:
    case NodeKind::mark:
      return tunnel_outcome(node, overlaps);
    case NodeKind::tunnel_source: {
      const EncapRow& row = *node.encap;
      Outcome outcome;
      if (row.known && row.now.terminated) outcome.want = {.generation = row.terms, .kind = Form::Kind::real};
      return unless_refused(node, outcome);
    }
    case NodeKind::station:
      if (node.target == nullptr) return {.reason = homeless_text(node)};
      if (node.entries.empty()) return {.reason = "no tunnel of its network ends at this switch"};
      return unless_refused(node, {.want = {.kind = Form::Kind::real}, .state = FlowState::offloaded});
    case NodeKind::tenant_source:
      return in_order(node, unless_refused(node, {.want = {.kind = Form::Kind::real}}), overlaps);
    default:
      return unless_refused(node, {.want = {.kind = Form::Kind::real}});
  }
}

Engine::Outcome Engine::tunnel_outcome(const Node& node, const Overlaps& overlaps) const {
  const EncapRow& row = *node.encap;
  if (!row.known) return {.state = FlowState::pending, .reason = "its tunnel is gone"};
  if (std::string why = needs_software(row.now.tunnel); !why.empty()) return {.reason = std::move(why)};
  const bool tagged = node.target != nullptr && node.target->tagged;
  const bool is_slot = node.kind == NodeKind::slot || node.kind == NodeKind::mark;
  if (!row.now.rule) {
    Outcome outcome{.state = FlowState::pending, .reason = row.now.reason};
    // The rules that lead to a slot stay when its next hop goes: without the slot's rule they lead to a miss.
    // But not in the way of one of higher precedence.
    const Node* const higher = blocker_of(overlaps);
    const bool leads_to_slot = tagged && !is_slot && node.covers() && node.want.slot;
    if (leads_to_slot && (higher == nullptr || higher->want.kind != Form::Kind::none))
      outcome.want = node.want;
    outcome.desires = outcome.want.kind == Form::Kind::real;
    return outcome;
  }
  Target* const out = target_of(row.now.rule->port);
  if (node.kind == NodeKind::mark) {
    Outcome outcome;
    if (!node.told && !std::ranges::all_of(node.target->fixed, [](const auto& one) { return one->covers(); }))
      return {.reason = "the rules that keep inner frames off the underlay are not in the NIC"};
    if (node.generation == row.now.generation || node.told)
      outcome.want = {.generation = node.generation, .kind = Form::Kind::real};
    return unless_refused(node, outcome);
  }
  if (out == nullptr) return {.reason = unable_text(row.now.rule->port)};
  if (!is_slot && !out->is_switch) return plain_outcome(row, *out);
  if (node.target == nullptr) return {.reason = homeless_text(node)};
  if (out != node.target)
    return {.reason = fmt::format("the tunnel leaves by another device than {}", node.target->name)};
  Outcome outcome;
  outcome.want.kind = Form::Kind::real;
  if (tagged) outcome.want.slot = row.slot_number;
  if (!tagged || is_slot) outcome.want.generation = row.now.generation;
  outcome.state = FlowState::offloaded;
  outcome = unless_refused(node, outcome);
  return in_order(node, std::move(outcome), overlaps);
}

// Keeps it out of the NIC while one of higher precedence would lose packets to it.
Engine::Outcome Engine::in_order(const Node& node, Outcome outcome, const Overlaps& overlaps) const {
  if (!node.claim || outcome.want.kind != Form::Kind::real) return outcome;
  outcome.desires = true;
  const Node* const higher = blocker_of(overlaps);
  if (higher == nullptr) return outcome;
  // One that is on its way is waited for, as things are; one that is not keeps this one out.
  const bool on_its_way = higher->want.kind != Form::Kind::none;
  if (on_its_way && node.want.kind == Form::Kind::real) return outcome;  // it stays, with the header of now
  outcome.want = {};
  outcome.state = FlowState::software;
  outcome.reason = fmt::format("{} is looked at first and is not in the NIC", *higher);
  return outcome;
}

// A flow towards a plain NIC: a worker classifies, the NIC encapsulates.
Engine::Outcome Engine::plain_outcome(const EncapRow& row, const Target& out) const {
  if (row.marks.empty()) return {.reason = fmt::format("{} takes no encap rules", out.name)};
  const Node& mark = *row.marks.back();
  if (mark.told && mark.generation == row.now.generation) return {.state = FlowState::offloaded};
  if (mark.is_refused()) return {.state = refused_state(), .reason = mark.refusal->words};
  return {.reason = "the rule of its encap is being made"};
}

Engine::Outcome Engine::unless_refused(const Node& node, Outcome outcome) const {
  if (!node.is_refused() || !node.refusal->form.does_as(outcome.want)) return outcome;
  outcome.want = {};
  outcome.state = refused_state();
  outcome.reason = node.refusal->words;
  return outcome;
}

// Why there is no switch for a path or a station.
std::string Engine::homeless_text(const Node& node) const {
  const auto network = networks_.find(node.network);
  const bool only_vlans = network != networks_.end() && network->second.spec &&
                          network->second.spec->has_vlans && network->second.spec->ports.empty();
  const auto* const station = node.flow != nullptr ? std::get_if<StationAt>(&node.flow->spec.what) : nullptr;
  const bool of_vlan = station != nullptr ? station->vlan != 0 : node.kind == NodeKind::path && only_vlans;
  return of_vlan ? "VLAN member: not offloaded yet" : unable_text(node.port);
}

std::string Engine::unable_text(PortIndex port) const {
  const Target* const target = port < target_of_port_.size() ? target_of_port_[port] : nullptr;
  if (target == nullptr) return "its port takes no rules";
  return fmt::format("{}: {}", target->name, target->unable.empty() ? "no switch port" : target->unable);
}

// --- What readers see.

void Engine::publish(Node& node) {
  if (node.kind == NodeKind::slot || node.kind == NodeKind::mark) {
    const EncapRow& row = *node.encap;
    EncapState& shared = encap_states_[row.now.id];
    using Slot = EncapState::Slot;
    const bool in = node.kind == NodeKind::slot ? node.covers() && node.entries[0].in.form == node.want &&
                                                      node.want.kind == Form::Kind::real
                                                : node.told && node.generation == row.now.generation;
    const bool newest = node.kind == NodeKind::slot ? row.slot.get() == &node
                                                    : !row.marks.empty() && row.marks.back().get() == &node;
    if (!newest) return;
    const Slot slot = in                   ? Slot::in
                      : mode_ == Mode::off ? Slot::none
                      : !row.now.rule      ? Slot::pending
                      : node.is_refused()  ? Slot::refused
                                           : Slot::none;
    tell(shared.reason, slot == Slot::pending ? &row.now.reason : node.reason.get());
    if (shared.slot.exchange(slot, std::memory_order_release) != slot && node.kind == NodeKind::mark)
      for (Node* other : row.nodes) mark_dirty(*other, node.settling);
    return;
  }
  if (node.flow != nullptr && !node.flow->nodes.empty() && node.flow->nodes.front()->kind == node.kind)
    publish(*node.flow);
}

// Of several nodes of its own the one that is not in says why.
void Engine::publish(Flow& flow) {
  const auto is_in = [](const Node& node) {
    return node.covers() && node.want.kind == Form::Kind::real &&
           std::ranges::all_of(node.entries,
                               [](const Entry& entry) { return entry.in.form.kind == Form::Kind::real; });
  };
  const Node* node = flow.nodes.front().get();
  for (const auto& other : flow.nodes)
    if (other->kind == node->kind && is_in(*node) && !is_in(*other)) node = other.get();
  const bool in = is_in(*node);
  tell(flow.reason, node->reason.get());
  flow.by_slot.store(in && node->by_slot, std::memory_order_release);
  const bool waits = node->state == FlowState::offloaded && !in && node->want.kind == Form::Kind::real;
  flow.state.store(waits ? FlowState::pending : node->state, std::memory_order_release);
}

// Writes it only when it is new: readers may be on it. `text`: null or empty: none.
void Engine::tell(rcu::Published<std::string>& place, const std::string* text) {
  if (text != nullptr && text->empty()) text = nullptr;
  const std::string* const old = place.load();
  if (old == nullptr ? text == nullptr : text != nullptr && *old == *text) return;
  place.replace(text == nullptr ? nullptr : std::make_unique<const std::string>(*text), retired_);
}

}  // namespace culvert::offload
