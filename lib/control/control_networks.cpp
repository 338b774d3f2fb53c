// Networks of the configuration: what the packet path, the NIC and the followers of routes are told of them.

#include <algorithm>
#include <set>

#include "control/control.hpp"

namespace culvert::control {

dataplane::PortIndex Control::port_index(const std::string& name) const {
  return static_cast<dataplane::PortIndex>(std::ranges::find(config_.ports, name, &config::Port::name) -
                                           config_.ports.begin());
}

// A network keeps its id while it exists, so that what was learned in it stays.
Status Control::set_networks() {
  std::set<dataplane::NetworkId> taken;
  for (const auto& [name, id] : network_ids_) taken.insert(id);
  std::map<std::string, dataplane::NetworkId> ids;
  dataplane::NetworkId next = 0;
  std::vector<dataplane::NetworkSpec> networks;
  for (const config::Network& network : config_.networks) {
    while (taken.contains(next)) ++next;
    const auto known = network_ids_.find(network.name);
    dataplane::NetworkSpec& spec = networks.emplace_back();
    spec.id = known != network_ids_.end() ? known->second : next++;
    ids[network.name] = spec.id;
    spec.routed = network.type == config::Network::Type::l3;
    spec.learning = network.learning && !spec.routed;
    spec.flood = network.flood && !spec.routed;
    spec.max_macs = network.max_macs;
    spec.max_macs_per_member = network.max_macs_per_member.value_or(network.max_macs);
    for (const std::string& name : network.ports) spec.ports.push_back(port_index(name));
    for (const std::string& name : network.tunnels) spec.encaps.push_back(tunnels_.at(name));
  }
  if (const Status set = dataplane_->set_networks(networks); !set) return set;
  network_ids_ = std::move(ids);
  l3_->set(l3_specs(), Clock::now());
  kernel_paths_->set(bridged_networks());
  // Of an l3 network the NIC is told nothing: its packets come to the workers.
  std::erase_if(networks, [](const dataplane::NetworkSpec& network) { return network.routed; });
  hardware_->set_networks(networks, network_ids_);
  return {};
}

std::vector<BridgedNetwork> Control::bridged_networks() const {
  std::vector<BridgedNetwork> bridged;
  for (const config::Network& network : config_.networks) {
    if (network.bridge.empty()) continue;
    BridgedNetwork& spec = bridged.emplace_back();
    spec.id = network_ids_.at(network.name);
    spec.bridge = network.bridge;
    for (const std::string& name : network.ports) {
      const dataplane::PortIndex index = port_index(name);
      if (!config_.ports[index].netdev.empty()) spec.ports.emplace_back(config_.ports[index].netdev, index);
    }
    for (const std::string& name : network.tunnels) {
      const tunnel::Tunnel& tunnel = resolver_->at(tunnels_.at(name)).tunnel;
      spec.tunnels.push_back({tunnel.vni, tunnel.remote, tunnels_.at(name)});
    }
  }
  return bridged;
}

std::vector<L3Spec> Control::l3_specs() const {
  std::vector<L3Spec> specs;
  for (const config::Network& network : config_.networks) {
    if (network.type != config::Network::Type::l3) continue;
    L3Spec& spec = specs.emplace_back();
    spec.id = network_ids_.at(network.name);
    spec.network = network;
    for (const std::string& name : network.tunnels) {
      const tunnel::Tunnel& tunnel = resolver_->at(tunnels_.at(name)).tunnel;
      spec.tunnels.push_back({name, tunnels_.at(name), tunnel.remote, tunnel.vni});
    }
    for (const std::string& name : network.ports) {
      const dataplane::PortIndex index = port_index(name);
      const port::Port& port = *ports_[index];
      spec.ports.push_back({index, config_.ports[index].netdev, port.mac(), port.mtu(), port.is_removed()});
    }
  }
  return specs;
}

}  // namespace culvert::control
