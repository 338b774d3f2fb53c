#include "mirror/follower.hpp"

#include <algorithm>

#include "mirror/kernel_rules.hpp"

namespace culvert::mirror {
namespace {

RouteTable::Place place_of(const netlink::Event& event) {
  if (event.replace) return RouteTable::Place::replace;
  return event.append ? RouteTable::Place::last : RouteTable::Place::first;
}

}  // namespace

void Follower::apply(const netlink::Event& event, Mark mark) {
  mark_ = mark;
  std::visit(
      [&](const auto& object) {
        if constexpr (std::is_same_v<std::decay_t<decltype(object)>, Route>) {
          if (event.added)
            store_.put(store_.prepare(object, mark_), place_of(event), 0);
          else
            store_.remove(object);
        } else {
          event.added ? added(object) : deleted(object);
        }
      },
      event.object);
}

void Follower::added(const Link& link) {
  const auto change = store_.put(link, mark_);
  if (change.before) link_changed(*change.before, link);
}

void Follower::added(const Address& address) {
  const auto change = store_.put(address, mark_);
  if (change.before || !address.local.is_v4()) return;
  // fib_frontend.c, fib_inetaddr_event: a new address revives hops that died with the last one.
  const Link* link = store_.table<Link>().find(address.ifindex);
  if (link == nullptr || !link->is_up()) return;
  const bool carrier = rules::has_carrier(*link);
  store_.revise_on_link(link->ifindex, [&](const Path& path) {
    return path.is_v4() ? rules::link_revived(path, link->ifindex, carrier) : path;
  });
}

// The kernel tells of most of this before RTM_DELLINK; nothing may refer to a link that is not there.
void Follower::deleted(const Link& link) {
  const int ifindex = link.ifindex;
  flush_nexthops(ifindex);
  store_.revise_on_link(ifindex, [&](const Path& path) { return rules::link_gone(path, ifindex); });
  for (const auto& key : store_.neighbours_on(ifindex)) store_.erase<Neighbour>(key);
  for (const auto& key : store_.addresses_on(ifindex)) store_.erase<Address>(key);
  store_.erase<Link>(ifindex);
}

void Follower::deleted(const Address& address) {
  if (!store_.erase<Address>(address.key())) return;
  const bool elsewhere = store_.address(address.local) != nullptr;
  store_.revise_with_prefsrc(address.local,
                             [&](const Path& path) { return rules::prefsrc_gone(path, address, elsewhere); });
  if (!address.local.is_v4() || store_.has_ipv4_address(address.ifindex)) return;
  store_.revise_on_link(address.ifindex,
                        [&](const Path& path) { return rules::last_address_gone(path, address.ifindex); });
}

// fib_frontend.c, fib_netdev_event; addrconf.c, addrconf_notify; nexthop.c, nh_netdev_event.
void Follower::link_changed(const Link& before, const Link& after) {
  const int ifindex = after.ifindex;
  if (before.is_up() && !after.is_up()) {
    flush_nexthops(ifindex);
    store_.revise_on_link(ifindex, [&](const Path& path) { return rules::link_down(path, ifindex); });
  } else if (after.is_up() && !before.is_up()) {
    revive(after);
  } else if (after.is_up() && rules::has_carrier(after)) {  // also where nothing seems to have changed:
    // a carrier that was lost and found again at once is told so, and routes came between
    store_.revise_on_link(ifindex, [&](const Path& path) { return rules::carrier_found(path, ifindex); });
  } else if (after.is_up() && rules::has_carrier(before)) {
    flush_nexthops(ifindex);
    store_.revise_on_link(ifindex, [&](const Path& path) { return rules::carrier_lost(path, ifindex); });
  }
}

void Follower::revive(const Link& link) {
  const bool carrier = rules::has_carrier(link);
  store_.revise_on_link(link.ifindex,
                        [&](const Path& path) { return rules::link_revived(path, link.ifindex, carrier); });
}

// nexthop.c, nh_netdev_event: the objects go without an event when their link goes down or loses its carrier.
void Follower::flush_nexthops(int ifindex) {
  for (const uint32_t id : store_.nexthops_on(ifindex)) remove_nexthop(id);
}

// nexthop.c, __remove_nexthop: routes on it go, IPv4's without an event; so do groups without a member left.
void Follower::remove_nexthop(uint32_t id) {
  if (!store_.erase<Nexthop>(id)) return;
  store_.erase_routes_on_nexthop(id);
  remove_from_groups(id);
}

void Follower::remove_from_groups(uint32_t id) {
  for (const uint32_t group_id : store_.groups_with(id)) {
    const Nexthop* group = store_.table<Nexthop>().find(group_id);
    if (group == nullptr) continue;
    Nexthop after = *group;
    std::erase_if(after.group, [&](const auto& member) { return member.first == id; });
    if (after.group.empty())
      remove_nexthop(group_id);
    else
      store_.put(after, mark_);
  }
}

}  // namespace culvert::mirror
