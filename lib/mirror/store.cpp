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

template <typename T>
void replay_all(Listener& listener, const std::vector<const T*>& objects) {
  for (const T* object : objects) Listeners::tell(listener, static_cast<const T*>(nullptr), object);
}

}  // namespace

void Store::update_routes_on_nexthop(uint32_t id) {
  const Nexthop* nexthop = table<Nexthop>().find(id);
  if (nexthop == nullptr) return;
  routes_.revise_on_nexthop(
      id, [&](const Route& route) { return with_present_hops(route, *nexthop); }, tell_);
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
  replay_all(listener, table<Link>().sorted());
  replay_all(listener, table<Address>().sorted());
  replay_all(listener, table<Nexthop>().sorted());
  replay_all(listener, table<Neighbour>().sorted());
  replay_all(listener, routes_.sorted());
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

Route Store::completed(Route route) const {
  if (route.nexthop_id == 0) return route;
  const Nexthop* nexthop = table<Nexthop>().find(route.nexthop_id);
  // A blackhole is told with the loopback device as a hop.
  if (route.type == RTN_BLACKHOLE) route.hops.clear();
  if (nexthop == nullptr || !route.hops.empty()) return route;
  return with_present_hops(route, *nexthop);
}

Route Store::with_present_hops(const Route& route, const Nexthop& nexthop) const {
  std::vector<const Nexthop*> members;
  for (const auto& [id, weight] : nexthop.group) members.push_back(table<Nexthop>().find(id));
  return rules::with_nexthop(route, nexthop, members);
}

}  // namespace culvert::mirror
