#include "config/network_keys.hpp"

#include "config/route_tables.hpp"
#include "config/values.hpp"

namespace culvert::config {
namespace {

constexpr uint64_t kMaxMacs = 1u << 24;

constexpr Choice<Network::Type> kTypes[] = {{"l2", Network::Type::l2}, {"l3", Network::Type::l3}};

Status add_name(std::vector<std::string>& names, std::string_view text) {
  names.emplace_back(text);
  return {};
}

// What is no table that is known here is a VRF of the kernel, which may come later.
Status set_table(std::string_view text, Network& network) {
  if (const auto table = parse_route_table(text, route_tables())) {
    network.table = *table;
    return {};
  }
  const bool number = text.find_first_not_of("0123456789") == std::string_view::npos;
  const auto vrf = parse_netdev(text);
  if (number || !vrf)
    return error(
        "'{}' is no routing table; expected main, local, default, a name of /etc/iproute2/rt_tables, a "
        "number from 1 to 4294967295 or the name of a VRF",
        text);
  network.vrf = *vrf;
  return {};
}

Status set_prefix(std::string_view text, StaticRoute& route) {
  const auto prefix = net::Prefix::parse(text);
  if (!prefix)
    return error(
        "'{}' is no prefix; expected one such as 10.7.0.0/16 or 2001:db8::/32, with no bits set behind its "
        "length",
        text);
  route.prefix = *prefix;
  return {};
}

constexpr Key<Network> kNetworkKeys[] = {
    {"name", [](std::string_view text, Network& n) { return assign(n.name, parse_name(text)); }, true},
    {"type",
     [](std::string_view text, Network& n) {
       return assign(n.type, parse_choice<Network::Type>(text, kTypes));
     },
     true},
    {"ports", [](std::string_view, Network&) { return Status{}; }, false, Shape::maps},
    {"tunnels", [](std::string_view text, Network& n) { return add_name(n.tunnels, text); }, false,
     Shape::list},
    {"learning", [](std::string_view text, Network& n) { return assign(n.learning, parse_bool(text)); }},
    {"flood", [](std::string_view text, Network& n) { return assign(n.flood, parse_bool(text)); }},
    {"max_macs",
     [](std::string_view text, Network& n) { return assign(n.max_macs, parse_number(text, 1, kMaxMacs)); }},
    {"suppress", [](std::string_view text, Network& n) { return assign(n.suppress, parse_bool(text)); }},
    {"table", set_table},
    {"routes", [](std::string_view, Network&) { return Status{}; }, false, Shape::maps},
    {"max_macs_per_member",
     [](std::string_view text, Network& n) {
       return assign(n.max_macs_per_member, parse_number(text, 1, kMaxMacs));
     }},
    {"bridge", [](std::string_view text, Network& n) { return assign(n.bridge, parse_netdev(text)); }},
    {"paths", [](std::string_view, Network&) { return Status{}; }, false, Shape::maps},
};

constexpr Key<StaticPath> kPathKeys[] = {
    {"mac", [](std::string_view text, StaticPath& p) { return assign(p.mac, parse_station(text)); }, true},
    {"tunnel",
     [](std::string_view text, StaticPath& p) { return assign(p.tunnel, Result<std::string>(text)); }},
    {"port", [](std::string_view text, StaticPath& p) { return assign(p.port, Result<std::string>(text)); }},
    {"vlan", [](std::string_view text, StaticPath& p) { return assign(p.vlan, parse_vid(text)); }},
};

constexpr Key<Member> kMemberKeys[] = {
    {"port", [](std::string_view text, Member& m) { return assign(m.port, Result<std::string>(text)); },
     true},
    {"vlan", [](std::string_view text, Member& m) { return assign(m.vlan, parse_vid(text)); }, true},
};

constexpr Key<StaticRoute> kRouteKeys[] = {
    {"prefix", set_prefix, true},
    {"tunnel",
     [](std::string_view text, StaticRoute& r) { return assign(r.tunnel, Result<std::string>(text)); }},
    {"port", [](std::string_view text, StaticRoute& r) { return assign(r.port, Result<std::string>(text)); }},
    {"dst_mac", [](std::string_view text, StaticRoute& r) { return assign(r.dst_mac, parse_station(text)); }},
};

}  // namespace

std::span<const Key<Network>> network_keys() { return kNetworkKeys; }
std::span<const Key<Member>> member_keys() { return kMemberKeys; }
std::span<const Key<StaticRoute>> static_route_keys() { return kRouteKeys; }
std::span<const Key<StaticPath>> static_path_keys() { return kPathKeys; }

}  // namespace culvert::config
