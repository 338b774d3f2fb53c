#include "mirror/store.hpp"

#include <linux/rtnetlink.h>

#include <algorithm>

#include "mirror/kernel_rules.hpp"

namespace culvert::mirror {
namespace {

template <typename Reference, typename Key>
void enter(Index<Reference, Key>& index, const Reference& reference, const Key& key, bool add) {
  if (add)
    index.add(reference, key);
  else
    index.remove(reference, key);
}

// The kernel tells with a route what its nexthop object says (fib_semantics.c and ip6 route.c,
// fib_dump_info, rt6_fill_node): the hops, and that it is a blackhole.
Route without_nexthop(Route route) {
  route.hops.clear();
  if (route.type == RTN_BLACKHOLE) route.type = RTN_UNICAST;
  return route;
}

// fib_trie.c, fib_table_lookup, and ip6 route.c, rt6_select: a route whose hops are all dead is passed over.
bool is_alive(const Path& path) {
  return path.hops.empty() || std::any_of(path.hops.begin(), path.hops.end(),
                                          [](const Hop& hop) { return (hop.flags & RTNH_F_DEAD) == 0; });
}

}  // namespace

bool Store::confirm(const Route& route, Mark mark, Mark oldest) {
  if (route.nexthop_id == 0) return routes_.confirm(route, mark, oldest);
  return routes_.confirm(without_nexthop(route), mark, oldest);
}

RouteTable::RowId Store::prepare(const Route& route, Mark mark) {
  if (route.nexthop_id == 0) return routes_.prepare(route, mark);
  return routes_.prepare(without_nexthop(route), mark);
}

void Store::remove(const Route& told) {
  const Changes::Writing writing(changes_);
  routes_.remove(told.nexthop_id == 0 ? told : without_nexthop(told));
}

std::optional<Route> Store::lookup(uint32_t table, const net::IpAddr& ip) const {
  const auto found = routes_.lookup(table, ip, [this](const Path& path) {
    return is_alive(path.nexthop_id == 0 ? path : with_present_hops(path));
  });
  return found ? std::optional(route(*found)) : std::nullopt;
}

// A route on a nexthop object is never dead: the kernel takes the object away with its link.
const Path* Store::best(uint32_t table, const net::Prefix& dst) const {
  return routes_.best(table, dst, is_alive);
}

bool Store::visit_best(uint32_t table, uint32_t& from, size_t budget,
                       const std::function<void(const net::Prefix&, const Path&)>& visit) const {
  return routes_.visit_best(table, from, budget, is_alive, visit);
}

std::optional<Route> Store::route_to(const Flow& flow) const {
  return policy_.find(flow, {[this](int ifindex) { return table<Link>().find(ifindex); },
                             [this](const std::string& name) { return link_by_name(name); },
                             [this](uint32_t table, const net::IpAddr& ip) { return lookup(table, ip); }});
}

Route Store::route(const RouteTable::Found& found) const {
  Route route;
  static_cast<Path&>(route) = found.path->nexthop_id == 0 ? *found.path : with_present_hops(*found.path);
  route.dst = found.dst;
  return route;
}

bool Store::has_ipv4_address(int ifindex) const {
  const auto* keys = addresses_on_.find(ifindex);
  return keys != nullptr &&
         std::any_of(keys->begin(), keys->end(), [](const auto& key) { return std::get<1>(key).is_v4(); });
}

const Address* Store::address(const net::IpAddr& ip) const {
  const auto* keys = addresses_with_.find(ip);
  return keys == nullptr ? nullptr : table<Address>().find(*keys->begin());
}

const Link* Store::link_by_name(const std::string& name) const {
  const auto found = link_names_.find(name);
  return found == link_names_.end() ? nullptr : table<Link>().find(found->second);
}

void Store::replay(Listener& listener) const {
  for_each_object(
      [&](const auto& object) { tell(listener, static_cast<decltype(&object)>(nullptr), &object); });
  routes_.for_each(
      [&](const net::Prefix& dst, PathId path) { listener.on_route(dst, nullptr, routes_.path(path)); });
}

// Two links may swap names: a name is only given up by the link that still has it.
void Store::index(const Link& link, bool add) {
  if (add) {
    link_names_[link.name] = link.ifindex;
    return;
  }
  const auto found = link_names_.find(link.name);
  if (found != link_names_.end() && found->second == link.ifindex) link_names_.erase(found);
}

void Store::index(const Address& address, bool add) {
  enter(addresses_on_, address.ifindex, address.key(), add);
  enter(addresses_with_, address.local, address.key(), add);
}

void Store::index(const Neighbour& neighbour, bool add) {
  enter(neighbours_on_, neighbour.ifindex, neighbour.key(), add);
}

void Store::index(const Nexthop& nexthop, bool add) {
  if (nexthop.hop.ifindex != 0) enter(nexthops_on_, nexthop.hop.ifindex, nexthop.id, add);
  for (const auto& [member, weight] : nexthop.group) enter(groups_with_, member, nexthop.id, add);
}

Path Store::with_present_hops(const Path& path) const {
  const Nexthop* nexthop = table<Nexthop>().find(path.nexthop_id);
  if (nexthop == nullptr) return path;
  std::vector<const Nexthop*> members;
  for (const auto& [id, weight] : nexthop->group) members.push_back(table<Nexthop>().find(id));
  return rules::with_nexthop(path, *nexthop, members);
}

}  // namespace culvert::mirror
