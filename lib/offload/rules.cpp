// Moving rules: one operation at a time for each entry, so that what is in the NIC becomes what is wanted.
#include <algorithm>

#include "base/log.hpp"
#include "offload/engine.hpp"

namespace culvert::offload {

namespace {

const Log kLog("offload");

}  // namespace

void Engine::step(Node& node) {
  for (Entry& entry : node.entries) step(entry);
}

void Engine::step(Entry& entry) {
  Node& node = *entry.node;
  if (entry.busy != Entry::Busy::no || (entry.in.form == node.want && !entry.buried)) return;
  if (node.target->queue_of(node).room() == 0) return mark_dirty(node);
  if (node.want.kind != Form::Kind::none) return create(entry);
  if (!may_leave(node)) return;
  // For the encap, or the network: what it has counted since the last look is credited by what it does now.
  const bool is_missed = node.kind == NodeKind::slot || !node.by_slot || (node.doomed && node.mac);
  if (is_missed && node.counting_place != 0) read_counter(node);
  entry.buried = false;
  destroy(entry, std::exchange(entry.in, {}));
}

void Engine::create(Entry& entry) {
  Node& node = *entry.node;
  entry.busy = Entry::Busy::creating;
  entry.buried = false;
  entry.moving = {.form = node.want, .level = next_level(entry)};
  make_counter(entry);
  Rule rule;
  build(rule, entry);
  kLog.debug("{}: {}", node, rule);
  node.target->queue_of(node).create(rule, static_cast<Cookie*>(&entry));
}

Pattern Engine::pattern_of(const Entry& entry, const Form& form) {
  const Node& node = *entry.node;
  Pattern pattern{node.kind, entry.variant, node.port, node.network, node.udp_port, node.mac, {}, {}, {}};
  if (node.claim) pattern.key = node.claim->key;
  if (node.kind == NodeKind::slot) pattern.slot = form.slot;
  if (node.kind == NodeKind::tunnel_source) pattern.encap = node.encap->now.id;
  return pattern;
}

// Of its turns a rule takes the one that its predecessor has not; above those of the flow that it takes the
// place of, and above those that a failing driver does not let go, as long as there is room. (The lower level
// wins.)
uint8_t Engine::next_level(const Entry& entry) {
  const Node& node = *entry.node;
  uint8_t first = kLevels - 1;
  const auto stand_above = [&](uint32_t other) {
    while (first > 0 && other <= priority(node, node.want, first)) --first;
  };
  const Flow* const old = node.flow != nullptr ? node.flow->replaces : nullptr;
  if (old != nullptr || !node.target->leftovers.empty()) {
    const Pattern pattern = pattern_of(entry, node.want);
    for (const Target::Leftover& rule : node.target->leftovers)
      if (rule.pattern == pattern) stand_above(rule.priority);
    if (old != nullptr)
      for (const auto& other : old->nodes)
        for (const Entry& rule : other->entries)
          if (rule.in.handle != nullptr && pattern_of(rule, rule.in.form) == pattern)
            stand_above(priority(*other, rule.in.form, rule.in.level));
  }
  const bool taken =
      entry.in.handle != nullptr && entry.in.form.base == node.want.base && entry.in.level == first;
  return taken && first > 0 ? static_cast<uint8_t>(first - 1) : first;
}

void Engine::destroy(Entry& entry, const Installed& rule) {
  keep_count(entry, rule);
  entry.busy = Entry::Busy::destroying;
  entry.moving = rule;
  entry.node->target->queue_of(*entry.node).destroy(rule.handle, static_cast<Cookie*>(&entry));
}

void Engine::complete(Target& target, const Completion& completion) {
  auto* const cookie = static_cast<Cookie*>(completion.cookie);
  if (cookie->is_leftover) return leftover_gone(target, *static_cast<Target::Leftover*>(cookie), completion);
  Entry& entry = *static_cast<Entry*>(cookie);
  Node& node = *entry.node;
  const bool covered = node.covers(), carried = node.carries();
  if (completion.operation == Operation::create)
    created(entry, completion);
  else
    destroyed(entry, completion);
  if (node.claim && (node.covers() != covered || node.carries() != carried || !node.has_rules())) {
    if (!node.has_rules() && node.want.kind == Form::Kind::none) node.claim->base.reset();
    const Overlaps overlaps = overlaps_of(node);
    tell_higher(node, overlaps);
    tell_lower(node, overlaps);
  }
  if (node.kind == NodeKind::fixed && node.covers() != covered)
    for (const auto& [id, row] : encaps_)  // marks wait for it
      for (const auto& mark : row->marks) mark_dirty(*mark, node.settling);
  if (!node.dirty) step(entry);  // else after its decision, which knows of what was refused
  publish(node);
  settle(node);
}

void Engine::created(Entry& entry, const Completion& completion) {
  Node& node = *entry.node;
  Target& target = *node.target;
  entry.busy = Entry::Busy::no;
  Installed made = std::exchange(entry.moving, {});
  if (completion.refusal) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    if (!node.refusal) node.refusal = std::make_unique<Refusal>();
    node.refusal->words = completion.refusal->to_string();
    node.refusal->form = made.form;
    if (made.form.kind == Form::Kind::hold) node.refusal->of_hold = true;
    kLog.debug("{}: refused: {}", node, node.refusal->words);
    want_room(node);
    mark_dirty(node);
    return;
  }
  ++target.rules;
  created_.fetch_add(1, std::memory_order_relaxed);
  made.handle = completion.handle;
  count_rule(node, made, 1);
  const bool changes_layout =
      made.form.kind == Form::Kind::real && node.by_slot != made.form.slot.has_value();
  if (changes_layout) read_counter(node);  // to whom it was credited before
  const Installed old = std::exchange(entry.in, made);
  // A hold, and a rule beside one that was refused, are not what it waits for.
  const bool beside_refused = node.is_refused() && made.form.does_as(node.refusal->form);
  if (made.form.kind == Form::Kind::real && !beside_refused && node.covers()) {
    if (node.waits_for_room()) target.room += node.entries.size();  // where one fits another may
    no_room_wanted(node);
    node.forget_refusal();
  }
  if (made.form.kind == Form::Kind::real) {
    if (node.counting_place == 0 && node.counts()) counting_.add(&node);
    node.by_slot = made.form.slot.has_value();
  }
  if (node.kind == NodeKind::mark && !node.told && node.want == made.form) {
    node.told = true;
    leave(MarkReady{node.encap->now.id, node.generation, node.mark});
    for (Node* other : node.encap->nodes) mark_dirty(*other, node.settling);
  }
  if (old.handle != nullptr) destroy(entry, old);
}

