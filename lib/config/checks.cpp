#include "config/checks.hpp"

#include <algorithm>
#include <map>

#include "base/near_match.hpp"
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
std::vector<std::string> names_of(const auto& objects) {
  std::vector<std::string> names;
  for (const auto& object : objects)
    if (!object.name.empty()) names.push_back(object.name);
  return names;
}

// Members of a network are known, and in no other.
void check_members(const std::vector<std::string>& members, std::string_view key, std::string_view what,
                   const std::vector<std::string>& known, const Places& places, Unique& taken,
                   Reader& reader) {
  for (size_t i = 0; i < members.size(); ++i) {
    const Place place = places.of(key, i);
    if (std::find(known.begin(), known.end(), members[i]) == known.end())
      reader.report(place, "there is no {} '{}'; {}known {}: {}", what, members[i],
                    did_you_mean(members[i], known), key,
                    known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
    else
      taken.add(members[i], place);
  }
}

void check_networks(const Config& config, const std::vector<Places>& places, Reader& reader) {
  const auto ports = names_of(config.ports), tunnels = names_of(config.tunnels);
  Unique names(reader, "the network");
  Unique taken_ports(reader, "as a member of networks, the port");
  Unique taken_tunnels(reader, "as a member of networks, the tunnel");
  for (size_t i = 0; i < config.networks.size(); ++i) {
    const Network& network = config.networks[i];
    if (places[i].has("name")) names.add(network.name, places[i].of("name"));
    check_members(network.ports, "ports", "port", ports, places[i], taken_ports, reader);
    check_members(network.tunnels, "tunnels", "tunnel", tunnels, places[i], taken_tunnels, reader);
  }
}

}  // namespace

void check_config(const Config& config, const ConfigPlaces& places, Reader& reader) {
  check_ports(config, places.ports, reader);
  check_tunnels(config, places.tunnels, reader);
  check_networks(config, places.networks, reader);
}

}  // namespace culvert::config
