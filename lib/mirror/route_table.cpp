#include "mirror/route_table.hpp"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <tuple>

namespace culvert::mirror {
namespace {

auto rank(const Route& route) { return std::tuple(-int{route.tos}, route.metric); }

bool same_hops(const std::vector<Hop>& a, const std::vector<Hop>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Hop& x, const Hop& y) {
    return x.ifindex == y.ifindex && x.via == y.via && x.weight == y.weight;
  });
}

// The same route, whatever the kernel has meanwhile said of its hops' state. The hops of a nexthop object are
// the object's.
bool same(const Route& a, const Route& b) {
  if (rank(a) != rank(b) || a.nexthop_id != b.nexthop_id || a.protocol != b.protocol || a.scope != b.scope)
    return false;
  if (a.nexthop_id != 0) return a.prefsrc == b.prefsrc;
  return a.type == b.type && a.prefsrc == b.prefsrc && same_hops(a.hops, b.hops);
}

// ip6_route.h, rt6_qualify_for_ecmp: such routes of one metric are siblings of one multipath route.
bool joins_siblings(const Route& route) {
  return !route.dst.address.is_v4() && route.nexthop_id == 0 && route.protocol != RTPROT_RA &&
         !route.hops.empty() && std::all_of(route.hops.begin(), route.hops.end(), [](const Hop& hop) {
           return hop.via.has_value();
         });
}

bool same_gateway(const Hop& a, const Hop& b) { return a.ifindex == b.ifindex && a.via == b.via; }

}  // namespace

const Route* RouteTable::lookup(uint32_t table, const net::IpAddr& ip) const {
  const auto lengths = lengths_.find({table, ip.family()});
  if (lengths == lengths_.end()) return nullptr;
  for (unsigned length = ip.width_bits() + 1; length-- > 0;) {
    if (lengths->second.count[length] == 0) continue;
    const auto node = nodes_.find(Key{table, net::Prefix::of(ip, length)});
    if (node == nodes_.end()) continue;
    for (const Entry& entry : node->second.entries)
      if (entry.route.tos == 0) return &entry.route;
  }
  return nullptr;
}

std::vector<const Route*> RouteTable::sorted() const {
  std::vector<const Node*> nodes;
  nodes.reserve(nodes_.size());
  for (const auto& [key, node] : nodes_) nodes.push_back(&node);
  std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) {
    return std::tie(a->key.table, a->key.dst) < std::tie(b->key.table, b->key.dst);
  });
  std::vector<const Route*> routes;
  routes.reserve(size_);
  for (const Node* node : nodes)
    for (const Entry& entry : node->entries) routes.push_back(&entry.route);
  return routes;
}

bool RouteTable::confirm(const Route& route, uint64_t mark, uint64_t oldest) {
  const auto node = nodes_.find(Key{route.table, route.dst});
  if (node == nodes_.end()) return false;
  for (Entry& entry : node->second.entries) {
    if (!(entry.route == route)) continue;
    if (is_overtaken(node->second, entry, oldest)) return false;
    entry.mark = mark;
    return true;
  }
  return false;
}

std::vector<Route> RouteTable::older_than(uint64_t mark) const {
  std::vector<Route> older;
  for (const auto& [key, node] : nodes_)
    for (const Entry& entry : node.entries)
      if (entry.mark < mark) older.push_back(entry.route);
  return older;
}

void RouteTable::put(Route route, Place place, uint64_t mark, uint64_t oldest, const Changed& changed) {
  Node& node = node_of(route);
  Entry* old = find_same(node, route);
  if (old != nullptr && place == Place::dumped && is_overtaken(node, *old, oldest)) {
    take(node, static_cast<size_t>(old - node.entries.data()), changed);
    old = nullptr;
  }
  if (old == nullptr) old = find_replaced(node, route, place, oldest);
  if (old != nullptr) {
    old->mark = mark;
    change(node, *old, std::move(route), changed);
    return;
  }
  const auto at = node.entries.begin() + static_cast<ptrdiff_t>(position(node, route, place, mark));
  const auto entry = node.entries.insert(at, Entry{std::move(route), mark});
  index(node, entry->route, true);
  ++size_;
  changed(nullptr, &entry->route);
}

void RouteTable::remove(const Route& told, const Changed& changed) {
  const auto found = nodes_.find(Key{told.table, told.dst});
  if (found == nodes_.end()) return;
  Node& node = found->second;
  if (const Entry* entry = find_same(node, told)) {
    take(node, static_cast<size_t>(entry - node.entries.data()), changed);
    drop_if_empty(node);
    return;
  }
  if (!joins_siblings(told)) return;
  for (Entry& entry : node.entries) {
    if (!joins_siblings(entry.route) || entry.route.metric != told.metric) continue;
    Route after = entry.route;
    for (const Hop& gone : told.hops)
      std::erase_if(after.hops, [&](const Hop& hop) { return same_gateway(hop, gone); });
    if (after.hops.empty())
      take(node, static_cast<size_t>(&entry - node.entries.data()), changed);
    else
      change(node, entry, std::move(after), changed);
    drop_if_empty(node);
    return;
  }
}

void RouteTable::revise_on_link(int ifindex, const Rule& rule, const Changed& changed) {
  const auto on_link = [&](const Route& route) {
    return std::any_of(route.hops.begin(), route.hops.end(),
                       [&](const Hop& hop) { return hop.ifindex == ifindex; });
  };
  revise(on_link_.copy(ifindex), on_link, rule, changed);
}