void Engine::destroyed(Entry& entry, const Completion& completion) {
  Node& node = *entry.node;
  Target& target = *node.target;
  entry.busy = Entry::Busy::no;
  const Installed gone = std::exchange(entry.moving, {});
  count_rule(node, gone, -1);
  if (completion.refusal) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    kLog.warning("{}: a rule of {} stays in the NIC: {}", target.name, node, completion.refusal->to_string());
    if (completion.handle != nullptr) {
      const uint32_t stands = priority(node, gone.form, gone.level);
      target.leftovers.push_back({{true},
                                  target.queue_of(node),
                                  gone.handle,
                                  stands,
                                  pattern_of(entry, gone.form),
                                  fmt::format("{}: {}", node, completion.refusal->to_string())});
      entry.buried = entry.in.handle != nullptr && entry.in.level > 0 &&
                     stands <= priority(node, entry.in.form, entry.in.level);
      return;
    }
  }
  kLog.debug("{}: a rule of it has left the NIC", node);
  --target.rules;
  destroyed_.fetch_add(1, std::memory_order_release);
  // What goes because the rest of its node does not fit was room before.
  if (!node.waits_for_room()) ++target.room;
}

// Another try to destroy what a failing driver did not let go.
void Engine::leftover_gone(Target& target, Target::Leftover& rule, const Completion& completion) {
  rule.posted = false;
  if (completion.refusal) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    if (completion.handle != nullptr) return;  // else the driver has forgotten it: nothing more can be done
  }
  target.leftovers.remove_if([&](const Target::Leftover& one) { return &one == &rule; });
  --target.rules;
  destroyed_.fetch_add(1, std::memory_order_release);
  ++target.room;
}

// Rules of flows that carry an encap's header, for show encaps.
void Engine::count_rule(const Node& node, const Installed& rule, int change) {
  if (node.kind != NodeKind::explicit_flow && node.kind != NodeKind::path) return;
  if (rule.form.generation == 0) return;  // it leads to a slot
  encap_states_[node.encap->now.id].flow_rules.fetch_add(static_cast<uint32_t>(change),
                                                         std::memory_order_relaxed);
}

