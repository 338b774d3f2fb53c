#include "resolver/resolver.hpp"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.hpp"

namespace culvert::resolver {

namespace {

const Log kLog("resolver");

}  // namespace

Resolver::Resolver(mirror::Mirror& mirror, std::vector<PortLink> ports, OnChange on_change)
    : mirror_(mirror),
      on_change_(std::move(on_change)),
      demand_([this](const NeighbourKey& key) { mirror_.use_neighbour(key.first, key.second); }) {
  for (PortLink& port : ports) ports_[std::move(port.netdev)] = {.port = port.port};
  mirror_.subscribe(*this);
}

Resolver::~Resolver() { mirror_.unsubscribe(*this); }

EncapId Resolver::add(const tunnel::Tunnel& tunnel, TimePoint now) {
  EncapId id = static_cast<EncapId>(rows_.size());
  if (!free_ids_.empty()) id = free_ids_.extract(free_ids_.begin()).value();
  Row& row = rows_[id];
  row.adjacency.id = id;
  row.adjacency.tunnel = tunnel;
  by_remote_.insert({{tunnel.table, tunnel.remote}, id});
  by_local_.insert({tunnel.local, id});
  update(row, now, true);
  return id;
}

void Resolver::change(EncapId id, const tunnel::Tunnel& tunnel, TimePoint now) {
  Row& row = rows_.at(id);
  tunnel::Tunnel& mine = row.adjacency.tunnel;
  by_remote_.erase({{mine.table, mine.remote}, id});
  by_local_.erase({mine.local, id});
  mine = tunnel;
  by_remote_.insert({{tunnel.table, tunnel.remote}, id});
  by_local_.insert({tunnel.local, id});
  update(row, now, true);
}

void Resolver::remove(EncapId id) {
  const Row& row = rows_.at(id);
  const tunnel::Tunnel& tunnel = row.adjacency.tunnel;
  unindex(row);
  by_remote_.erase({{tunnel.table, tunnel.remote}, id});
  by_local_.erase({tunnel.local, id});
  if (row.waits) demand_.remove(*row.adjacency.neighbour);
  dirty_.erase(id);
  rows_.erase(id);
  free_ids_.insert(id);
}

std::vector<EncapId> Resolver::encaps_from(const net::IpAddr& local) const {
  std::vector<EncapId> encaps;
  for (auto entry = by_local_.lower_bound({local, 0}); entry != by_local_.end() && entry->first == local;
       ++entry)
    encaps.push_back(entry->second);
  return encaps;
}

size_t Resolver::encaps_on(const NeighbourKey& key) const {
  return static_cast<size_t>(
      std::distance(by_neighbour_.lower_bound({key, 0}), by_neighbour_.upper_bound({key, UINT32_MAX})));
}

void Resolver::used(const NeighbourKey& key) {
  const mirror::Neighbour* neighbour = mirror_.neighbour(key.first, key.second);
  if (neighbour == nullptr || neighbour->is_operators()) return;
  if (neighbour->nud == NUD_STALE || neighbour->nud == NUD_REACHABLE)
    mirror_.use_neighbour(key.first, key.second);
}

void Resolver::remove_port(uint16_t port) {
  for (auto& [netdev, known] : ports_) {
    if (known.port != port) continue;
    known.removed = true;
    if (const mirror::Link* link = mirror_.link_by_name(netdev)) mark_dirty(by_link_, link->ifindex);
  }
}

void Resolver::flush(TimePoint now) {
  const std::set<EncapId> dirty = std::exchange(dirty_, {});
  for (const EncapId id : dirty) update(rows_.at(id), now, false);
}

// --- What a change concerns.

void Resolver::on_link(const mirror::Link* before, const mirror::Link* after) {
  mark_dirty(by_link_, (after != nullptr ? after : before)->ifindex);
  const auto known_by = [](const mirror::Link& link) { return std::tie(link.name, link.group, link.master); };
  if (before == nullptr || after == nullptr || known_by(*before) != known_by(*after))
    if (mirror_.rules_look_at_links()) on_rule(nullptr, nullptr);
}

// Rules name links, and VRFs and groups of links: one that comes or goes, or is another by now, may concern
// all.
void Resolver::on_rule(const mirror::PolicyRule*, const mirror::PolicyRule*) {
  auto entry = by_remote_.lower_bound({{RT_TABLE_MAIN, net::IpAddr{}}, 0});
  for (; entry != by_remote_.end() && entry->first.first == RT_TABLE_MAIN; ++entry)
    dirty_.insert(entry->second);
}

void Resolver::on_address(const mirror::Address* before, const mirror::Address* after) {
  mark_dirty(by_local_, (after != nullptr ? after : before)->local);
}

void Resolver::on_neighbour(const mirror::Neighbour* before, const mirror::Neighbour* after) {
  const mirror::Neighbour& neighbour = after != nullptr ? *after : *before;
  mark_dirty(by_neighbour_, NeighbourKey{neighbour.ifindex, neighbour.ip});
}

// The object, or a group that it is in: an adjacency depends on all of them.
void Resolver::on_nexthop(const mirror::Nexthop* before, const mirror::Nexthop* after) {
  mark_dirty(by_nexthop_, (after != nullptr ? after : before)->id);
}

void Resolver::on_route(const net::Prefix& dst, const mirror::Path* before, const mirror::Path* after) {
  const mirror::Path& route = after != nullptr ? *after : *before;
  const auto concern = [&](uint32_t table) {
    // Remotes are ordered by address: those that the prefix covers stand together.
    auto entry = by_remote_.lower_bound({{table, dst.address}, 0});
    for (; entry != by_remote_.end(); ++entry) {
      const auto& [entry_table, remote] = entry->first;
      if (entry_table != table || !dst.contains(remote)) break;
      dirty_.insert(entry->second);
    }
  };
  concern(RT_TABLE_MAIN);  // rules may lead to any table
  if (route.table != RT_TABLE_MAIN) concern(route.table);
}

// --- The index.

void Resolver::update(Row& row, TimePoint now, bool is_new) {
  const Adjacency before = row.adjacency;
  unindex(row);
  row.links.clear();
  row.nexthops.clear();
  resolve(row);
  index(row);

  const Adjacency& after = row.adjacency;
  const bool waits = after.reason == Reason::neighbour_unresolved || after.reason == Reason::neighbour_failed;
  const bool moved = before.neighbour != after.neighbour;
  if (row.waits && (!waits || moved)) demand_.remove(*before.neighbour);
  if (waits && (!row.waits || moved)) demand_.add(*after.neighbour, now);
  row.waits = waits;

  if (!is_new && before.rule == after.rule && before.reason_text == after.reason_text) return;
  if (after.rule)
    kLog.info("tunnel {}: resolved: via {} {}, port {}", after.tunnel.name, after.rule->via,
              after.rule->dst_mac, after.rule->port);
  else
    kLog.info("tunnel {}: unresolved: {}", after.tunnel.name, after.reason_text);
  on_change_(after);
}

void Resolver::index(const Row& row) {
  if (row.adjacency.neighbour) by_neighbour_.insert({*row.adjacency.neighbour, row.adjacency.id});
  for (const int link : row.links) by_link_.insert({link, row.adjacency.id});
  for (const uint32_t nexthop : row.nexthops) by_nexthop_.insert({nexthop, row.adjacency.id});
}

void Resolver::unindex(const Row& row) {
  if (row.adjacency.neighbour) by_neighbour_.erase({*row.adjacency.neighbour, row.adjacency.id});
  for (const int link : row.links) by_link_.erase({link, row.adjacency.id});
  for (const uint32_t nexthop : row.nexthops) by_nexthop_.erase({nexthop, row.adjacency.id});
}

}  // namespace culvert::resolver