void RouteTable::revise_on_nexthop(uint32_t id, const Rule& rule, const Changed& changed) {
  const auto on_nexthop = [&](const Route& route) { return route.nexthop_id == id; };
  revise(on_nexthop_.copy(id), on_nexthop, rule, changed);
}

void RouteTable::revise_with_prefsrc(const net::IpAddr& ip, const Rule& rule, const Changed& changed) {
  const auto with_prefsrc = [&](const Route& route) { return route.prefsrc == ip; };
  revise(with_prefsrc_.copy(ip), with_prefsrc, rule, changed);
}

// The index leads to the prefix; other routes of the prefix are none of the rule's business.
template <typename Concerned>
void RouteTable::revise(const std::vector<Node*>& nodes, const Concerned& concerned, const Rule& rule,
                        const Changed& changed) {
  for (Node* node : nodes) {
    for (size_t i = 0; i < node->entries.size();) {
      if (!concerned(node->entries[i].route)) {
        ++i;
        continue;
      }
      std::optional<Route> after = rule(node->entries[i].route);
      if (!after) {
        take(*node, i, changed);
        continue;
      }
      change(*node, node->entries[i], std::move(*after), changed);
      ++i;
    }
    drop_if_empty(*node);
  }
}

RouteTable::Entry* RouteTable::find_same(Node& node, const Route& route) {
  for (Entry& entry : node.entries)
    if (same(entry.route, route)) return &entry;
  return nullptr;
}

// The entry whose place a route takes that is not there yet.
RouteTable::Entry* RouteTable::find_replaced(Node& node, const Route& route, Place place, uint64_t oldest) {
  Entry* other_kind = nullptr;
  for (Entry& entry : node.entries) {
    if (rank(entry.route) != rank(route)) continue;
    const bool siblings = joins_siblings(route) && joins_siblings(entry.route);
    if (place == Place::dumped) {
      if (entry.mark < oldest) return &entry;
      continue;
    }
    if (siblings) return &entry;  // the message tells the whole set
    if (place != Place::replace) continue;
    // IPv6 prefers to replace a sibling set by a sibling set, a lone route by a lone route.
    if (joins_siblings(route) == joins_siblings(entry.route)) return &entry;
    if (other_kind == nullptr) other_kind = &entry;
  }
  return other_kind;
}

// The dump told an equal before this route that stands behind it here.
bool RouteTable::is_overtaken(const Node& node, const Entry& entry, uint64_t oldest) {
  const auto behind = node.entries.begin() + (&entry - node.entries.data()) + 1;
  return std::any_of(behind, node.entries.end(), [&](const Entry& other) {
    return other.mark >= oldest && rank(other.route) == rank(entry.route);
  });
}

size_t RouteTable::position(const Node& node, const Route& route, Place place, uint64_t mark) {
  const auto stands_before = [&](const Entry& entry) {
    if (rank(entry.route) != rank(route)) return rank(entry.route) < rank(route);
    if (place == Place::dumped) return entry.mark < mark;
    return place == Place::last || !route.dst.address.is_v4();
  };
  const auto& entries = node.entries;
  return static_cast<size_t>(std::find_if_not(entries.begin(), entries.end(), stands_before) -
                             entries.begin());
}

RouteTable::Node& RouteTable::node_of(const Route& route) {
  const Key key{route.table, route.dst};
  const auto [place, is_new] = nodes_.try_emplace(key);
  if (is_new) {
    place->second.key = key;
    Lengths& lengths = lengths_[{key.table, key.dst.address.family()}];
    ++lengths.count[key.dst.length];
    ++lengths.total;
  }
  return place->second;
}

void RouteTable::drop_if_empty(Node& node) {
  if (!node.entries.empty()) return;
  const Key key = node.key;
  const auto lengths = lengths_.find({key.table, key.dst.address.family()});
  --lengths->second.count[key.dst.length];
  if (--lengths->second.total == 0) lengths_.erase(lengths);
  nodes_.erase(key);
}

void RouteTable::change(Node& node, Entry& entry, Route after, const Changed& changed) {
  if (entry.route == after) return;
  index(node, entry.route, false);
  const Route before = std::exchange(entry.route, std::move(after));
  reindex(node);
  changed(&before, &entry.route);
}

void RouteTable::take(Node& node, size_t index_of, const Changed& changed) {
  const Route before = std::move(node.entries[index_of].route);
  index(node, before, false);
  node.entries.erase(node.entries.begin() + static_cast<ptrdiff_t>(index_of));
  reindex(node);
  --size_;
  changed(&before, nullptr);
}

void RouteTable::index(Node& node, const Route& route, bool add) {
  const auto set = [&](auto& index, const auto& reference) {
    if (add)
      index.add(reference, &node);
    else
      index.remove(reference, &node);
  };
  for (const Hop& hop : route.hops)
    if (hop.ifindex != 0) set(on_link_, hop.ifindex);
  if (route.nexthop_id != 0) set(on_nexthop_, route.nexthop_id);
  if (route.prefsrc) set(with_prefsrc_, *route.prefsrc);
}

// Other routes of the node may refer to the same: what one of them left is entered again.
void RouteTable::reindex(Node& node) {
  for (const Entry& entry : node.entries) index(node, entry.route, true);
}

}  // namespace culvert::mirror
