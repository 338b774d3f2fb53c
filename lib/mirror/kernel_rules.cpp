#include "mirror/kernel_rules.hpp"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>

namespace culvert::mirror::rules {
namespace {

using netlink::Hop;

constexpr uint8_t kDown = RTNH_F_DEAD | RTNH_F_LINKDOWN;
constexpr unsigned kLowerUp = 1u << 16;  // IFF_LOWER_UP

// fib_semantics.c, fib_props: types that are an error to the sender. fib_flush leaves them.
bool is_error_type(const Path& path) {
  return path.type == RTN_BLACKHOLE || path.type == RTN_UNREACHABLE || path.type == RTN_PROHIBIT ||
         path.type == RTN_THROW;
}

// IPv4: its hop has scope nowhere (fib_create_info). IPv6: fib6_ifdown leaves them out.
bool is_local(const Path& path) {
  return path.is_v4() ? path.scope == RT_SCOPE_HOST : path.type == RTN_LOCAL || path.type == RTN_ANYCAST;
}

Path with_flags(const Path& path, int ifindex, uint8_t set, uint8_t clear) {
  Path after = path;
  for (Hop& hop : after.hops)
    if (hop.ifindex == ifindex) hop.flags = static_cast<uint8_t>((hop.flags | set) & ~clear);
  return after;
}

bool has_live_hop(const Path& path) {
  return std::any_of(path.hops.begin(), path.hops.end(),
                     [](const Hop& hop) { return (hop.flags & RTNH_F_DEAD) == 0; });
}

std::optional<Path> hops_died(const Path& path, int ifindex) {
  Path after = with_flags(path, ifindex, RTNH_F_DEAD, RTNH_F_LINKDOWN);
  if (has_live_hop(after)) return after;
  if (path.is_v4() && !is_error_type(path)) return std::nullopt;
  return path;
}

}  // namespace

std::optional<Path> link_down(const Path& path, int ifindex) {
  if (path.nexthop_id != 0 || is_local(path)) return path;
  return hops_died(path, ifindex);
}

std::optional<Path> last_address_gone(const Path& path, int ifindex) {
  if (path.nexthop_id != 0 || !path.is_v4()) return path;
  return hops_died(path, ifindex);
}

std::optional<Path> link_gone(const Path& path, int ifindex) {
  if (path.nexthop_id != 0) return path;
  if (path.is_v4()) return std::nullopt;
  Path after = path;
  std::erase_if(after.hops, [&](const Hop& hop) { return hop.ifindex == ifindex; });
  if (after.hops.empty()) return std::nullopt;
  return after;
}

Path carrier_lost(const Path& path, int ifindex) {
  if (path.nexthop_id != 0 || is_local(path)) return path;
  Path after = path;
  for (Hop& hop : after.hops)
    if (hop.ifindex == ifindex && (hop.flags & RTNH_F_DEAD) == 0) hop.flags |= RTNH_F_LINKDOWN;
  return after;
}

Path carrier_found(const Path& path, int ifindex) {
  if (path.nexthop_id != 0) return path;
  return with_flags(path, ifindex, 0, path.is_v4() ? uint8_t{RTNH_F_LINKDOWN} : kDown);
}

Path link_revived(const Path& path, int ifindex, bool carrier) {
  if (path.nexthop_id != 0) return path;
  if (carrier) return with_flags(path, ifindex, 0, kDown);
  // addrconf.c, addrconf_notify: without a carrier IPv6 leaves the link's routes as they are.
  if (!path.is_v4()) return path;
  Path after = path;
  for (Hop& hop : after.hops)
    if (hop.ifindex == ifindex && (hop.flags & RTNH_F_DEAD) != 0)
      hop.flags = static_cast<uint8_t>((hop.flags & ~RTNH_F_DEAD) | RTNH_F_LINKDOWN);
  return after;
}

std::optional<Path> prefsrc_gone(const Path& path, const Address& address, bool elsewhere) {
  if (path.is_v4()) {
    if (elsewhere || path.table != RT_TABLE_MAIN || is_error_type(path)) return path;
    return std::nullopt;
  }
  const bool on_link = std::any_of(path.hops.begin(), path.hops.end(),
                                   [&](const Hop& hop) { return hop.ifindex == address.ifindex; });
  Path after = path;
  if (on_link && path.nexthop_id == 0) after.prefsrc.reset();
  return after;
}

Path with_nexthop(Path path, const Nexthop& nexthop, const std::vector<const Nexthop*>& members) {
  const Nexthop* alone = nexthop.group.empty() ? &nexthop : nullptr;
  if (nexthop.group.size() == 1 && members.size() == 1) alone = members[0];
  const bool was_blackhole = path.type == RTN_BLACKHOLE;
  path.hops.clear();
  if (alone != nullptr && alone->blackhole) {
    path.type = RTN_BLACKHOLE;
    return path;
  }
  if (was_blackhole) path.type = RTN_UNICAST;
  if (alone != nullptr) {
    path.hops.push_back(alone->hop);
    return path;
  }
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i] == nullptr) continue;
    path.hops.push_back(members[i]->hop);
    path.hops.back().weight = nexthop.group[i].second;
  }
  if (!path.is_v4()) netlink::sort_hops(path.hops);
  return path;
}

bool has_carrier(const netlink::Link& link) { return (link.flags & (IFF_RUNNING | kLowerUp)) != 0; }

}  // namespace culvert::mirror::rules
