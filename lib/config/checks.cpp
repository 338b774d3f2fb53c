#include "config/checks.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/near_match.hpp"
#include "config/flow_overlaps.hpp"
#include "config/tunnel_keys.hpp"

namespace culvert::config {
namespace {

// Remembers where each value was seen first, and reports the others.
class Unique {
 public:
  Unique(Reader& reader, std::string_view what) : reader_(reader), what_(what) {}

  void add(const std::string& value, Place place) {
    if (const auto [first, is_new] = seen_.emplace(value, place); !is_new)
      reader_.report(place, "{} '{}' stands twice; its first is on line {}", what_, value,
                     first->second.line);
  }

 private:
  Reader& reader_;
  std::string_view what_;
  std::map<std::string, Place> seen_;
};

void check_ports(const Config& config, const std::vector<Places>& places, Reader& reader) {
  Unique names(reader, "the port"), ethdevs(reader, "the ethdev"), netdevs(reader, "the netdev");
  for (size_t i = 0; i < config.ports.size(); ++i) {
    const Port& port = config.ports[i];
    if (places[i].has("name")) names.add(port.name, places[i].of("name"));
    if (places[i].has("ethdev")) ethdevs.add(port.ethdev, places[i].of("ethdev"));
    if (places[i].has("netdev")) netdevs.add(port.netdev, places[i].of("netdev"));
    if (places[i].has("kernel_path") && port.kernel_path == KernelPath::bifurcated &&
        !places[i].has("netdev"))
      reader.report(
          places[i].of("kernel_path"),
          "ports[{}].kernel_path: 'bifurcated' needs the kernel's link; expected the key 'netdev' beside it",
          i);
  }
}

void check_tunnels(const Config& config, const std::vector<Places>& places, Reader& reader) {
  Unique names(reader, "the tunnel"), identities(reader, "the tunnel (local, remote, dst_port, vni)");
  for (size_t i = 0; i < config.tunnels.size(); ++i) {
    const tunnel::Tunnel& tunnel = config.tunnels[i];
    if (places[i].has("name")) names.add(tunnel.name, places[i].of("name"));
    if (!places[i].has("local") || !places[i].has("remote") || !places[i].has("vni")) continue;
    if (const auto fault = check_tunnel(tunnel))
      reader.report(places[i].of(fault->key), "tunnels[{}].{}: {}", i, fault->key, fault->message);
    identities.add(fmt::format("{}, {}, {}, {}", tunnel.local, tunnel.remote, tunnel.dst_port, tunnel.vni),
                   places[i].of("vni"));
  }
}

// Without those that could not be read.
std::set<std::string> names_of(const auto& objects) {
  std::set<std::string> names;
  for (const auto& object : objects)
    if (!object.name.empty()) names.insert(object.name);
  return names;
}

bool check_known(const std::string& name, std::string_view what, const std::set<std::string>& known,
                 Place place, Reader& reader) {
  if (known.contains(name)) return true;
  reader.report(place, "there is no {} '{}'; {}known {}s: {}", what, name,
                did_you_mean(name, {known.begin(), known.end()}), what,
                known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
  return false;
}

// A port is a member of one network as a whole, or of several by its VLANs, each of one.
class PortMembers {
 public:
  explicit PortMembers(Reader& reader) : reader_(reader) {}

  void add(const Member& member, Place place) {
    auto& taken = taken_[member.port];
    const auto [first, is_new] = taken.emplace(member.vlan, place);
    if (!is_new) {
      reader_.report(place, "as a member of networks, {} stands twice; its first is on line {}",
                     member.to_string(), first->second.line);
    } else if (taken.contains(std::nullopt) && taken.size() > 1) {
      // Either the only VLAN so far, or the whole port, is what stood there before.
      const auto& other =
          *std::ranges::find_if(taken, [&](const auto& one) { return one.first != member.vlan; });
      reader_.report(
          place,
          "as members of networks, {} and, on line {}, {}; a port is a member as a whole or by its VLANs",
          member.to_string(), other.second.line, Member{member.port, other.first}.to_string());
    }
  }

 private:
  Reader& reader_;
  std::map<std::string, std::map<std::optional<uint16_t>, Place>> taken_;
};

void check_networks(const Config& config, const std::vector<Places>& places, Reader& reader) {
  const auto ports = names_of(config.ports), tunnels = names_of(config.tunnels);
  Unique names(reader, "the network");
  PortMembers taken_ports(reader);
  Unique taken_tunnels(reader, "as a member of networks, the tunnel");
  for (size_t i = 0; i < config.networks.size(); ++i) {
    const Network& network = config.networks[i];
    if (places[i].has("name")) names.add(network.name, places[i].of("name"));
    for (size_t member = 0; member < network.ports.size(); ++member) {
      const Place place = places[i].of("ports", member);
      if (check_known(network.ports[member].port, "port", ports, place, reader))
        taken_ports.add(network.ports[member], place);
    }
    for (size_t member = 0; member < network.tunnels.size(); ++member) {
      const Place place = places[i].of("tunnels", member);
      if (check_known(network.tunnels[member], "tunnel", tunnels, place, reader))
        taken_tunnels.add(network.tunnels[member], place);
    }
  }
}

void check_flows(const Config& config, const std::vector<Places>& places, Reader& reader) {
  const auto ports = names_of(config.ports), tunnels = names_of(config.tunnels);
  std::set<std::string> refusing;
  for (const std::string& port : ports)
    if (!takes_flows(config, port)) refusing.insert(port);
  Unique names(reader, "the flow");
  for (size_t i = 0; i < config.flows.size(); ++i) {
    const tunnel::Flow& flow = config.flows[i];
    if (places[i].has("name")) names.add(flow.name, places[i].of("name"));
    if (places[i].has("port") && check_known(flow.port, "port", ports, places[i].of("port"), reader) &&
        refusing.contains(flow.port))
      reader.report(places[i].of("port"), "flows[{}].port: {}", i, takes_no_flows(flow.port));
    if (places[i].has("tunnel")) check_known(flow.tunnel, "tunnel", tunnels, places[i].of("tunnel"), reader);
    if (const auto fault = tunnel::fault_of(flow.match))
      reader.report(places[i].of("match"), "flows[{}].match: {}", i, *fault);
  }
}

void warn_of_overlaps(const Config& config, const std::vector<Places>& places, Reader& reader) {
  FlowOverlaps overlaps;
  for (size_t i = 0; i < config.flows.size(); ++i) {
    const tunnel::Flow& flow = config.flows[i];
    if (const auto other = overlaps.find(flow))
      reader.warn(places[i].self, "{}", overlap_warning(flow, *other));
    overlaps.add(flow);
  }
}

}  // namespace

void check_config(const Config& config, const ConfigPlaces& places, Reader& reader) {
  check_ports(config, places.ports, reader);
  check_tunnels(config, places.tunnels, reader);
  check_networks(config, places.networks, reader);
  check_network_types(config, places, reader);
  check_flows(config, places.flows, reader);
  if (!reader.has_errors()) warn_of_overlaps(config, places.flows, reader);
}

}  // namespace culvert::config
