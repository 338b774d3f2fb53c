// Networks of the configuration: what the packet path, the NIC and the followers of routes are told of them.

#include <algorithm>
#include <set>

#include "control/control.hpp"

namespace culvert::control {

dataplane::PortIndex Control::port_index(const std::string& name) const {
  return static_cast<dataplane::PortIndex>(std::ranges::find(config_.ports, name, &config::Port::name) -
                                           config_.ports.begin());
}

// A network keeps its id while it exists, so that what was learned in it stays. Networks and the tunnels that
// end in them change in one step, and an l3 network has its routes by then: no packet meets half of it.
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
    spec.suppress = network.suppress;
    for (const config::Member& member : network.ports) {
      const dataplane::PortIndex port = port_index(member.port);
      if (member.vlan)
        spec.vlans.push_back({port, *member.vlan});
      else
        spec.ports.push_back(port);
    }
    for (const std::string& name : network.tunnels) spec.encaps.push_back(tunnels_.at(name));
  }
  network_ids_ = std::move(ids);
  const std::vector<L3Spec> routed = l3_specs();
  l3_->add(routed, Clock::now());
  if (const Status set = dataplane_->set_networks(networks, terminations()); !set) return set;
  l3_->set(routed, Clock::now());
  suppression_->set(suppress_specs());
  kernel_paths_->set(bridged_networks());
  // Of an l3 network the NIC is told nothing: its packets come to the workers.
  std::erase_if(networks, [](const dataplane::NetworkSpec& network) { return network.routed; });
  hardware_->set_networks(networks, network_ids_);
  return {};
}

std::vector<SuppressSpec> Control::suppress_specs() const {
  std::vector<SuppressSpec> specs;
  for (const config::Network& network : config_.networks) {
    if (!network.suppress) continue;
    SuppressSpec& spec = specs.emplace_back();
    spec.id = network_ids_.at(network.name);
    if (!network.bridge.empty()) spec.links.push_back(network.bridge);
    for (const std::string& name : network.tunnels) {
      spec.links.push_back(name);
      spec.vnis.push_back(resolver_->at(tunnels_.at(name)).tunnel.vni);
    }
    for (const config::Member& member : network.ports) {
      const std::string& netdev = config_.ports[port_index(member.port)].netdev;
      if (!member.vlan && !netdev.empty()) spec.links.push_back(netdev);
    }
  }
  return specs;
}

std::vector<BridgedNetwork> Control::bridged_networks() const {
  std::vector<BridgedNetwork> bridged;
  for (const config::Network& network : config_.networks) {
    if (network.bridge.empty()) continue;
    BridgedNetwork& spec = bridged.emplace_back();
    spec.id = network_ids_.at(network.name);
    spec.bridge = network.bridge;
    spec.max_macs = network.max_macs;
    for (const config::Member& member : network.ports) {
      const dataplane::PortIndex index = port_index(member.port);
      const std::string& netdev = config_.ports[index].netdev;
      if (!member.vlan && !netdev.empty()) spec.ports.emplace_back(netdev, index);
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
    for (const config::Member& member : network.ports) {
      const dataplane::PortIndex index = port_index(member.port);
      const port::Port& port = *ports_[index];
      spec.ports.push_back({index, config_.ports[index].netdev, port.mac(), port.mtu(), port.is_removed()});
    }
  }
  return specs;
}

}  // namespace culvert::control
