// `flow explain`: the way of a flow from its match to its rule, as far as the kernel's tables decide it.

#include "control/control.hpp"

namespace culvert::control {

void Control::explain_flow(const std::string& name, std::function<void(Result<std::string>)> done) {
  const FlowStore::Row* row = flows_.find(name);
  if (row == nullptr) {
    done(error("there is no flow '{}'; show flows lists them", name));
    return;
  }
  const tunnel::Flow& flow = row->flow;
  const resolver::Adjacency& adjacency = resolver_->at(tunnels_.at(flow.tunnel));
  const tunnel::Tunnel& tunnel = adjacency.tunnel;
  std::string text = fmt::format("match      {}, from port {}, priority {}\n", tunnel::to_string(flow.match),
                                 flow.port, flow.priority);
  text += fmt::format("tunnel     {}: vxlan VNI {} from {} to {}, UDP port {}\n", tunnel.name, tunnel.vni,
                      tunnel.local, tunnel.remote, tunnel.dst_port);
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
  explain_offload(*row, [text, done = std::move(done)](const Result<std::string>& rest) {
    done(rest ? Result<std::string>(text + *rest) : rest);
  });
}

std::string Control::explain_neighbour(const resolver::NeighbourKey& key) const {
  const mirror::Neighbour* neighbour = mirror_->neighbour(key.first, key.second);
  const std::string where = fmt::format("{} on {}", key.second, netdev_name(key.first));
  if (neighbour == nullptr) return fmt::format("neighbour  {}: the kernel has none\n", where);
  return fmt::format("neighbour  {}: {}, {}\n", where,
                     neighbour->mac ? neighbour->mac->to_string() : "no MAC", neighbour->nud_name());
}

}  // namespace culvert::control
