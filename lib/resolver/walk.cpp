// One resolution: local address, route, hop, port, neighbour. Every step either goes on or says why it
// cannot.

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "resolver/resolver.hpp"

namespace culvert::resolver {

// What one walk has found so far.
struct Resolver::Path {
  std::optional<mirror::Route> route;
  const mirror::Hop* hop = nullptr;
  const mirror::Link* link = nullptr;  // the hop's: its MAC is the source, its neighbour the destination
  uint16_t port = 0;
  std::optional<uint16_t> vlan;
  net::IpAddr via;
  net::Mac dst_mac;
};

namespace {

// Kernel devices that would encapsulate again.
constexpr std::array kTunnelKinds{"vxlan",     "geneve", "gre", "gretap", "erspan",    "ip6gre",
                                  "ip6gretap", "ipip",   "sit", "ip6tnl", "wireguard", "bareudp"};

bool fail(Adjacency& adjacency, Reason reason, std::string text) {
  adjacency.reason = reason;
  adjacency.reason_text = std::move(text);
  return false;
}

bool is_kernel_tunnel(const mirror::Link& link) {
  return std::ranges::find(kTunnelKinds, link.kind) != kTunnelKinds.end();
}

}  // namespace

void Resolver::resolve(Row& row) const {
  Adjacency& adjacency = row.adjacency;
  const tunnel::Tunnel& tunnel = adjacency.tunnel;
  adjacency.rule.reset();
  adjacency.reason = Reason::none;
  adjacency.reason_text.clear();
  adjacency.neighbour.reset();

  const mirror::Address* local = mirror_.address(tunnel.local);
  if (local == nullptr || !local->is_usable()) {
    fail(adjacency, Reason::no_local_address,
         fmt::format("no local address: {} is on no link", tunnel.local));
    return;
  }
  Path path;
  if (!find_route(row, path) || !choose_hop(row, path) || !find_port(row, path) || !find_neighbour(row, path))
    return;

  tunnel::EncapRule rule;
  rule.port = path.port;
  rule.vlan = path.vlan;
  rule.dst_mac = path.dst_mac;
  rule.src_mac = path.link->mac;
  rule.src_ip = tunnel.local;
  rule.via = path.via;
  rule.mtu = path.route->mtu != 0 ? std::min(path.route->mtu, path.link->mtu) : path.link->mtu;
  rule.header = tunnel::make_header(tunnel, rule.dst_mac, rule.src_mac, rule.vlan);
  adjacency.rule = rule;
}

bool Resolver::find_route(Row& row, Path& path) const {
  Adjacency& adjacency = row.adjacency;
  const tunnel::Tunnel& tunnel = adjacency.tunnel;
  const bool main = tunnel.table == RT_TABLE_MAIN;
  path.route = main ? mirror_.route_to({.dst = tunnel.remote,
                                        .src = tunnel.local,
                                        .ip_protocol = IPPROTO_UDP,
                                        .dport = tunnel.dst_port})
                    : mirror_.lookup(tunnel.table, tunnel.remote);
  const auto& route = path.route;
  if (!route || route->type == RTN_THROW)
    return fail(adjacency, Reason::no_route,
                fmt::format("no route to {} in table {}", tunnel.remote,
                            main ? "main" : std::to_string(tunnel.table)));
  if (route->type == RTN_LOCAL)
    return fail(adjacency, Reason::loop,
                fmt::format("loops back into a tunnel: {} is an address of this kernel", tunnel.remote));
  const mirror::Nexthop* nexthop = find_nexthop(row, *route);
  if (nexthop != nullptr && nexthop->blackhole)
    return fail(adjacency, Reason::rejected,
                fmt::format("blackhole route {} (nexthop {})", route->dst, route->nexthop_id));
  if (route->type != RTN_UNICAST)
    return fail(adjacency, Reason::rejected, fmt::format("{} route {}", route->type_name(), route->dst));
  return true;
}

// Its object, if it is on one. What becomes of that, or of a member of the group, concerns the adjacency.
const mirror::Nexthop* Resolver::find_nexthop(Row& row, const mirror::Path& path) const {
  if (path.nexthop_id == 0) return nullptr;
  row.nexthops.push_back(path.nexthop_id);
  const mirror::Nexthop* nexthop = mirror_.nexthop(path.nexthop_id);
  if (nexthop != nullptr)
    for (const auto& [member, weight] : nexthop->group) row.nexthops.push_back(member);
  return nexthop;
}

// A dead or linkdown hop is passed over, as the kernel's fib_select_multipath does; of the live ones the
// first serves that asks for no header but the tunnel's.
bool Resolver::choose_hop(Row& row, Path& path) const {
  const auto& hops = path.route->hops;
  for (const mirror::Hop& hop : hops) row.links.push_back(hop.ifindex);
  const auto live = std::ranges::find_if(hops, [this](const mirror::Hop& hop) { return is_usable(hop); });
  if (live == hops.end()) {
    std::string names;
    for (const mirror::Hop& hop : hops) names += (names.empty() ? "" : ", ") + link_name(hop.ifindex);
    return fail(row.adjacency, Reason::link_down,
                fmt::format("nexthop link down: {}", names.empty() ? "the route has no link" : names));
  }
  const auto plain = std::find_if(
      live, hops.end(), [this](const mirror::Hop& hop) { return is_usable(hop) && hop.encap == 0; });
  if (plain == hops.end())
    return fail(row.adjacency, Reason::kernel_encap,
                fmt::format("encap of the kernel's own: route {} has encap {}, which culvert does not do",
                            path.route->dst, live->encap_name()));
  path.hop = &*plain;
  path.link = mirror_.link(path.hop->ifindex);
  path.via = path.hop->via.value_or(row.adjacency.tunnel.remote);
  return true;
}

bool Resolver::is_usable(const mirror::Hop& hop) const {
  const mirror::Link* link = mirror_.link(hop.ifindex);
  return link != nullptr && link->is_up() && link->has_carrier() && hop.is_alive();
}

// From the hop's link down through VLANs and macvlans to a culvert port.
bool Resolver::find_port(Row& row, Path& path) const {
  const std::string& name = path.link->name;
  const mirror::Link* link = path.link;
  for (int depth = 0; link != nullptr && depth < 8; ++depth) {
    if (const auto port = ports_.find(link->name); port != ports_.end()) {
      if (port->second.removed)
        return fail(row.adjacency, Reason::port_removed,
                    fmt::format("port removed: the device of {} is gone", link->name));
      path.port = port->second.port;
      if (!link->is_up() || !link->has_carrier())
        return fail(row.adjacency, Reason::link_down, fmt::format("nexthop link down: {}", link->name));
      return true;
    }
    if (is_kernel_tunnel(*link))
      return fail(row.adjacency, Reason::loop,
                  fmt::format("loops back into a tunnel: the route leaves by {}", name));
    if (link->vlan && path.vlan)
      return fail(row.adjacency, Reason::not_a_port,
                  fmt::format("not a culvert port: {} adds two VLAN tags, one is supported", name));
    if (link->vlan) path.vlan = link->vlan;
    if (!link->vlan && link->kind != "macvlan") break;
    row.links.push_back(link->lower);  // also where it is not known yet
    link = mirror_.link(link->lower);
  }
  return fail(row.adjacency, Reason::not_a_port,
              fmt::format("not a culvert port: {} is the netdev of none in the configuration", name));
}

bool Resolver::find_neighbour(Row& row, Path& path) const {
  Adjacency& adjacency = row.adjacency;
  adjacency.neighbour = NeighbourKey{path.link->ifindex, path.via};
  const mirror::Neighbour* neighbour = mirror_.neighbour(path.link->ifindex, path.via);
  if (neighbour != nullptr && neighbour->is_valid()) {
    path.dst_mac = *neighbour->mac;
    return true;
  }
  const bool failed = neighbour != nullptr && (neighbour->nud & NUD_FAILED) != 0;
  return fail(
      adjacency, failed ? Reason::neighbour_failed : Reason::neighbour_unresolved,
      fmt::format("neighbour {}: {} on {}", failed ? "failed" : "unresolved", path.via, path.link->name));
}

std::string Resolver::link_name(int ifindex) const {
  const mirror::Link* link = mirror_.link(ifindex);
  return link != nullptr ? link->name : fmt::format("link {}", ifindex);
}

}  // namespace culvert::resolver
