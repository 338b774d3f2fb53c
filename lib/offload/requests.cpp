// Requests: what each makes of nodes. What then becomes of a node is decided in decide.cpp.
#include <algorithm>
#include <tuple>

#include "offload/engine.hpp"
#include "offload/targets.hpp"
#include "offload/trace.hpp"

namespace culvert::offload {

namespace {

// What a terminated tunnel's packets are known by.
auto underlay_of(const tunnel::Tunnel& tunnel) {
  return std::tie(tunnel.remote, tunnel.local, tunnel.dst_port, tunnel.vni);
}

}  // namespace

// --- Flows.

void Engine::apply(AddFlow& request) {
  Flow& flow = *request.flow;
  flows_.add(std::move(request.flow));
  flow.joined = true;
  trace_flow_add(flow.spec);
  if (!flow.removed.load(std::memory_order_acquire)) {
    if (const auto network = network_of(flow)) networks_[*network].members.insert(&flow);
    arrange(flow);
  }
  flow.init_done.store(true, std::memory_order_release);
  if (request.old != nullptr) take_over(flow, *request.old);
  if (early_removals_.erase(&flow) != 0) remove(flow, 0);
}

// While what takes its place is under way, a flow carries its packets as before: else one of lower precedence
// would have them for a while. Of several that were replaced one after the other those that carry nothing go
// at once.
void Engine::take_over(Flow& flow, Flow& old) {
  const bool in_nic =
      old.joined && std::ranges::any_of(old.nodes, [](const auto& node) { return node->has_rules(); });
  if (in_nic) {
    flow.replaces = &old;
    return;
  }
  flow.replaces = std::exchange(old.replaces, nullptr);
  apply(RemoveFlow{&old});
}

void Engine::apply(const RemoveFlow& request) {
  if (request.flow->joined)
    remove(*request.flow, 0);
  else
    early_removals_.insert(request.flow);
}

// With what it had yet to take the place of. `since`: the moment of what it goes for; 0: now.
void Engine::remove(Flow& flow, uint64_t since) {
  for (Flow* gone = &flow; gone != nullptr;) {
    Flow* const before = std::exchange(gone->replaces, nullptr);
    trace_flow_del(gone->spec);
    leave_network(*gone);
    gone->give();  // the remover's
    for (const auto& node : gone->nodes) doom(*node, since);
    leaving_.add(flows_.take(*gone));
    gone->joined = false;
    look_whether_gone(*gone);
    gone = before;
  }
}

// --- Encaps.

void Engine::apply(const SetEncap& request) {
  const EncapUpdate& update = *request.update;
  EncapRow& row = encap(update.id);
  const bool was_valid = row.now.rule.has_value();
  if (row.known && was_valid && row.now.generation == update.generation) {
    const TimePoint since = row.now.since;
    row.now = update;  // nothing that the NIC would see
    row.now.since = since;
    return;
  }
  const Target* const before = was_valid ? target_of(row.now.rule->port) : nullptr;
  const bool same_terms = row.known && row.now.tunnel == update.tunnel;
  const bool same_underlay = row.known && underlay_of(row.now.tunnel) == underlay_of(update.tunnel);
  const bool same_end = row.now.terminated == update.terminated;
  const auto udp_port = row.known ? std::optional(row.now.tunnel.dst_port) : std::nullopt;
  if (!row.known) {
    row.slot_number = next_slot_++;
    row.first = update.generation;
  }
  row.now = update;
  if (!same_underlay) row.terms = update.generation;
  row.known = true;
  row.removed = false;
  row.timed = update.since != TimePoint{};
  trace_neigh_update(row.now);
  Target* const target = update.rule ? target_of(update.rule->port) : nullptr;
  refresh_slot(row, target);
  refresh_terminations(row, same_underlay);
  udp_port_is(update.id, update.tunnel.dst_port, udp_port);
  for (const auto& node : row.terminations) mark_dirty(*node);
  // In the tagged layout a new header is the slot's business alone, and so is a next hop that went.
  const bool slot_only =
      same_terms && same_end && was_valid && row.slot && (target == before || target == nullptr);
  if (slot_only) return;
  for (Node* node : row.nodes) mark_dirty(*node);
}

void Engine::refresh_slot(EncapRow& row, Target* target) {
  if (row.slot && (!row.slot->target->tagged || (target != nullptr && row.slot->target != target))) {
    retire_node(std::move(row.slot));
    encap_states_[row.now.id].slot.store(EncapState::Slot::none, std::memory_order_release);
  }
  // A mark that the workers know of goes when they are drained of it.
  retire_marks(row, [&](const Node& mark) {
    return !mark.told && (mode_ == Mode::off || mark.generation != row.now.generation);
  });
  if (target != nullptr && target->is_switch && target->tagged && !row.slot) {
    row.slot = std::make_unique<Node>();
    prepare(*row.slot, NodeKind::slot, target);
    attach(*row.slot, row);
    row.slot->set_entries(1);
  }
  if (row.slot) mark_dirty(*row.slot);
  if (target == nullptr || target->is_switch || !target->able.egress || mode_ == Mode::off) return;
  if (!row.marks.empty() && row.marks.back()->generation == row.now.generation) return;
  Node& mark = *row.marks.emplace_back(std::make_unique<Node>());
  prepare(mark, NodeKind::mark, target);
  attach(mark, row);
  mark.mark = mark_of(next_mark());
  mark.generation = row.now.generation;
  mark.set_entries(1);
  mark_dirty(mark);
}

// The new ones first: where the NIC has room for both no packet meets a gap.
void Engine::refresh_terminations(EncapRow& row, bool same_underlay) {
  auto before = std::exchange(row.terminations, {});
  for (size_t i = 0; i < isolated_.size(); ++i) {
    const auto port = static_cast<PortIndex>(i);
    // An isolated port needs it, whatever else its driver does not take.
    Target* const target = target_of_port_[port];
    if (target == nullptr || !target->queue) continue;
    if (std::ranges::find(target->wires, port) == target->wires.end()) continue;
    if (!isolated_[port] && (target->is_switch || !target->unable.empty())) continue;
    const size_t rules = decapsulates(*target) ? 2 : 1;
    const auto stays = std::ranges::find_if(before, [&](const auto& node) {
      return same_underlay && node->port == port && node->entries.size() == rules;
    });
    if (stays != before.end()) {
      row.terminations.push_back(std::move(*stays));
      before.erase(stays);
      continue;
    }
    Node& node = *row.terminations.emplace_back(std::make_unique<Node>());
    prepare(node, NodeKind::steering, target);
    attach(node, row);
    node.port = port;
    node.set_entries(rules);
    mark_dirty(node);
  }
  for (auto& node : before) retire_node(std::move(node));
}

void Engine::apply(const RemoveEncap& request) {
  EncapRow& row = encap(request.id);
  row.known = false;
  row.removed = encaps_leaving_ = true;
  row.now.rule.reset();
  row.now.reason = "the tunnel was deleted";
  row.now.terminated = false;
  if (row.slot) retire_node(std::move(row.slot));
  retire_marks(row, [](const Node& mark) { return !mark.told; });
  for (auto& node : row.terminations) retire_node(std::move(node));
  row.terminations.clear();
  for (Node* node : row.nodes) mark_dirty(*node);
  EncapState& shared = encap_states_[request.id];
  shared.slot.store(EncapState::Slot::none, std::memory_order_release);
  shared.packets.store(0, std::memory_order_relaxed);
  shared.bytes.store(0, std::memory_order_relaxed);
  tell(shared.reason, nullptr);
}

void Engine::apply(const Drained& request) {
  const auto found = encaps_.find(request.encap);
  if (found == encaps_.end()) return;
  retire_marks(*found->second, [&](const Node& mark) { return mark.generation < request.generation; });
}

// --- All of it.

// Rules of the one layout become those of the other as any rule changes.
void Engine::apply(const SetMode& request) {
  mode_ = request.mode;
  for (const auto& target : targets_) choose_layout(*target, request.layout);
  for (auto& [id, row] : networks_) refresh(id, row);
  for (const auto& flow : flows_)
    if (!network_of(*flow)) arrange(*flow);  // the others are their networks'
  for (auto& [id, row] : encaps_) {
    if (!row->known) continue;
    refresh_slot(*row, row->now.rule ? target_of(row->now.rule->port) : nullptr);
    refresh_terminations(*row, true);
  }
  each_node([this](Node& node) { mark_dirty(node); });
}

// A switch goes with the port that its rules are made on; with another one just what is made of that port's
// packets.
void Engine::apply(const RemovePort& request) {
  Target* const target = target_of_port_[request.port];
  removed_[request.port] = true;
  if (target == nullptr) return;
  if (target->port_id == port_ids_[request.port]) {
    target->removed = true;
    choose_layout(*target, LayoutWish::automatic);
    if (target->queue) give_up(*target, target->queue);
  }
  if (const auto own = target->wire_queues.find(request.port); own != target->wire_queues.end())
    give_up(*target, own->second);
  each_node([this](Node& node) { mark_dirty(node); });
}

// The rules of a queue are gone with its device, those too that were on their way in or out.
void Engine::give_up(Target& target, std::unique_ptr<RuleQueue>& queue) {
  std::vector<Completion> interrupted;
  each_node([&](Node& node) {
    if (node.target != &target || &target.queue_of(node) != queue.get()) return;
    for (Entry& entry : node.entries) {
      auto* const cookie = static_cast<Cookie*>(&entry);
      if (entry.busy == Entry::Busy::creating)
        interrupted.push_back({cookie, Operation::create, nullptr, removed_error()});
      if (entry.busy == Entry::Busy::destroying)
        interrupted.push_back({cookie, Operation::destroy, entry.moving.handle, {}});
    }
    node.counter = nullptr;
  });
  const size_t leftovers = target.leftovers.size();
  target.leftovers.remove_if([&](const Target::Leftover& rule) { return &rule.queue == queue.get(); });
  const size_t forgotten = leftovers - target.leftovers.size();
  target.rules -= static_cast<uint32_t>(forgotten);
  destroyed_.fetch_add(forgotten, std::memory_order_release);
  queue = make_removed_queue(queue->port_id(), std::move(interrupted));
}

void Engine::apply(Barrier& request) { barriers_.emplace(moment_++, std::move(request.done)); }

// Does a plain NIC take the outer headers off what it steers?
bool Engine::decapsulates(const Target& target) const {
  return !target.is_switch && mode_ != Mode::off && target.unable.empty() && target.able.decap;
}

uint32_t Engine::next_mark() { return next_mark_ = (next_mark_ + 1) & (kMarkBit - 1); }

}  // namespace culvert::offload
