#include "control/l3_hops.hpp"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <utility>

namespace culvert::control {

using dataplane::DropReason;
using dataplane::Way;

namespace {

constexpr Way refusal(DropReason reason) { return {.kind = Way::Kind::drop, .reason = reason}; }

// What the type of a route says of its packets. RTN_UNICAST: its hops say.
Way way_of_type(uint8_t type) {
  switch (type) {
    case RTN_LOCAL:
    case RTN_BROADCAST:
    case RTN_ANYCAST:
    case RTN_MULTICAST:
      return {.kind = Way::Kind::kernel};
    case RTN_BLACKHOLE:
      return refusal(DropReason::route_blackhole);
    case RTN_PROHIBIT:
      return refusal(DropReason::route_prohibit);
    case RTN_THROW:
      return refusal(DropReason::route_throw);
    default:
      return refusal(DropReason::route_unreachable);
  }
}

}  // namespace

Leads Leads::of(const mirror::Path& path) {
  Leads leads;
  leads.type = path.type;
  if (path.type != RTN_UNICAST && path.nexthop_id == 0) return leads;
  leads.family = path.family;
  leads.nexthop_id = path.nexthop_id;
  leads.mtu = path.mtu;
  if (path.nexthop_id == 0) leads.hops = path.hops;
  for (mirror::Hop& hop : leads.hops) {
    hop.encap_digest = 0;  // none of them is culvert's, whatever is in it
    hop.flags &= static_cast<uint8_t>(~RTNH_F_LINKDOWN);
  }
  return leads;
}

bool Leads::differ(const mirror::Path& a, const mirror::Path& b) {
  const auto same_hop = [](const mirror::Hop& x, const mirror::Hop& y) {
    return ((x.flags ^ y.flags) & ~RTNH_F_LINKDOWN) == 0 && x.ifindex == y.ifindex && x.via == y.via &&
           x.weight == y.weight && x.encap == y.encap;
  };
  return a.type != b.type || a.tos != b.tos || a.metric != b.metric || a.mtu != b.mtu ||
         a.nexthop_id != b.nexthop_id || !std::ranges::equal(a.hops, b.hops, same_hop);
}

size_t Leads::Hash::operator()(const Leads& leads) const {
  size_t hash = net::hash_combine(leads.type, uint64_t{leads.nexthop_id} << 32 | leads.mtu);
  for (const mirror::Hop& hop : leads.hops) {
    hash = net::hash_combine(
        hash, static_cast<uint64_t>(hop.ifindex) << 32 | uint64_t{hop.weight} << 8 | hop.flags);
    if (hop.via) hash = net::hash_combine(hash, std::hash<net::IpAddr>{}(*hop.via));
    hash = net::hash_combine(hash, hop.encap);
  }
  if (leads.encap) hash = net::hash_combine(hash, *leads.encap);
  if (leads.port) hash = net::hash_combine(hash, leads.dst_mac.bits() << 16 | *leads.port);
  return hash;
}

Way station_way(dataplane::PortIndex port, const net::Mac& dst, const mirror::Link& link,
                uint32_t route_mtu) {
  const uint32_t mtu = route_mtu != 0 ? std::min(route_mtu, link.mtu) : link.mtu;
  return {.kind = Way::Kind::station,
          .port = port,
          .mtu = static_cast<uint16_t>(std::min<uint32_t>(mtu, UINT16_MAX)),
          .dst_mac = dst,
          .src_mac = link.mac};
}

L3Hops::~L3Hops() {
  for (const auto& [id, row] : rows_) {
    for (const NeighbourKey& key : row.waits) demand_.remove(key);
    ids_.give_back(id);
  }
}

void L3Hops::set_ends(std::vector<TunnelEnd> tunnels, std::vector<PortEnd> ports) {
  if (tunnels == tunnels_ && ports == ports_) return;
  tunnels_ = std::move(tunnels);
  ports_ = std::move(ports);
  all_dirty_ = true;
}

// --- Rows.

L3Hops::HopId L3Hops::hold(const Leads& leads, TimePoint now) {
  if (const auto known = ids_of_.find(leads); known != ids_of_.end()) {
    ++rows_.at(known->second).routes;
    return known->second;
  }
  const HopId id = ids_.take();
  if (id == HopIds::kNone) return id;
  const auto entry = ids_of_.emplace(leads, id).first;
  Row& row = rows_[id];
  row.leads = &entry->first;
  row.routes = 1;
  update(id, row, now);
  return id;
}

void L3Hops::release(HopId id) {
  if (id == fib::kNoRoute || id == HopIds::kNone) return;
  if (--rows_.at(id).routes == 0) remove(id);
}

void L3Hops::recount(const std::unordered_map<HopId, size_t>& routes) {
  std::vector<HopId> unused;
  for (auto& [id, row] : rows_) {
    const auto count = routes.find(id);
    row.routes = count == routes.end() ? 0 : count->second;
    if (row.routes == 0) unused.push_back(id);
  }
  for (const HopId id : unused) remove(id);
}

void L3Hops::remove(HopId id) {
  const auto found = rows_.find(id);
  unindex(id, found->second);
  for (const NeighbourKey& key : found->second.waits) demand_.remove(key);
  ids_of_.erase(ids_of_.find(*found->second.leads));
  rows_.erase(found);
  dirty_.erase(id);
  ids_.give_back(id);
}

void L3Hops::flush(TimePoint now) {
  if (std::exchange(all_dirty_, false)) {
    dirty_.clear();
    for (auto& [id, row] : rows_) update(id, row, now);
    return;
  }
  for (const HopId id : std::exchange(dirty_, {})) update(id, rows_.at(id), now);
}

bool L3Hops::each_used(HopId& from, size_t& budget, const std::function<void(const NeighbourKey&)>& used) {
  for (auto entry = rows_.lower_bound(from); entry != rows_.end(); ++entry) {
    auto& [id, row] = *entry;
    from = id;
    if (budget == 0) return false;
    --budget;
    if (row.neighbours.empty()) continue;
    const uint32_t used_s = dataplane_.hop_used_s(id);
    if (std::exchange(row.used_s, used_s) != used_s) std::ranges::for_each(row.neighbours, used);
  }
  from = 0;
  return true;
}

void L3Hops::update(HopId id, Row& row, TimePoint now) {
  unindex(id, row);
  const std::vector<NeighbourKey> waited = std::exchange(row.waits, {});
  row.links.clear();
  row.nexthops.clear();
  row.neighbours.clear();
  dataplane::RouteHop hop = make_route_hop(ways(row));
  index(id, row);
  // What goes on waiting keeps its place in the back-off.
  for (const NeighbourKey& key : row.waits) demand_.add(key, now);
  for (const NeighbourKey& key : waited) demand_.remove(key);
  const dataplane::RouteHop* const before = dataplane_.hop(id);
  if (before == nullptr || !(*before == hop)) dataplane_.set_hop(id, std::move(hop));
}

void L3Hops::index(HopId id, const Row& row) {
  for (const NeighbourKey& key : row.neighbours) by_neighbour_.insert({key, id});
  for (const uint32_t nexthop : row.nexthops) by_nexthop_.insert({nexthop, id});
  for (const int link : row.links) by_link_.insert({link, id});
}

void L3Hops::unindex(HopId id, const Row& row) {
  for (const NeighbourKey& key : row.neighbours) by_neighbour_.erase({key, id});
  for (const uint32_t nexthop : row.nexthops) by_nexthop_.erase({nexthop, id});
  for (const int link : row.links) by_link_.erase({link, id});
}

// --- Where they lead.

std::vector<dataplane::WeightedWay> L3Hops::ways(Row& row) const {
  const Leads& leads = *row.leads;
  if (leads.encap) return {{{.kind = Way::Kind::tunnel, .encap = *leads.encap}, 1}};
  if (leads.port) {
    const auto port = std::ranges::find(ports_, *leads.port, &PortEnd::port);
    if (port == ports_.end()) return {{refusal(DropReason::hop_elsewhere), 1}};
    if (port->removed) return {{refusal(DropReason::hop_down), 1}};
    const mirror::Link* const link = port->netdev.empty() ? nullptr : mirror_.link_by_name(port->netdev);
    row.links.push_back(kNetdevs);
    const mirror::Link ethdev{.mac = port->mac, .mtu = port->mtu};
    return {{station_way(port->port, leads.dst_mac, link != nullptr ? *link : ethdev), 1}};
  }
  mirror::Path path;
  path.type = leads.type;
  path.family = leads.family;
  path.nexthop_id = leads.nexthop_id;
  path.hops = leads.hops;
  if (leads.nexthop_id != 0) {
    row.nexthops.push_back(leads.nexthop_id);
    if (const mirror::Nexthop* nexthop = mirror_.nexthop(leads.nexthop_id))
      for (const auto& [member, weight] : nexthop->group) row.nexthops.push_back(member);
    path = mirror_.present(path);
  }
  if (path.type != RTN_UNICAST) return {{way_of_type(path.type), 1}};
  std::vector<dataplane::WeightedWay> all;
  for (const mirror::Hop& hop : path.hops) {
    row.links.push_back(hop.ifindex);
    const mirror::Link* const link = mirror_.link(hop.ifindex);
    const PortEnd* const port = link != nullptr ? port_of(*link) : nullptr;
    const bool live = link != nullptr && link->is_up() && link->has_carrier() && hop.is_alive() &&
                      (port == nullptr || !port->removed);
    if (live && all.size() < dataplane::RouteHop::kBuckets)
      all.push_back({way(hop, leads.mtu, row), std::max<uint32_t>(hop.weight, 1)});
  }
  if (all.empty()) all.push_back({refusal(DropReason::hop_down), 1});
  return all;
}

Way L3Hops::way(const mirror::Hop& hop, uint32_t mtu, Row& row) const {
  const auto route_mtu = static_cast<uint16_t>(mtu != 0 ? std::min<uint32_t>(mtu, UINT16_MAX) : UINT16_MAX);
  if (hop.encap != 0) return refusal(DropReason::hop_elsewhere);  // of the kernel's own
  const mirror::Link& link = *mirror_.link(hop.ifindex);
  const PortEnd* const port = port_of(link);
  if (port == nullptr) {
    const TunnelEnd* const tunnel = tunnel_of(hop, link);
    if (tunnel == nullptr) return refusal(DropReason::hop_elsewhere);
    return {.kind = Way::Kind::tunnel, .mtu = route_mtu, .encap = tunnel->encap};
  }
  if (!hop.via) return {.kind = Way::Kind::on_link, .port = port->port, .mtu = route_mtu};
  const NeighbourKey key{hop.ifindex, *hop.via};
  row.neighbours.push_back(key);
  const mirror::Neighbour* const neighbour = mirror_.neighbour(key.first, key.second);
  if (neighbour != nullptr && neighbour->is_valid())
    return station_way(port->port, *neighbour->mac, link, mtu);
  row.waits.push_back(key);
  return refusal(DropReason::neighbour_unresolved);
}

const PortEnd* L3Hops::port_of(const mirror::Link& link) const {
  const auto port = std::ranges::find_if(
      ports_, [&](const PortEnd& one) { return !one.netdev.empty() && one.netdev == link.name; });
  return port == ports_.end() ? nullptr : &*port;
}

// The far end as a gateway, as EVPN's symmetric routing has it; of several tunnels to it that with the VNI of
// the kernel's device. Else the tunnel that the link is called after, or whose VNI it has.
const TunnelEnd* L3Hops::tunnel_of(const mirror::Hop& hop, const mirror::Link& link) const {
  const auto has_vni = [&](const TunnelEnd& tunnel) { return link.vxlan && link.vxlan->vni == tunnel.vni; };
  const auto find = [&](const auto& is_it) -> const TunnelEnd* {
    const auto found = std::ranges::find_if(tunnels_, is_it);
    return found == tunnels_.end() ? nullptr : &*found;
  };
  if (hop.via) {
    const auto is_remote = [&](const TunnelEnd& tunnel) { return tunnel.remote == *hop.via; };
    const TunnelEnd* both =
        find([&](const TunnelEnd& tunnel) { return is_remote(tunnel) && has_vni(tunnel); });
    if (both != nullptr) return both;
    if (const TunnelEnd* remote = find(is_remote)) return remote;
  }
  if (const TunnelEnd* named = find([&](const TunnelEnd& tunnel) { return tunnel.name == link.name; }))
    return named;
  return link.vxlan && !link.vxlan->external ? find(has_vni) : nullptr;
}

}  // namespace culvert::control
