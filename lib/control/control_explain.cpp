// `flow explain`: the way of a flow from its match to its rule, as far as the kernel's tables decide it.

#include "control/control.hpp"

namespace culvert::control {

void Control::explain_flow(const std::string& name, std::function<void(Result<std::string>)> done) {
  std::string match;
  std::optional<resolver::EncapId> encap;
  if (const FlowStore::Row* const row = flows_.find(name)) {
    match = fmt::format("{}, from port {}, priority {}", tunnel::to_string(row->flow.match), row->flow.port,
                        row->flow.priority);
    encap = tunnels_.at(row->flow.tunnel);
  } else if (const auto seen = hardware_->flow(name); seen && seen->station) {
    match = match_of_network(*seen);
    encap = seen->encap;
  } else {
    done(error("there is no flow '{}'; show flows lists them", name));
    return;
  }
  std::string text = fmt::format("match      {}\n", match);
  if (encap) text += explain_tunnel(resolver_->at(*encap));
  explain_offload(name, [text, done = std::move(done)](const Result<std::string>& rest) {
    done(rest ? Result<std::string>(text + *rest) : rest);
  });
}

// Of a flow that a network has made of a station.
std::string Control::match_of_network(const offload::FlowView& flow) const {
  const std::string network = hardware_->network_name(flow.network);
  if (!flow.port) return fmt::format("frames of network {} to {}", network, *flow.station);
  return fmt::format("frames out of tunnels of network {} to {}, which is at port {}", network, *flow.station,
                     ports_[*flow.port]->name());
}

std::string Control::explain_tunnel(const resolver::Adjacency& adjacency) const {
  const tunnel::Tunnel& tunnel = adjacency.tunnel;
  std::string text = fmt::format("tunnel     {}: vxlan VNI {} from {} to {}, UDP port {}\n", tunnel.name,
                                 tunnel.vni, tunnel.local, tunnel.remote, tunnel.dst_port);
  if (const auto route = route_to(tunnel.remote, tunnel.table, tunnel.local)) {
    const RouteView seen = view(*route);
    text += fmt::format("route      {} in table {}, {}, of {}\n", seen.prefix, seen.table_name, seen.type,
                        seen.protocol);
  } else {
    text += fmt::format("route      none to {}\n", tunnel.remote);
  }
  if (adjacency.rule)
    text += fmt::format("nexthop    {} out of port {}\n", adjacency.rule->via,
                        ports_[adjacency.rule->port]->name());
  if (adjacency.neighbour) text += explain_neighbour(*adjacency.neighbour);
  return text;
}

std::string Control::explain_neighbour(const resolver::NeighbourKey& key) const {
  const mirror::Neighbour* neighbour = mirror_->neighbour(key.first, key.second);
  const std::string where = fmt::format("{} on {}", key.second, netdev_name(key.first));
  if (neighbour == nullptr) return fmt::format("neighbour  {}: the kernel has none\n", where);
  return fmt::format("neighbour  {}: {}, {}\n", where,
                     neighbour->mac ? neighbour->mac->to_string() : "no MAC", neighbour->nud_name());
}

}  // namespace culvert::control
