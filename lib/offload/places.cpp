// Which nodes a flow has, and a network: from what is configured, compared with what there is, so that a
// change touches only those that it concerns.
#include <algorithm>
#include <map>

#include "offload/engine.hpp"

namespace culvert::offload {

namespace {

tunnel::MaskedKey source_key(const std::optional<net::Mac>& mac) {
  tunnel::Match match;
  match.eth_src = mac;
  return tunnel::masked_key(match);
}

// The one that came with the flow, or, when that had another place, a new one.
std::unique_ptr<Node> explicit_node(Flow& flow) {
  return flow.made ? std::move(flow.made) : make_node(std::get<Explicit>(flow.spec.what));
}

NodePlace place_of(const Node& node) {
  const auto encap = node.encap != nullptr ? std::optional(node.encap->now.id) : std::nullopt;
  return {node.kind, node.target, node.port, encap, node.udp_port};
}

Target* switch_or_null(Target* target) { return target != nullptr && target->is_switch ? target : nullptr; }

// Tunnel packets of an encap, on whichever wire they come.
void add_tunnel_sources(std::vector<NodePlace>& places, Target& target, EncapId id) {
  for (const PortIndex wire : target.wires) places.push_back({NodeKind::tunnel_source, &target, wire, id});
}

}  // namespace

// --- Places. The first is a flow's own; those of its kind are too.

void Engine::add_places(const Explicit& what, Places& places) const {
  places.push_back({NodeKind::explicit_flow, switch_or_null(target_of(what.port)), what.port, what.encap});
}

void Engine::add_places(const PathTo& what, Places& places) const {
  const NetworkRow& network = networks_.at(what.network);
  Target* target = nullptr;  // the switch that a tenant's port of the network is on
  if (network.spec)
    for (const PortIndex port : network.spec->ports)
      if (Target* const one = switch_or_null(target_of(port))) target = one;
  places.push_back({NodeKind::path, target, 0, what.encap});
  if (target != nullptr && network.spec->learning) add_tunnel_sources(places, *target, what.encap);
}

void Engine::add_places(const StationAt& what, Places& places) const {
  if (what.vlan != 0) {
    places.push_back({NodeKind::station, nullptr, what.port, {}});
    return;
  }
  const NetworkRow& network = networks_.at(what.network);
  Target* const target = switch_or_null(target_of(what.port));
  for (const uint16_t udp_port : network.udp_ports)
    places.push_back({NodeKind::station, target, what.port, {}, udp_port});
  if (places.empty()) places.push_back({NodeKind::station, target, what.port, {}});
  if (target != nullptr && network.spec && network.spec->learning)
    places.push_back({NodeKind::tenant_source, target, what.port, {}});
}

// Without learning every frame of a tenant's port, and of a tunnel, may go on in the NIC.
void Engine::add_gates(const NetworkSpec& network, Places& places) const {
  if (network.learning) return;
  std::vector<Target*> targets;
  for (const PortIndex port : network.ports) {
    Target* const target = switch_or_null(target_of(port));
    if (target == nullptr) continue;
    places.push_back({NodeKind::tenant_source, target, port, {}});
    if (std::ranges::find(targets, target) == targets.end()) targets.push_back(target);
  }
  for (Target* const target : targets)
    for (const EncapId encap : network.encaps) add_tunnel_sources(places, *target, encap);
}

// --- Nodes.

// With those of the same portion of requests, before anything is decided: what their tables have to read
// arrives meanwhile.
void Engine::join(Claim& claim) {
  OverlapIndex<Claim>& index = claim.node->target->claims[claim.port];
  index.prefetch(claim);
  joining_.emplace_back(&index, &claim);
}

std::unique_ptr<Node> Engine::make_node(const NodePlace& place, const Whose& whose) {
  const bool is_explicit = place.kind == NodeKind::explicit_flow;
  auto made = is_explicit ? explicit_node(*whose.flow) : std::make_unique<Node>();
  Node& node = *made;
  prepare(node, place.kind, place.target);
  node.flow = whose.flow;
  node.network = whose.network;
  node.mac = whose.mac;
  node.port = place.port;
  node.udp_port = place.udp_port;
  if (place.kind == NodeKind::station)
    node.set_entries(place.target == nullptr || place.udp_port == 0 ? 0 : place.target->wires.size());
  else if (!is_explicit)
    node.set_entries(1);
  if (place.kind == NodeKind::tenant_source)
    node.claim.emplace(node, node.port, source_key(whose.mac), Order{kNetworkPriority, node.sequence});
  if (place.target == nullptr)
    node.claim.reset();
  else if (node.claim)
    join(*node.claim);
  if (place.kind == NodeKind::tunnel_source && place.target->tunnel_sources++ == 0)
    for (const auto& fixed : place.target->fixed) mark_dirty(*fixed);
  if (place.encap) {
    attach(node, encap(*place.encap));
    node.encap->nodes.add(&node);
  }
  return made;
}

void Engine::arrange(Nodes& nodes, const Places& places, const Whose& whose) {
  std::map<NodePlace, std::unique_ptr<Node>> before;
  for (auto& node : nodes) before.emplace(place_of(*node), std::move(node));
  nodes.clear();
  for (const NodePlace& place : places) {
    if (auto stays = before.extract(place)) {
      nodes.push_back(std::move(stays.mapped()));
      if (place.target == nullptr) mark_dirty(*nodes.back());  // why it has none may be another reason now
      continue;
    }
    nodes.push_back(make_node(place, whose));
    mark_dirty(*nodes.back());
  }
  for (auto& [place, node] : before) retire_node(std::move(node));
}

void Engine::arrange(Flow& flow) {
  if (flow.removed.load(std::memory_order_acquire) && flow.nodes.empty()) return;  // it never joined
  Whose whose{.flow = &flow, .network = network_of(flow).value_or(0)};
  if (const auto* const path = std::get_if<PathTo>(&flow.spec.what)) whose.mac = path->mac;
  if (const auto* const station = std::get_if<StationAt>(&flow.spec.what)) whose.mac = station->mac;
  places_.clear();
  std::visit([this](const auto& what) { add_places(what, places_); }, flow.spec.what);
  arrange(flow.nodes, places_, whose);
}

// --- Networks.

void Engine::apply(const SetNetworks& request) {
  std::unordered_set<NetworkId> wanted, changed;
  for (const NetworkSpec& spec : request.networks) {
    wanted.insert(spec.id);
    NetworkRow& row = networks_[spec.id];
    if (row.spec == spec) continue;
    row.spec = spec;
    changed.insert(spec.id);
  }
  for (auto& [id, row] : networks_) {
    if (row.spec && !wanted.contains(id)) {
      row.spec.reset();
      changed.insert(id);
    }
    if (changed.contains(id)) refresh(id, row);
  }
  std::erase_if(networks_, [](const auto& row) { return !row.second.spec && row.second.members.empty(); });
}

// Of paths and stations.
std::optional<NetworkId> Engine::network_of(const Flow& flow) {
  if (const auto* const path = std::get_if<PathTo>(&flow.spec.what)) return path->network;
  if (const auto* const station = std::get_if<StationAt>(&flow.spec.what)) return station->network;
  return std::nullopt;
}

void Engine::leave_network(Flow& flow) {
  const auto id = network_of(flow);
  const auto found = id ? networks_.find(*id) : networks_.end();
  if (found == networks_.end()) return;
  found->second.members.erase(&flow);
  if (!found->second.spec && found->second.members.empty()) networks_.erase(found);
}

// Its ports, tunnels or learning have changed, or how ports take rules.
void Engine::refresh(NetworkId id, NetworkRow& row) {
  row.udp_ports = row.spec ? udp_ports_of(*row.spec) : std::vector<uint16_t>();
  places_.clear();
  if (row.spec) add_gates(*row.spec, places_);
  arrange(row.gates, places_, {.network = id});
  for (Flow* const flow : row.members) arrange(*flow);
}

// A tunnel's UDP port may be new to its networks: their stations have a rule for each.
void Engine::udp_port_is(EncapId id, uint16_t port, std::optional<uint16_t> before) {
  if (before == port) return;
  for (auto& [network, row] : networks_) {
    if (!row.spec) continue;
    if (!before && std::ranges::find(row.udp_ports, port) != row.udp_ports.end()) continue;
    if (std::ranges::find(row.spec->encaps, id) == row.spec->encaps.end()) continue;
    refresh(network, row);
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

}  // namespace culvert::offload
