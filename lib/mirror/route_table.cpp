#include "mirror/route_table.hpp"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
#include <tuple>

namespace culvert::mirror {
namespace {

auto rank(const Path& path) { return std::tuple(-int{path.tos}, path.metric); }

bool same_hops(const std::vector<Hop>& a, const std::vector<Hop>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Hop& x, const Hop& y) {
    return x.ifindex == y.ifindex && x.via == y.via && x.weight == y.weight && x.encap == y.encap &&
           x.encap_digest == y.encap_digest;
  });
}

// The same route, whatever the kernel has meanwhile said of its hops' state.
bool same(const Path& a, const Path& b) {
  return rank(a) == rank(b) && a.nexthop_id == b.nexthop_id && a.protocol == b.protocol &&
         a.scope == b.scope && a.type == b.type && a.prefsrc == b.prefsrc && same_hops(a.hops, b.hops);
}

// ip6_route.h, rt6_qualify_for_ecmp: such routes of one metric are siblings of one multipath route.
bool joins_siblings(const Path& path) {
  return !path.is_v4() && path.nexthop_id == 0 && path.protocol != RTPROT_RA && !path.hops.empty() &&
         std::all_of(path.hops.begin(), path.hops.end(), [](const Hop& hop) { return hop.via.has_value(); });
}

bool same_gateway(const Hop& a, const Hop& b) { return a.ifindex == b.ifindex && a.via == b.via; }

}  // namespace

// --- Rows.

RouteTable::Key RouteTable::key_of(uint32_t table, const net::Prefix& dst) {
  Key key{{}, table, dst.address.is_v4(), dst.length};
  const auto bytes = dst.address.bytes();
  std::memcpy(key.address.data(), bytes.data(), bytes.size());
  return key;
}

RouteTable::Key RouteTable::key_of(RowId row) const {
  const Row& r = rows_[row];
  return {
      {r.address[0], r.address[1]}, path_of(row)->table, (r.info & kIpv4) != 0, static_cast<uint8_t>(r.info)};
}

uint32_t RouteTable::hash_of(const Key& key) {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15ull;
  uint64_t hash = (key.address[0] ^ key.table ^ (uint64_t{key.length} << 40)) * kOdd;
  hash = (hash ^ (hash >> 32) ^ key.address[1]) * kOdd;
  return static_cast<uint32_t>(hash >> 32);
}

bool RouteTable::has_key(RowId row, const Key& key) const {
  const Row& r = rows_[row];
  return r.address[0] == key.address[0] && r.address[1] == key.address[1] &&
         static_cast<uint8_t>(r.info) == key.length && ((r.info & kIpv4) != 0) == key.v4 &&
         path_of(row)->table == key.table;
}

net::Prefix RouteTable::prefix_of(RowId row) const {
  Row& r = rows_[row];
  const uint64_t address[2] = {load(r.address[0]), load(r.address[1])};
  const uint64_t info = load(r.info);
  std::array<uint8_t, 16> bytes;
  std::memcpy(bytes.data(), address, sizeof(address));
  const size_t size = (info & kIpv4) != 0 ? 4 : 16;
  return {*net::IpAddr::from_bytes(std::span(bytes.data(), size)), static_cast<uint8_t>(info)};
}

RouteTable::RowId RouteTable::prepare(const Route& route, Mark mark) {
  RowId row;
  if (free_.empty()) {
    row = rows_.grow();
  } else {
    row = free_.back();
    free_.pop_back();
  }
  const Key key = key_of(route.table, route.dst);
  Row& r = rows_[row];
  store(r.address[0], key.address[0]);
  store(r.address[1], key.address[1]);
  set_path(row, paths_.hold(route), key.length | (key.v4 ? kIpv4 : 0));
  r.mark = mark;
  r.next = kNone;
  return row;
}

void RouteTable::discard(RowId row) {
  const PathId path = path_id(row);
  store(rows_[row].info, 0);
  paths_.release(path);
  free_.push_back(row);
}

void RouteTable::set_path(RowId row, PathId path, uint64_t flags) {
  store(rows_[row].info, uint64_t{path} << 32 | flags);
}

void RouteTable::link_to_path(RowId row) {
  const PathId path = path_id(row);
  if (path >= first_of_path_.size()) first_of_path_.resize(path + 1, kNone);
  RowId& first = first_of_path_[path];
  rows_[row].path_before = kNone;
  rows_[row].path_behind = first;
  if (first != kNone) rows_[first].path_before = row;
  first = row;
}

void RouteTable::unlink_from_path(RowId row) {
  const Row& r = rows_[row];
  if (r.path_before != kNone)
    rows_[r.path_before].path_behind = r.path_behind;
  else
    first_of_path_[path_id(row)] = r.path_behind;
  if (r.path_behind != kNone) rows_[r.path_behind].path_before = r.path_before;
}

// --- Look-ups.

const RouteTable::Rows& RouteTable::chain(const Key& key) const {
  chain_.clear();
  for (RowId row = first_of(key); row != kNone; row = rows_[row].next) chain_.push_back(row);
  return chain_;
}

