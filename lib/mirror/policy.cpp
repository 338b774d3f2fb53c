#include "mirror/policy.hpp"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <tuple>

namespace culvert::mirror {
namespace {

auto place(const PolicyRule& rule) { return std::tuple(rule.family, rule.priority); }

template <typename Range, typename Value>
bool is_in(const std::optional<Range>& range, Value value) {
  return !range || (range->first <= value && value <= range->last);
}

// The table of the VRF that the link is or belongs to (l3mdev.c, l3mdev_fib_rule_match).
uint32_t vrf_table(int ifindex, const Policy::World& world) {
  const Link* link = world.link(ifindex);
  if (link != nullptr && link->vrf_table == 0 && link->master != 0) link = world.link(link->master);
  return link == nullptr ? 0 : link->vrf_table;
}

uint32_t vrf_table(const Flow& flow, const Policy::World& world) {
  const uint32_t out = vrf_table(flow.oif, world);
  return out != 0 ? out : vrf_table(flow.iif, world);
}

// A rule names a link that need not be there.
bool is_link(const std::string& name, int ifindex, const Policy::World& world) {
  if (name.empty()) return true;
  const Link* link = world.link_by_name(name);
  return link != nullptr && link->ifindex == ifindex;
}

// fib_rule_match, fib4_rule_match, fib6_rule_match. The user is root.
bool matches(const PolicyRule& rule, const Flow& flow, const Policy::World& world) {
  const bool all = is_link(rule.iif, flow.iif, world) && is_link(rule.oif, flow.oif, world) &&
                   ((rule.mark ^ flow.mark) & rule.mask) == 0 && rule.tunnel_id == 0 &&
                   (!rule.l3mdev || vrf_table(flow, world) != 0) && is_in(rule.users, 0u) &&
                   (!rule.dst || rule.dst->contains(flow.dst)) &&
                   (!rule.src || (flow.src && rule.src->contains(*flow.src))) &&
                   (rule.tos == 0 || rule.tos == flow.tos) &&
                   (rule.ip_protocol == 0 || rule.ip_protocol == flow.ip_protocol) &&
                   is_in(rule.sport, flow.sport) && is_in(rule.dport, flow.dport);
  return all != rule.inverted;
}

// fib4_rule_suppress, fib6_rule_suppress: not of a route that refuses.
bool is_suppressed(const PolicyRule& rule, const Route& route, const Policy::World& world) {
  if (route.type == RTN_BLACKHOLE || route.type == RTN_UNREACHABLE || route.type == RTN_PROHIBIT)
    return false;
  if (rule.suppress_length && route.dst.length <= *rule.suppress_length) return true;
  if (!rule.suppress_group || route.hops.empty()) return false;
  const Link* link = world.link(route.hops[0].ifindex);
  return link != nullptr && link->group == *rule.suppress_group;
}

}  // namespace

void Policy::add(const PolicyRule& rule) {
  rules_.insert(std::ranges::upper_bound(rules_, place(rule), {}, place), rule);
}

void Policy::remove(const PolicyRule& rule) {
  if (const auto found = std::ranges::find(rules_, rule); found != rules_.end()) rules_.erase(found);
}

std::optional<Route> Policy::find(const Flow& flow, const World& world) const {
  auto rule = std::ranges::lower_bound(rules_, flow.dst.family(), {}, &PolicyRule::family);
  const auto end = std::ranges::upper_bound(rules_, flow.dst.family(), {}, &PolicyRule::family);
  while (rule != end) {
    const auto here = rule++;
    if (!matches(*here, flow, world)) continue;
    if (here->action == FR_ACT_NOP) continue;
    if (here->action == FR_ACT_GOTO) {  // forward only; to where no rule is: on
      const auto target = std::ranges::find(rule, end, here->target, &PolicyRule::priority);
      if (target != end) rule = target;
      continue;
    }
    if (here->action != FR_ACT_TO_TBL) return std::nullopt;
    auto route = world.lookup(here->l3mdev ? vrf_table(flow, world) : here->table, flow.dst);
    if (!route || route->type == RTN_THROW || is_suppressed(*here, *route, world)) continue;
    return route;
  }
  return std::nullopt;
}

}  // namespace culvert::mirror