// A counter that outlives the rules, so that replacing one loses nothing. A rule that leads to a slot stays
// when the neighbour's MAC changes: a counter of its own, which the driver makes with it, is the cheaper one;
// templates have the one kind only.
void Engine::make_counter(Entry& entry) {
  Node& node = *entry.node;
  if (!node.counts() || entry.moving.form.kind != Form::Kind::real) return;
  const bool stays = node.flow != nullptr && entry.moving.form.slot && !node.target->able.async;
  entry.moving.own_counter = stays || !node.target->able.shared_counters;
  if (entry.moving.own_counter || node.counter != nullptr) return;
  const Domain domain = node.kind == NodeKind::mark ? Domain::egress : Domain::transfer;
  auto made = node.target->queue->make_counter(domain);
  if (made)
    node.counter = *made;
  else
    kLog.debug("{}: no shared counter: {}", node, made.error().message);
  entry.moving.own_counter = !made;
}

uint32_t Engine::priority(const Node& node, const Form& form, uint32_t level) {
  if (node.kind == NodeKind::fixed) return node.entries[0].variant == kNoLeak ? kLevels : level;
  if (node.kind == NodeKind::tunnel_source) return kLevels + level;  // behind kCongested
  return form.base * kLevels + level;
}

void Engine::build(Rule& rule, const Entry& entry) const {
  const Node& node = *entry.node;
  const Target& target = *node.target;
  const Form& form = entry.moving.form;
  const Spot spot{target.port_id, priority(node, form, entry.moving.level), target.able.tags,
                  any_source(target.able.async)};
  const EncapRow* const row = node.encap;
  rte_flow_action_handle* const counter = entry.moving.own_counter ? nullptr : node.counter;
  const auto header = [&] { return Encap{row->now.rule->header.view(), port_ids_[row->now.rule->port]}; };
  const auto underlay = [&] {
    const tunnel::Tunnel& tunnel = row->now.tunnel;
    return Underlay{tunnel.remote, tunnel.local, tunnel.dst_port, tunnel.vni};
  };
  switch (node.kind) {
    case NodeKind::explicit_flow: {
      const tunnel::Match& whole = std::get<Explicit>(node.flow->spec.what).match;
      const tunnel::Match match = node.entries.size() == 1 ? whole : rule_matches(whole)[entry.variant];
      const uint16_t from = port_ids_[node.port];
      if (form.kind == Form::Kind::hold) return hold(rule, spot, from, match);
      if (form.slot) return explicit_tagged(rule, spot, from, match, *form.slot, counter);
      return explicit_flat(rule, spot, from, match, header(), counter);
    }
    case NodeKind::path:
      if (form.slot) return path_tagged(rule, spot, node.network, *node.mac, *form.slot, counter);
      return path_flat(rule, spot, node.network, *node.mac, header(), counter);
    case NodeKind::station: {
      const uint16_t wire = port_ids_[target.wires[entry.variant]];
      return decap(rule, spot, wire, node.network, node.udp_port, *node.mac, port_ids_[node.port], counter);
    }
    case NodeKind::tenant_source: {
      if (form.kind == Form::Kind::hold) {
        tunnel::Match match;
        match.eth_src = node.mac;
        return hold(rule, spot, port_ids_[node.port], match);
      }
      return tenant_source(rule, spot, port_ids_[node.port], node.mac, node.network, counter);
    }
    case NodeKind::tunnel_source:
      return tunnel_source(rule, spot, port_ids_[node.port], underlay(), node.mac, node.network, counter);
    case NodeKind::slot:
      return slot_encap(rule, spot, *form.slot, header(), counter);
    case NodeKind::mark:
      return egress_slot(rule, spot, node.mark, header(), counter);
    case NodeKind::steering: {
      const std::vector<uint16_t>& queues = rx_queues_[node.port];
      Spot here{port_ids_[node.port], 0, spot.tags, spot.any_source};
      if (!decapsulates(target)) return steer(rule, here, underlay(), queues);
      if (entry.variant == kKeepCongested) return ingress_congested(rule, here, underlay(), queues);
      here.priority = 1;
      return ingress_decap(rule, here, underlay(), row->now.id + 1, queues);
    }
    case NodeKind::fixed:
      if (entry.variant == kCongested) return congested(rule, spot, port_ids_[node.port]);
      if (entry.variant == kNoLeak) return no_leak(rule, spot);
      return egress_root(rule, spot);
  }
}

}  // namespace culvert::offload