RouteTable::RowId RouteTable::first_of(const Key& key) const {
  return index_.find(hash_of(key), [&](RowId row) { return has_key(row, key); }).value_or(kNone);
}

std::optional<RouteTable::Found> RouteTable::lookup(uint32_t table, const net::IpAddr& ip,
                                                    const std::function<bool(const Path&)>& usable) const {
  const auto lengths = lengths_.find({table, ip.family()});
  if (lengths == lengths_.end()) return std::nullopt;
  for (unsigned length = ip.width_bits() + 1; length-- > 0;) {
    if (lengths->second.count[length] == 0) continue;
    for (const RowId row : chain(key_of(table, net::Prefix::of(ip, length)))) {
      const Path* path = path_of(row);
      if (path->tos == 0 && usable(*path)) return at(row);
    }
  }
  return std::nullopt;
}

const Path* RouteTable::best_from(RowId row, const std::function<bool(const Path&)>& usable) const {
  for (; row != kNone; row = rows_[row].next) {
    const Path* path = path_of(row);
    if (path->tos == 0 && usable(*path)) return path;
  }
  return nullptr;
}

const Path* RouteTable::best(uint32_t table, const net::Prefix& dst,
                             const std::function<bool(const Path&)>& usable) const {
  return best_from(first_of(key_of(table, dst)), usable);
}

bool RouteTable::visit_best(uint32_t table, RowId& from, size_t budget,
                            const std::function<bool(const Path&)>& usable,
                            const std::function<void(const net::Prefix&, const Path&)>& visit) const {
  const auto end = static_cast<RowId>(std::min<size_t>(rows_.size(), from + budget));
  for (; from < end; ++from) {
    if ((rows_[from].info & kPresent) == 0 || path_of(from)->table != table) continue;
    if (first_of(key_of(from)) != from) continue;
    if (const Path* path = best_from(from, usable)) visit(prefix_of(from), *path);
  }
  return from < rows_.size();
}

std::vector<RouteTable::Found> RouteTable::sorted() const {
  struct Place {
    uint32_t table;
    net::Prefix dst;
    RowId row;
    auto operator<=>(const Place&) const = default;
  };
  std::vector<Place> places;
  places.reserve(size_);
  for (RowId row = 0; row < rows_.size(); ++row)
    if ((rows_[row].info & kPresent) != 0) places.push_back({path_of(row)->table, prefix_of(row), row});
  std::sort(places.begin(), places.end());
  std::vector<Found> routes;
  routes.reserve(size_);
  for (size_t i = 0; i < places.size(); i = routes.size())
    for (const RowId row : chain(key_of(places[i].table, places[i].dst))) routes.push_back(at(row));
  return routes;
}

bool RouteTable::confirm(const Route& route, Mark mark, Mark oldest) {
  if (index_.empty()) return false;
  const Rows& rows = chain(key_of(route.table, route.dst));
  for (const RowId row : rows) {
    if (rows_[row].mark >= oldest || !(*path_of(row) == static_cast<const Path&>(route))) continue;
    if (is_overtaken(rows, row, oldest)) return false;
    rows_[row].mark = mark;
    return true;
  }
  return false;
}

std::vector<RouteTable::RowId> RouteTable::older_than(Mark mark) const {
  std::vector<RowId> older;
  for (RowId row = 0; row < rows_.size(); ++row)
    if ((rows_[row].info & kPresent) != 0 && rows_[row].mark < mark) older.push_back(row);
  return older;
}

void RouteTable::forget_marks() {
  for (RowId row = 0; row < rows_.size(); ++row) rows_[row].mark = 0;
}

// --- Changes.

void RouteTable::put(RowId row, Place place, Mark oldest) {
  const Key key = key_of(row);
  const Path& path = *path_of(row);
  const Rows* rows = &chain(key);
  RowId old = find_same(*rows, path, place == Place::dumped ? oldest : kAnyMark);
  if (old != kNone && place == Place::dumped && is_overtaken(*rows, old, oldest)) {
    remove(old);
    rows = &chain(key);
    old = kNone;
  }
  // IPv6 replaces the first, also by what stands elsewhere already, and then has it twice. One on a nexthop
  // object may be told because that was replaced, and means itself.
  const bool replaces_first = place == Place::replace && !path.is_v4() && path.nexthop_id == 0;
  if (old == kNone || replaces_first) old = find_replaced(*rows, path, place, oldest);
  if (old == kNone) return enter(*rows, key, row, position(*rows, row, place));
  rows_[old].mark = rows_[row].mark;
  const PathId after = path_id(row);
  paths_.hold(after);
  discard(row);
  change(old, after);
  paths_.release(after);
}

void RouteTable::enter(const Rows& rows, const Key& key, RowId row, size_t at) {
  if (at > 0) {
    rows_[row].next = rows_[rows[at - 1]].next;
    rows_[rows[at - 1]].next = row;
  } else if (!rows.empty()) {
    rows_[row].next = rows[0];
    index_.replace(hash_of(key), row, [&](RowId other) { return other == rows[0]; });
  } else {
    index_.add(hash_of(key), row);
    count(key, true);
  }
  link_to_path(row);
  store(rows_[row].info, rows_[row].info | kPresent);
  ++size_;
  changed_(prefix_of(row), nullptr, path_of(row));
}

