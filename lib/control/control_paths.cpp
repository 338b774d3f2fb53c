// Where MACs are: what the kernel, the configuration and the shell say to it.

#include <algorithm>
#include <chrono>

#include "base/log.hpp"
#include "base/near_match.hpp"
#include "control/control.hpp"

namespace culvert::control {

namespace {

const Log kLog("control");

std::string place_name(const config::StaticPath& path) {
  if (!path.tunnel.empty()) return "tunnel " + path.tunnel;
  return path.vlan ? fmt::format("VLAN {} of port {}", *path.vlan, path.port) : "port " + path.port;
}

bool is_member(const config::Network& network, const config::StaticPath& path) {
  return path.tunnel.empty()
             ? std::ranges::find(network.ports, config::Member{path.port, path.vlan}) != network.ports.end()
             : std::ranges::find(network.tunnels, path.tunnel) != network.tunnels.end();
}

const config::Network* find_l2(const config::Config& config, const std::string& name) {
  const auto found = std::ranges::find(config.networks, name, &config::Network::name);
  return found == config.networks.end() || found->type != config::Network::Type::l2 ? nullptr : &*found;
}

}  // namespace

// The kernel's own neighbour table says how many destinations a host talks to (gc_thresh3) and how long it
// remembers one (gc_interval): doc/architecture.md.
void Control::follow_neighbour_cache() {
  const netlink::NeighbourCache cache = neighbour_ageing_.cache();
  dataplane_->set_collector_period(std::chrono::ceil<std::chrono::seconds>(cache.gc_interval));
  dataplane_->set_path_buckets(cache.gc_thresh3);
}

std::vector<std::string> Control::networks() {
  std::vector<std::string> names;
  for (const config::Network& network : config_.networks) names.push_back(network.name);
  return names;
}

Result<const config::Network*> Control::l2_network(const std::string& name) const {
  if (const config::Network* network = find_l2(config_, name)) return network;
  std::vector<std::string> known;
  for (const config::Network& network : config_.networks) {
    if (network.name == name) return error("network {} is an l3 network: it routes and has no paths", name);
    known.push_back(network.name);
  }
  return error("there is no network '{}'; {}known networks: {}", name, did_you_mean(name, known),
               known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
}

dataplane::Where Control::where_of(const config::StaticPath& path) const {
  return path.tunnel.empty() ? dataplane::Where::port(port_index(path.port), path.vlan.value_or(0))
                             : dataplane::Where::tunnel(tunnels_.at(path.tunnel));
}

Status Control::add_path(const std::string& name, const config::StaticPath& path) {
  const auto network = l2_network(name);
  if (!network) return tl::make_unexpected(network.error());
  if (!is_member(**network, path)) {
    std::vector<std::string> members = (*network)->tunnels;
    if (path.tunnel.empty()) {
      members.clear();
      for (const config::Member& member : (*network)->ports)
        members.push_back(member.vlan ? place_name({{}, "", member.port, member.vlan}) : member.port);
    }
    return error("{} is not in network {}; its {}s: {}", place_name(path), name,
                 path.tunnel.empty() ? "port" : "tunnel",
                 members.empty() ? "none" : fmt::format("{}", fmt::join(members, ", ")));
  }
  if (const auto known = static_paths_.find({name, path.mac}); known != static_paths_.end())
    return error("{} of network {} has a static path already, by {}; `path del {} {}` first", path.mac, name,
                 place_name(known->second.path), name, path.mac);
  if (const Status added = dataplane_->add_path(network_ids_.at(name), path.mac, where_of(path)); !added)
    return added;
  static_paths_[{name, path.mac}] = {path, true};
  return {};
}

Status Control::delete_path(const std::string& name, const net::Mac& mac) {
  const auto network = l2_network(name);
  if (!network) return tl::make_unexpected(network.error());
  const dataplane::NetworkId id = network_ids_.at(name);
  if (static_paths_.contains({name, mac})) {
    forget_path(name, mac);
    const auto running = std::ranges::find(config_.networks, name, &config::Network::name);
    std::erase_if(running->paths, [&](const config::StaticPath& path) { return path.mac == mac; });
    return {};
  }
  if (dataplane_->remove_path(id, mac, dataplane::Origin::learned)) return {};
  if (dataplane_->path_origin(id, mac))
    return error("{} is the kernel's; `bridge fdb del` removes it, from bridge {}", mac, (*network)->bridge);
  return error("there is no path {} in network {}; show paths lists them", mac, name);
}

Status Control::flush_paths(const std::string& name) {
  const auto network = l2_network(name);
  if (!network) return tl::make_unexpected(network.error());
  dataplane_->flush_paths(network_ids_.at(name));
  return {};
}

// The network may be gone, and the row with it.
void Control::forget_path(const std::string& network, const net::Mac& mac) {
  if (const auto id = network_ids_.find(network); id != network_ids_.end()) {
    dataplane_->remove_path(id->second, mac, dataplane::Origin::configured);
    kernel_paths_->restore(id->second, mac);
  }
  static_paths_.erase({network, mac});
}

void Control::set_paths() {
  std::map<PathKey, config::StaticPath> wanted;
  for (const config::Network& network : config_.networks)
    for (const config::StaticPath& path : network.paths) wanted[{network.name, path.mac}] = path;
  std::vector<PathKey> gone;
  for (const auto& [key, row] : static_paths_)
    if (!row.of_shell && !wanted.contains(key)) gone.push_back(key);
  for (const auto& [network, mac] : gone) forget_path(network, mac);
  for (const auto& [key, path] : wanted) {
    const Status added = dataplane_->add_path(network_ids_.at(key.first), path.mac, where_of(path));
    if (added)
      static_paths_[key] = {path, false};
    else
      kLog.error("network {}: {}", key.first, added.error().message);
  }
}

// The shell's paths stay, so what they stand on must.
Status Control::check_reload_paths(const config::Config& wanted) const {
  for (const auto& [key, row] : static_paths_) {
    if (!row.of_shell) continue;
    const auto& [name, mac] = key;
    const std::string first = fmt::format("`path del {} {}` first", name, mac);
    const config::Network* const network = find_l2(wanted, name);
    if (network == nullptr || !is_member(*network, row.path))
      return error("the shell's path for {} leads to {}, which is no longer in network {}; {}", mac,
                   place_name(row.path), name, first);
    if (std::ranges::find(network->paths, mac, &config::StaticPath::mac) != network->paths.end())
      return error("network {}: the shell has made a path for {}; {}", name, mac, first);
  }
  return {};
}

}  // namespace culvert::control
