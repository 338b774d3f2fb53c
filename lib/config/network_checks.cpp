// What an l2 and an l3 network must have, and must not have.
#include <algorithm>
#include <array>
#include <map>

#include "base/near_match.hpp"
#include "config/checks.hpp"
#include "config/route_tables.hpp"

namespace culvert::config {
namespace {

// Keys that only one of the types knows.
constexpr std::array<std::string_view, 7> kOfL2{"learning", "flood",  "max_macs", "max_macs_per_member",
                                                "suppress", "bridge", "paths"};
constexpr std::array<std::string_view, 2> kOfL3{"table", "routes"};

template <size_t kCount>
void refuse(const std::array<std::string_view, kCount>& keys, std::string_view why, size_t network,
            const Places& places, Reader& reader) {
  for (const std::string_view key : keys)
    if (places.has(key)) reader.report(places.of(key), "networks[{}].{}: {}", network, key, why);
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// A tunnel of an l3 network carries Ethernet, so it needs the header to write and the one to expect.
void check_tunnels(const Config& config, size_t index, const Places& places, Reader& reader) {
  const Network& network = config.networks[index];
  for (size_t i = 0; i < network.tunnels.size(); ++i) {
    const auto tunnel = std::ranges::find(config.tunnels, network.tunnels[i], &tunnel::Tunnel::name);
    if (tunnel == config.tunnels.end() || (tunnel->inner_dst_mac && tunnel->inner_src_mac)) continue;
    const bool lacks_both = !tunnel->inner_dst_mac && !tunnel->inner_src_mac;
    reader.report(
        places.of("tunnels", i),
        "networks[{}].tunnels: a vxlan tunnel of an l3 network needs its inner Ethernet header, and "
        "'{}' lacks {}; give it inner_dst_mac (the far router's) and inner_src_mac (ours)",
        index, tunnel->name,
        lacks_both              ? "both MACs"
        : tunnel->inner_dst_mac ? "inner_src_mac"
                                : "inner_dst_mac");
  }
}

// What a route or a path names is of the network.
template <typename T>
void check_members(const Network& network, const T& object, const std::string& what, const Places& places,
                   Reader& reader) {
  const auto expect_member = [&](std::string_view key, const std::vector<std::string>& members) {
    const std::string& name = key == "tunnel" ? object.tunnel : object.port;
    if (places.has(key) && !has(members, name))
      reader.report(places.of(key), "{}.{}: '{}' is no {} of the network; {}its {}s: {}", what, key, name,
                    key, did_you_mean(name, members), key,
                    members.empty() ? "none" : fmt::format("{}", fmt::join(members, ", ")));
  };
  expect_member("tunnel", network.tunnels);
  std::vector<std::string> ports;
  for (const Member& member : network.ports) ports.push_back(member.port);
  expect_member("port", ports);
}

// Each `key` of the list stands there once.
template <typename Value>
class Once {
 public:
  Once(std::string_view list, std::string_view key, size_t network, Reader& reader)
      : list_(list), key_(key), network_(network), reader_(reader) {}

  void add(const Value& value, const Places& places) {
    if (!places.has(key_)) return;
    const Place place = places.of(key_);
    if (const auto [first, is_new] = seen_.emplace(fmt::format("{}", value), place); !is_new)
      reader_.report(place, "in networks[{}].{} the {} '{}' stands twice; its first is on line {}", network_,
                     list_, key_, value, first->second.line);
  }

 private:
  std::string_view list_, key_;
  size_t network_;
  Reader& reader_;
  std::map<std::string, Place> seen_;
};

// One of `tunnel` and `port` with `dst_mac`, both of the network.
void check_route(const Network& network, const StaticRoute& route, const std::string& what,
                 const Places& places, Reader& reader) {
  if (places.values.empty()) return;  // nothing of it could be read
  check_members(network, route, what, places, reader);
  if (places.has("tunnel") == places.has("port"))
    reader.report(places.self, "{} leads {}; expected 'tunnel', or 'port' with 'dst_mac'", what,
                  places.has("port") ? "into a tunnel and out of a port" : "nowhere");
  else if (places.has("port") != places.has("dst_mac"))
    reader.report(places.self, "{}: {}", what,
                  places.has("port") ? "'port' needs the station behind it; expected 'dst_mac' beside it"
                                     : "'dst_mac' goes with 'port'; that of a tunnel is its inner_dst_mac");
}

void check_routes(const Network& network, size_t index, const std::vector<Places>& places, Reader& reader) {
  Once<net::Prefix> prefixes("routes", "prefix", index, reader);
  for (size_t i = 0; i < network.routes.size(); ++i) {
    check_route(network, network.routes[i], fmt::format("networks[{}].routes[{}]", index, i), places[i],
                reader);
    prefixes.add(network.routes[i].prefix, places[i]);
  }
}

// As the port is a member: as a whole, or by that VLAN.
void check_vlan(const Network& network, const StaticPath& path, const std::string& what, const Places& places,
                Reader& reader) {
  if (std::ranges::find(network.ports, Member{path.port, path.vlan}) != network.ports.end()) return;
  const auto member = std::ranges::find(network.ports, path.port, &Member::port);
  if (path.vlan && (!places.has("port") || (member != network.ports.end() && !member->vlan)))
    reader.report(places.of("vlan"), "{}.vlan: the path leads to no VLAN of a port; expected no vlan", what);
  else if (member != network.ports.end())
    reader.report(places.self,
                  "{}: of the port '{}' only VLANs are in the network; expected one of them as 'vlan'", what,
                  path.port);
}

void check_paths(const Network& network, size_t index, const std::vector<Places>& places, Reader& reader) {
  Once<net::Mac> macs("paths", "mac", index, reader);
  for (size_t i = 0; i < network.paths.size(); ++i) {
    const std::string what = fmt::format("networks[{}].paths[{}]", index, i);
    check_members(network, network.paths[i], what, places[i], reader);
    if (!places[i].values.empty() && places[i].has("tunnel") == places[i].has("port"))
      reader.report(places[i].self, "{} leads {}; expected one of 'tunnel' and 'port'", what,
                    places[i].has("port") ? "into a tunnel and out of a port" : "nowhere");
    else
      check_vlan(network, network.paths[i], what, places[i], reader);
    macs.add(network.paths[i].mac, places[i]);
  }
}

// What is routed is untagged.
void refuse_vlans(const Network& network, size_t index, const Places& places, Reader& reader) {
  for (size_t i = 0; i < network.ports.size(); ++i)
    if (network.ports[i].vlan)
      reader.report(
          places.of("ports", i),
          "networks[{}].ports[{}]: not supported yet: a VLAN of a port in an l3 network; expected the "
          "name of a port",
          index, i);
}

// A slip of the pen in the name of a table would be taken for a VRF.
void warn_of_vrf(const Network& network, size_t index, const Places& places, Reader& reader) {
  if (network.vrf.empty()) return;
  std::vector<std::string> names;
  for (const auto& [number, name] : route_tables()) names.push_back(name);
  if (const auto near = near_match(network.vrf, names))
    reader.warn(places.of("table"),
                "networks[{}].table: '{}' is no table known here and taken for a VRF; did "
                "you mean '{}'?",
                index, network.vrf, *near);
}

}  // namespace

void check_network_types(const Config& config, const ConfigPlaces& places, Reader& reader) {
  for (size_t i = 0; i < config.networks.size(); ++i) {
    const Network& network = config.networks[i];
    const Places& its = places.networks[i];
    if (!its.has("type")) continue;
    if (network.type == Network::Type::l2) {
      refuse(kOfL3, "an l2 network knows MACs and no routes; expected type: l3, or leave it out", i, its,
             reader);
      check_paths(network, i, places.paths[i], reader);
      continue;
    }
    refuse(kOfL2, "an l3 network routes and learns no MACs; leave it out, or expected type: l2", i, its,
           reader);
    check_tunnels(config, i, its, reader);
    refuse_vlans(network, i, its, reader);
    check_routes(network, i, places.routes[i], reader);
    warn_of_vrf(network, i, its, reader);
  }
}

}  // namespace culvert::config