void RouteTable::remove(RowId row) {
  const Key key = key_of(row);
  const Rows& rows = chain(key);
  const RowId next = rows_[row].next;
  if (rows[0] != row)
    rows_[*(std::find(rows.begin(), rows.end(), row) - 1)].next = next;
  else if (next != kNone)
    index_.replace(hash_of(key), next, [&](RowId other) { return other == row; });
  else
    index_.remove(hash_of(key), [&](RowId other) { return other == row; });
  if (rows.size() == 1) count(key, false);
  const Found before = at(row);
  unlink_from_path(row);
  discard(row);
  --size_;
  changed_(before.dst, before.path, nullptr);
}

void RouteTable::count(const Key& key, bool add) {
  const auto lengths =
      lengths_.try_emplace({key.table, key.v4 ? net::Family::ipv4 : net::Family::ipv6}).first;
  if (add) {
    ++lengths->second.count[key.length];
    ++lengths->second.total;
    return;
  }
  --lengths->second.count[key.length];
  if (--lengths->second.total == 0) lengths_.erase(lengths);
}

void RouteTable::remove(const Route& told) {
  const Rows& rows = chain(key_of(told.table, told.dst));
  if (const RowId row = find_same(rows, told, kAnyMark); row != kNone) return remove(row);
  if (!joins_siblings(told)) return;
  for (const RowId row : rows) {
    const Path& path = *path_of(row);
    if (!joins_siblings(path) || path.metric != told.metric) continue;
    Path after = path;
    for (const Hop& gone : told.hops)
      std::erase_if(after.hops, [&](const Hop& hop) { return same_gateway(hop, gone); });
    if (after.hops.empty()) return remove(row);
    const PathId id = paths_.hold(after);
    change(row, id);
    return paths_.release(id);
  }
}

// `after` is held by the caller.
void RouteTable::change(RowId row, PathId after) {
  const PathId before = path_id(row);
  if (before == after) return;
  const Path* was = paths_.at(before);  // good after its release: only the next reclaim takes it away
  unlink_from_path(row);
  paths_.hold(after);
  set_path(row, after, rows_[row].info & UINT32_MAX);
  link_to_path(row);
  paths_.release(before);
  changed_(prefix_of(row), was, paths_.at(after));
}

void RouteTable::revise(const std::vector<PathId>& paths, const Rule& rule) {
  for (const PathId id : paths) {
    if (id >= first_of_path_.size() || first_of_path_[id] == kNone) continue;  // of rows not put yet
    paths_.hold(id);
    const std::optional<Path> after = rule(*paths_.at(id));
    const PathId next = after ? paths_.hold(*after) : id;
    while (next != id && first_of_path_[id] != kNone) change(first_of_path_[id], next);
    while (!after && first_of_path_[id] != kNone) remove(first_of_path_[id]);
    if (after) paths_.release(next);
    paths_.release(id);
  }
}

// --- Which of them are the same.

RouteTable::RowId RouteTable::find_same(const Rows& rows, const Path& path, Mark below) const {
  for (const RowId row : rows)
    if (rows_[row].mark < below && same(*path_of(row), path)) return row;
  return kNone;
}

// The row whose place a route takes that is not there yet.
RouteTable::RowId RouteTable::find_replaced(const Rows& rows, const Path& path, Place place,
                                            Mark oldest) const {
  RowId other_kind = kNone;
  for (const RowId row : rows) {
    const Path& entry = *path_of(row);
    if (rank(entry) != rank(path)) continue;
    if (place == Place::dumped) {
      if (rows_[row].mark < oldest) return row;
      continue;
    }
    if (joins_siblings(path) && joins_siblings(entry)) return row;  // the message tells the whole set
    if (place != Place::replace) continue;
    // IPv6 prefers to replace a sibling set by a sibling set, a lone route by a lone route.
    if (joins_siblings(path) == joins_siblings(entry)) return row;
    if (other_kind == kNone) other_kind = row;
  }
  return other_kind;
}

// The dump told an equal before this route that stands behind it here.
bool RouteTable::is_overtaken(const Rows& rows, RowId row, Mark oldest) const {
  const auto behind = std::find(rows.begin(), rows.end(), row) + 1;
  return std::any_of(behind, rows.end(), [&](RowId other) {
    return rows_[other].mark >= oldest && rank(*path_of(other)) == rank(*path_of(row));
  });
}

size_t RouteTable::position(const Rows& rows, RowId row, Place place) const {
  const Path& path = *path_of(row);
  const auto stands_before = [&](RowId other) {
    const auto theirs = rank(*path_of(other)), ours = rank(path);
    if (theirs != ours) return theirs < ours;
    if (place == Place::dumped) return rows_[other].mark < rows_[row].mark;
    return place == Place::last || !path.is_v4();
  };
  return static_cast<size_t>(std::find_if_not(rows.begin(), rows.end(), stands_before) - rows.begin());
}

}  // namespace culvert::mirror
