// Requests: what each makes of nodes. What then becomes of a node is decided in decide.cpp.
#include "offload/engine.hpp"

#include "offload/trace.hpp"

#include <algorithm>
#include <thread>
#include <tuple>

#include "base/log.hpp"

namespace culvert::offload {

namespace {

using namespace std::chrono_literals;

const Log kLog("offload");

constexpr size_t kDecideBudget = 1024;  // nodes a turn
constexpr size_t kReclaimBudget = 256;
constexpr Duration kShutdownLimit = 5s;

// What a terminated tunnel's packets are known by.
auto underlay_of(const tunnel::Tunnel& tunnel) {
  return std::tie(tunnel.remote, tunnel.local, tunnel.dst_port, tunnel.vni);
}

tunnel::MaskedKey source_key(const std::optional<net::Mac>& mac) {
  tunnel::Match match;
  match.eth_src = mac;
  return tunnel::masked_key(match);
}

}  // namespace

Engine::Engine(Setup setup)
    : mode_(setup.mode),
      domain_(*setup.domain),
      table_(*setup.table),
      targets_(std::move(setup.targets)),
      target_of_port_(setup.port_ids.size(), nullptr),
      port_ids_(std::move(setup.port_ids)),
      rx_queues_(std::move(setup.rx_queues)),
      isolated_(std::move(setup.isolated)),
      encap_states_(setup.encaps),
      wake_control_(std::move(setup.wake_control)),
      retired_(domain_) {
  for (const auto& target : targets_) {
    for (const PortIndex port : target->ports) target_of_port_[port] = target.get();
    make_fixed(*target);
  }
}

Engine::~Engine() = default;

void Engine::turn(std::chrono::microseconds limit) {
  const bool busy = !dirty_.empty() || std::ranges::any_of(targets_, [](const auto& target) {
    return std::ranges::any_of(target->queues(), [](const auto* queue) { return queue->in_flight() != 0; });
  });
  std::vector<Request> requests = mailbox_.take(busy ? 0us : limit);
  for (Request& request : requests) std::visit([this](auto& one) { apply(one); }, request);

  std::vector<Node*> dirty;
  dirty.swap(dirty_);
  size_t done = 0;
  for (; done < std::min(dirty.size(), kDecideBudget); ++done) {
    dirty[done]->dirty = false;
    decide(*dirty[done]);
  }
  dirty_.insert(dirty_.begin(), dirty.begin() + static_cast<std::ptrdiff_t>(done), dirty.end());

  for (const auto& target : targets_) {
    completions_.clear();
    for (RuleQueue* const queue : target->queues()) queue->pull(completions_);
    for (const Completion& completion : completions_) complete(*target, completion);
  }
  const TimePoint now = Clock::now();
  retry(now);
  read_counters(now);
  reap();
  retired_.reclaim(kReclaimBudget);
  while (!barriers_.empty() && (settling_.empty() || settling_.begin()->first > barriers_.begin()->first)) {
    barriers_.begin()->second();
    barriers_.erase(barriers_.begin());
  }
}

void Engine::shutdown() {
  for (auto& [id, row] : encaps_) {
    row->now.rule.reset();
    row->now.terminated = false;
    row->removed = true;
  }
  ending_ = true;
  for (auto& [flow, owned] : flows_)
    for (const auto& node : flow->nodes) mark_dirty(*node);
  for (auto& [id, row] : encaps_) {
    if (row->slot) mark_dirty(*row->slot);
    for (const auto& node : row->marks) mark_dirty(*node);
    for (const auto& node : row->terminations) mark_dirty(*node);
  }
  for (auto& [id, nodes] : gates_)
    for (const auto& node : nodes) mark_dirty(*node);
  const TimePoint deadline = Clock::now() + kShutdownLimit;
  const auto empty = [this] {
    return std::ranges::all_of(targets_,
                               [](const auto& target) { return target->rules <= target->fixed_rules(); });
  };
  while (!empty() && Clock::now() < deadline) turn(1ms);
  // The rules that keep inner frames off the underlay go last.
  for (const auto& target : targets_)
    for (const auto& node : target->fixed) {
      node->doomed = true;
      mark_dirty(*node);
    }
  while (std::ranges::any_of(targets_, [](const auto& target) { return target->rules != 0; }) &&
         Clock::now() < deadline)
    turn(1ms);
  for (const auto& target : targets_)
    if (target->rules != 0) kLog.warning("{}: {} rules could not be withdrawn", target->name, target->rules);
}

std::vector<Event> Engine::take_events() {
  const std::lock_guard lock(events_mutex_);
  return std::exchange(events_, {});
}

Latency Engine::latency() const {
  const std::lock_guard lock(events_mutex_);
  return latency_;
}

Operations Engine::operations() const {
  Operations sum{created_.load(std::memory_order_relaxed), destroyed_.load(std::memory_order_relaxed),
                 refused_.load(std::memory_order_relaxed)};
  sum.rules = sum.created - sum.destroyed;
  return sum;
}

void Engine::leave(const Event& event) {
  bool first = false;
  {
    const std::lock_guard lock(events_mutex_);
    first = events_.empty();
    events_.push_back(event);
  }
  if (first && wake_control_) wake_control_();
}

Target* Engine::target_of(PortIndex port) const {
  Target* const target = port < target_of_port_.size() ? target_of_port_[port] : nullptr;
  return target != nullptr && target->queue ? target : nullptr;
}

EncapRow& Engine::encap(EncapId id) {
  auto& row = encaps_[id];
  if (!row) {
    row = std::make_unique<EncapRow>();
    row->now.id = id;
  }
  return *row;
}

Node& Engine::add_node(std::vector<std::unique_ptr<Node>>& nodes, NodeKind kind, Target* target) {
  Node& node = *nodes.emplace_back(std::make_unique<Node>());
  prepare(node, kind, target);
  return node;
}

void Engine::prepare(Node& node, NodeKind kind, Target* target) {
  node.kind = kind;
  node.target = target;
  node.sequence = ++next_sequence_;
}

void Engine::set_entries(Node& node, size_t count) {
  node.entries.resize(count);
  for (size_t i = 0; i < count; ++i) {
    node.entries[i].node = &node;
    node.entries[i].variant = static_cast<uint8_t>(i);
  }
}

void Engine::set_claim(Node& node, PortIndex port, const tunnel::MaskedKey& key, const Order& order) {
  if (node.target == nullptr) return;
  node.claim = std::make_unique<Claim>();
  node.claim->node = &node;
  node.claim->port = port;
  node.claim->key = key;
  node.claim->order = order;
  node.target->claims[port].add(key, node.claim.get());
}

// --- Flows.

void Engine::apply(AddFlow& request) {
  Flow& flow = *request.flow;
  flows_.emplace(&flow, std::move(request.flow));
  trace_flow_add(flow.spec);
  if (!flow.removed.load(std::memory_order_acquire)) join(flow);
  flow.init_done.store(true, std::memory_order_release);
  if (early_removals_.erase(&flow) != 0) apply(RemoveFlow{&flow});
}

void Engine::apply(const RemoveFlow& request) {
  Flow& flow = *request.flow;
  const auto found = flows_.find(&flow);
  if (found == flows_.end()) {
    early_removals_.insert(&flow);
    return;
  }
  trace_flow_del(flow.spec);
  flow.give();  // the remover's
  for (const auto& node : flow.nodes) doom(*node);
  leaving_flows_.insert(flows_.extract(found));
  look_whether_gone(flow);
}

void Engine::join(Flow& flow) {
  std::visit([&](const auto& what) { join(flow, what); }, flow.spec.what);
  for (const auto& node : flow.nodes) {
    node->flow = &flow;
    mark_dirty(*node);
  }
}

void Engine::join(Flow& flow, const Explicit& what) {
  Target* target = target_of(what.port);
  if (target != nullptr && !target->is_switch) target = nullptr;
  Node& node = add_node(flow.nodes, NodeKind::explicit_flow, target);
  node.port = what.port;
  node.matches = rule_matches(what.match);
  set_entries(node, node.matches.size());
  set_claim(node, what.port, tunnel::masked_key(what.match), {what.priority, what.sequence});
  attach(node, what.encap);
}

void Engine::join(Flow& flow, const PathTo& what) {
  const auto network = networks_.find(what.network);
  Target* target = nullptr;  // the switch that a tenant's port of the network is on
  if (network != networks_.end())
    for (const PortIndex port : network->second.ports)
      if (Target* const one = target_of(port); one != nullptr && one->is_switch) target = one;
  Node& path = add_node(flow.nodes, NodeKind::path, target);
  path.network = what.network;
  path.mac = what.mac;
  set_entries(path, 1);
  attach(path, what.encap);
  if (target == nullptr || !network->second.learning) return;
  add_tunnel_sources(flow.nodes, *target, what.network, what.encap, what.mac);
}

void Engine::join(Flow& flow, const StationAt& what) {
  Target* target = target_of(what.port);
  if (target != nullptr && !target->is_switch) target = nullptr;
  Node& station = add_node(flow.nodes, NodeKind::station, target);
  station.network = what.network;
  station.mac = what.mac;
  station.port = what.port;
  const auto network = networks_.find(what.network);
  if (target == nullptr || network == networks_.end()) return;
  station.udp_ports = udp_ports_of(network->second);
  set_entries(station, station.udp_ports.size() * target->wires.size());
  if (!network->second.learning) return;
  Node& source = add_node(flow.nodes, NodeKind::tenant_source, target);
  source.network = what.network;
  source.mac = what.mac;
  source.port = what.port;
  set_entries(source, 1);
  set_claim(source, what.port, source_key(what.mac), {kNetworkPriority, source.sequence});
}

void Engine::add_tunnel_sources(std::vector<std::unique_ptr<Node>>& nodes, Target& target, NetworkId network,
                                EncapId id, const std::optional<net::Mac>& mac) {
  for (const PortIndex wire : target.wires) {
    Node& source = add_node(nodes, NodeKind::tunnel_source, &target);
    source.network = network;
    source.mac = mac;
    source.port = wire;
    set_entries(source, 1);
    attach(source, id);
    if (target.tunnel_sources++ == 0)
      for (const auto& fixed : target.fixed) mark_dirty(*fixed);
  }
}

std::vector<uint16_t> Engine::udp_ports_of(const NetworkSpec& network) const {
  std::vector<uint16_t> ports;
  for (const EncapId id : network.encaps) {
    const auto row = encaps_.find(id);
    if (row == encaps_.end()) continue;
    const uint16_t port = row->second->now.tunnel.dst_port;
    if (std::ranges::find(ports, port) == ports.end()) ports.push_back(port);
  }
  return ports;
}

void Engine::attach(Node& node, EncapId id) {
  node.encap = id;
  node.has_encap = true;
  encap(id).nodes.insert(&node);
}

// --- Encaps.

void Engine::apply(const SetEncap& request) {
  const EncapUpdate& update = *request.update;
  EncapRow& row = encap(update.id);
  const bool was_valid = row.now.rule.has_value();
  const Target* const before = was_valid ? target_of(row.now.rule->port) : nullptr;
  const bool same_header = was_valid && update.rule && *row.now.rule == *update.rule;
  const bool same_terms = row.known && row.now.tunnel == update.tunnel;
  const bool same_underlay = row.known && underlay_of(row.now.tunnel) == underlay_of(update.tunnel);
  const bool same_end = row.now.terminated == update.terminated;
  row.now = update;
  if (!same_underlay) row.terms = update.generation;
  row.known = true;
  row.removed = false;
  row.timed = update.since != TimePoint{};
  Target* const target = update.rule ? target_of(update.rule->port) : nullptr;
  refresh_slot(row, target);
  if (!same_underlay) {
    refresh_terminations(row);
    refresh_stations(update.id);
  }
  for (const auto& node : row.terminations) mark_dirty(*node);
  // In the tagged layout a new header is the slot's business alone, and so is a next hop that went.
  const bool slot_only =
      same_terms && same_end && was_valid && row.slot && (target == before || target == nullptr);
  if (!slot_only || !same_header) trace_neigh_update(row.now);
  if (slot_only) return;
  for (Node* node : row.nodes) mark_dirty(*node);
}

void Engine::refresh_slot(EncapRow& row, Target* target) {
  if (row.slot && target != nullptr && row.slot->target != target) retire_node(std::move(row.slot));
  // A mark that the workers know of goes when they are drained of it.
  retire_marks(row, [](const Node& mark) { return !mark.told; });
  if (target != nullptr && target->is_switch && target->tagged && !row.slot) {
    row.slot = std::make_unique<Node>();
    prepare(*row.slot, NodeKind::slot, target);
    row.slot->encap = row.now.id;
    row.slot->has_encap = true;
    set_entries(*row.slot, 1);
  }
  if (row.slot) mark_dirty(*row.slot);
  if (target != nullptr && !target->is_switch && target->able.egress) {
    Node& mark = *row.marks.emplace_back(std::make_unique<Node>());
    prepare(mark, NodeKind::mark, target);
    mark.encap = row.now.id;
    mark.has_encap = true;
    mark.mark = mark_of(next_mark());
    mark.generation = row.now.generation;
    set_entries(mark, 1);
    mark_dirty(mark);
  }
}

void Engine::refresh_terminations(EncapRow& row) {
  for (auto& node : row.terminations) retire_node(std::move(node));
  row.terminations.clear();
  for (size_t i = 0; i < isolated_.size(); ++i) {
    const auto port = static_cast<PortIndex>(i);
    Target* const target = target_of(port);
    if (target == nullptr || std::ranges::find(target->wires, port) == target->wires.end()) continue;
    if (target->is_switch && !isolated_[port]) continue;
    Node& node = *row.terminations.emplace_back(std::make_unique<Node>());
    prepare(node, NodeKind::steering, target);
    node.encap = row.now.id;
    node.has_encap = true;
    node.port = port;
    set_entries(node, decapsulates(*target) ? 2 : 1);
  }
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
  tell(shared.reason, {});
}

void Engine::apply(const Drained& request) {
  const auto found = encaps_.find(request.encap);
  if (found == encaps_.end()) return;
  retire_marks(*found->second, [&](const Node& mark) { return mark.generation < request.generation; });
}

// --- Networks.

void Engine::apply(const SetNetworks& request) {
  std::unordered_map<NetworkId, NetworkSpec> before = std::exchange(networks_, {});
  for (const NetworkSpec& network : request.networks) networks_[network.id] = network;
  std::vector<NetworkId> changed;
  for (const auto& [id, network] : networks_)
    if (const auto old = before.find(id); old == before.end() || old->second != network)
      changed.push_back(id);
  for (const auto& [id, network] : before)
    if (!networks_.contains(id)) changed.push_back(id);
  for (const NetworkId id : changed) refresh_gates(id);
  // Where a network's flows stand depends on its ports, tunnels and learning: they are placed anew.
  for (const auto& [flow, owned] : flows_) {
    const auto* const path = std::get_if<PathTo>(&flow->spec.what);
    const auto* const station = std::get_if<StationAt>(&flow->spec.what);
    if (path == nullptr && station == nullptr) continue;
    const NetworkId id = path != nullptr ? path->network : station->network;
    if (std::ranges::find(changed, id) == changed.end()) continue;
    place_anew(*flow);
  }
}

void Engine::place_anew(Flow& flow) {
  for (auto& node : flow.nodes) retire_node(std::move(node));
  flow.nodes.clear();
  join(flow);
}

// The tunnel's UDP port may be new to its networks: their stations have a rule for each.
void Engine::refresh_stations(EncapId id) {
  for (const auto& [network, spec] : networks_) {
    if (std::ranges::find(spec.encaps, id) == spec.encaps.end()) continue;
    const std::vector<uint16_t> ports = udp_ports_of(spec);
    for (const auto& [flow, owned] : flows_) {
      const auto* const station = std::get_if<StationAt>(&flow->spec.what);
      if (station == nullptr || station->network != network || flow->nodes.empty()) continue;
      const Node& node = *flow->nodes.front();
      if (node.target != nullptr && node.udp_ports != ports) place_anew(*flow);
    }
  }
}

// Without learning every frame of a tenant's port, and of a tunnel, may go on in the NIC.
void Engine::refresh_gates(NetworkId id) {
  auto& gates = gates_[id];
  for (auto& node : gates) retire_node(std::move(node));
  gates.clear();
  const auto found = networks_.find(id);
  if (found == networks_.end() || found->second.learning) return;
  for (const PortIndex port : found->second.ports) {
    Target* const target = target_of(port);
    if (target == nullptr || !target->is_switch) continue;
    Node& gate = add_node(gates, NodeKind::tenant_source, target);
    gate.network = id;
    gate.port = port;
    set_entries(gate, 1);
    set_claim(gate, port, source_key(std::nullopt), {kNetworkPriority, gate.sequence});
    for (const EncapId encap : found->second.encaps)
      add_tunnel_sources(gates, *target, id, encap, std::nullopt);
  }
  for (const auto& gate : gates) mark_dirty(*gate);
}

void Engine::apply(Barrier& request) { barriers_.emplace(++moment_, std::move(request.done)); }

// --- Ends.

// The node's rules are withdrawn; then it may be freed.
void Engine::doom(Node& node) {
  if (std::exchange(node.doomed, true)) return;
  mark_dirty(node);
  if (node.kind == NodeKind::tunnel_source && --node.target->tunnel_sources == 0)
    for (const auto& fixed : node.target->fixed) mark_dirty(*fixed);
}

void Engine::retire_node(std::unique_ptr<Node> node) {
  node->flow = nullptr;
  doom(*node);
  doomed_.push_back(std::move(node));
}

template <typename Goes>
void Engine::retire_marks(EncapRow& row, Goes goes) {
  std::erase_if(row.marks, [&](std::unique_ptr<Node>& mark) {
    if (!goes(*mark)) return false;
    retire_node(std::move(mark));
    return true;
  });
}

// True: nothing of it is in the NIC or refers to it any more.
bool Engine::release(Node& node) {
  if (!node.doomed || node.dirty || node.settling != 0 || node.has_rules()) return false;
  if (node.counter != nullptr) {
    if (const Status gone = node.target->queue->destroy_counter(node.counter); !gone)
      kLog.warning("{}: a counter could not be given back: {}", node.target->name, gone.error().message);
    node.counter = nullptr;
  }
  if (node.claim) node.target->claims[node.claim->port].remove(node.claim->key, node.claim.get());
  node.claim.reset();
  stop_counting(node);
  no_room_wanted(node);
  if (const auto row = encaps_.find(node.encap); node.has_encap && row != encaps_.end()) {
    row->second->nodes.erase(&node);
    encaps_leaving_ = encaps_leaving_ || row->second->removed;
  }
  return true;
}

void Engine::look_whether_gone(Flow& flow) {
  if (!std::exchange(flow.may_be_gone, true)) perhaps_gone_.push_back(&flow);
}

void Engine::reap() {
  std::erase_if(doomed_, [this](const auto& node) { return release(*node); });
  for (Flow* const flow : std::exchange(perhaps_gone_, {})) {
    flow->may_be_gone = false;
    if (!std::ranges::all_of(flow->nodes, [this](const auto& node) { return release(*node); })) continue;
    if (!std::exchange(flow->released, true)) flow->give();  // the engine's own
    if (flow->references.load(std::memory_order_acquire) != 0) {
      look_whether_gone(*flow);
      continue;
    }
    table_.release(flow->id);
    retired_.retire(std::move(leaving_flows_.extract(flow).mapped()));
  }
  if (!std::exchange(encaps_leaving_, false)) return;
  std::erase_if(encaps_, [](const auto& entry) {
    const EncapRow& row = *entry.second;
    return row.removed && row.nodes.empty() && row.marks.empty() && row.unsettled == 0;
  });
}

void Engine::make_fixed(Target& target) {
  const auto add = [&](uint8_t variant, PortIndex port) {
    Node& node = add_node(target.fixed, NodeKind::fixed, &target);
    node.port = port;
    set_entries(node, 1);
    node.entries[0].variant = variant;
    mark_dirty(node);
  };
  if (!target.queue) return;
  if (target.is_switch && mode_ != Mode::off)
    for (const PortIndex wire : target.wires) add(kCongested, wire);
  if (!target.is_switch && target.able.egress)
    for (const uint8_t variant : {kEgressRoot, kNoLeak}) add(variant, target.ports.front());
}

// Does a plain NIC take the outer headers off what it steers?
bool Engine::decapsulates(const Target& target) const {
  return !target.is_switch && mode_ != Mode::off && target.able.decap;
}

uint32_t Engine::next_mark() { return next_mark_ = (next_mark_ + 1) & (kMarkBit - 1); }

}  // namespace culvert::offload
