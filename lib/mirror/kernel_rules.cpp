#include "mirror/kernel_rules.hpp"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>

namespace culvert::mirror::rules {
namespace {

using netlink::Hop;

constexpr uint8_t kDown = RTNH_F_DEAD | RTNH_F_LINKDOWN;
constexpr unsigned kLowerUp = 1u << 16;  // IFF_LOWER_UP

bool is_v4(const Route& route) { return route.dst.address.is_v4(); }

// fib_semantics.c, fib_props: types that are an error to the sender. fib_flush leaves them.
bool is_error_type(const Route& route) {
  return route.type == RTN_BLACKHOLE || route.type == RTN_UNREACHABLE || route.type == RTN_PROHIBIT ||
         route.type == RTN_THROW;
}

// IPv4: its hop has scope nowhere (fib_create_info). IPv6: fib6_ifdown leaves them out.
bool is_local(const Route& route) {
  return is_v4(route) ? route.scope == RT_SCOPE_HOST : route.type == RTN_LOCAL || route.type == RTN_ANYCAST;
}

Route with_flags(const Route& route, int ifindex, uint8_t set, uint8_t clear) {
  Route after = route;
  for (Hop& hop : after.hops)
    if (hop.ifindex == ifindex) hop.flags = static_cast<uint8_t>((hop.flags | set) & ~clear);
  return after;
}

bool has_live_hop(const Route& route) {
  return std::any_of(route.hops.begin(), route.hops.end(),
                     [](const Hop& hop) { return (hop.flags & RTNH_F_DEAD) == 0; });
}

std::optional<Route> hops_died(const Route& route, int ifindex) {
  Route after = with_flags(route, ifindex, kDown, 0);
  if (has_live_hop(after)) return after;
  if (is_v4(route) && !is_error_type(route)) return std::nullopt;
  return route;
}

}  // namespace

std::optional<Route> link_down(const Route& route, int ifindex) {
  if (route.nexthop_id != 0 || is_local(route)) return route;
  return hops_died(route, ifindex);
}

std::optional<Route> last_address_gone(const Route& route, int ifindex) {
  if (route.nexthop_id != 0 || !is_v4(route)) return route;
  return hops_died(route, ifindex);
}

std::optional<Route> link_gone(const Route& route, int ifindex) {
  if (route.nexthop_id != 0) return route;
  if (is_v4(route)) return std::nullopt;
  Route after = route;
  std::erase_if(after.hops, [&](const Hop& hop) { return hop.ifindex == ifindex; });
  if (after.hops.empty()) return std::nullopt;
  return after;
}

Route carrier_lost(const Route& route, int ifindex) {
  if (route.nexthop_id != 0 || is_local(route)) return route;
  return with_flags(route, ifindex, RTNH_F_LINKDOWN, 0);
}

Route link_revived(const Route& route, int ifindex, bool carrier) {
  if (route.nexthop_id != 0) return route;
  if (is_v4(route)) return with_flags(route, ifindex, 0, carrier ? kDown : uint8_t{RTNH_F_DEAD});
  // addrconf.c, addrconf_notify: without a carrier IPv6 leaves the link's routes as they are.
  return carrier ? with_flags(route, ifindex, 0, kDown) : route;
}

std::optional<Route> prefsrc_gone(const Route& route, const Address& address, bool elsewhere) {
  if (is_v4(route)) {
    if (elsewhere || route.table != RT_TABLE_MAIN || is_error_type(route)) return route;
    return std::nullopt;
  }
  const bool on_link = std::any_of(route.hops.begin(), route.hops.end(),
                                   [&](const Hop& hop) { return hop.ifindex == address.ifindex; });
  Route after = route;
  if (on_link && route.nexthop_id == 0) after.prefsrc.reset();
  return after;
}

Route with_nexthop(Route route, const Nexthop& nexthop, const std::vector<const Nexthop*>& members) {
  const Nexthop* alone = nexthop.group.empty() ? &nexthop : nullptr;
  if (nexthop.group.size() == 1 && members.size() == 1) alone = members[0];
  const bool was_blackhole = route.type == RTN_BLACKHOLE;
  route.hops.clear();
  if (alone != nullptr && alone->blackhole) {
    route.type = RTN_BLACKHOLE;
    return route;
  }
  if (was_blackhole) route.type = RTN_UNICAST;
  if (alone != nullptr) {
    route.hops.push_back(alone->hop);
    return route;
  }
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i] == nullptr) continue;
    route.hops.push_back(members[i]->hop);
    route.hops.back().weight = nexthop.group[i].second;
  }
  if (!is_v4(route)) netlink::sort_hops(route.hops);
  return route;
}

bool has_carrier(const netlink::Link& link) { return (link.flags & (IFF_RUNNING | kLowerUp)) != 0; }

}  // namespace culvert::mirror::rules
