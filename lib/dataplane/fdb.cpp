#include "dataplane/fdb.hpp"

#include <algorithm>
#include <utility>

namespace culvert::dataplane {

Fdb::Fdb(FdbHash& hash, size_t capacity, std::vector<const std::atomic<uint32_t>*> stamps)
    : hash_(hash), capacity_(capacity), stamps_(std::move(stamps)), macs_(kMaxNetworks) {}

Fdb::Verdict Fdb::learn(StationKey station, Where where, uint32_t max_macs, uint32_t now_s) {
  if (const auto value = hash_.find(station)) {
    const uint32_t number = FdbValue::unpack(*value).row;
    const Row& row = rows_[number];
    if (row.where == where || row.origin == Origin::configured) return Verdict::unchanged;
    move(number, where);
    return Verdict::moved;
  }
  if (macs_[station.network()] >= max_macs) return Verdict::refused;
  return add(station, where, Origin::learned, now_s) ? Verdict::added : Verdict::refused;
}

bool Fdb::add_static(StationKey station, Where where, uint32_t now_s) {
  const auto value = hash_.find(station);
  if (!value) return add(station, where, Origin::configured, now_s);
  const uint32_t number = FdbValue::unpack(*value).row;
  Row& row = rows_[number];
  if (row.origin == Origin::configured && row.where == where) return true;
  row.origin = Origin::configured;
  move(number, where);
  return true;
}

bool Fdb::add(StationKey station, Where where, Origin origin, uint32_t now_s) {
  if (free_.empty() && rows_.size() == capacity_) return false;
  const uint32_t number = free_.empty() ? static_cast<uint32_t>(rows_.size()) : free_.back();
  if (!hash_.assign(station, FdbValue{number, where}.pack())) return false;
  if (free_.empty())
    rows_.emplace_back();
  else
    free_.pop_back();
  // A worker that still holds the number of a row that is gone may stamp the new one: it is new, and so in
  // use.
  rows_[number] = {.station = station, .where = where, .origin = origin, .used = true, .created_s = now_s};
  ++macs_[station.network()];
  tell(PathEvent::Kind::appeared, rows_[number]);
  return true;
}

void Fdb::move(uint32_t number, Where where) {
  Row& row = rows_[number];
  row.where = where;
  // One atomic store of a value: readers find the old place or the new one. The key exists, so it cannot
  // fail.
  hash_.assign(row.station, FdbValue{number, where}.pack());
  tell(PathEvent::Kind::moved, row);
}

void Fdb::remove(uint32_t number) {
  Row& row = rows_[number];
  hash_.erase(row.station);
  --macs_[row.station.network()];
  const Row gone = std::exchange(row, {});
  free_.push_back(number);
  tell(PathEvent::Kind::gone, gone);
}

void Fdb::tell(PathEvent::Kind kind, const Row& row) const {
  if (listener_) listener_({kind, row.station.network(), row.station.mac(), row.where, row.origin});
}

bool Fdb::touch(StationKey station, uint32_t now_s) {
  const auto value = hash_.find(station);
  if (!value) return false;
  rows_[FdbValue::unpack(*value).row].touched_s = now_s;
  return true;
}

size_t Fdb::remove_if(const std::function<bool(StationKey, Where)>& gone) {
  size_t removed = 0;
  for (uint32_t number = 0; number < rows_.size(); ++number) {
    if (!rows_[number].used || !gone(rows_[number].station, rows_[number].where)) continue;
    remove(number);
    ++removed;
  }
  return removed;
}

uint32_t Fdb::last_used_s(uint32_t number) const {
  uint32_t last = std::max(rows_[number].created_s, rows_[number].touched_s);
  for (const auto* stamps : stamps_) last = std::max(last, stamps[number].load(std::memory_order_relaxed));
  return last;
}

size_t Fdb::collect(size_t& first, size_t budget, uint32_t now_s, uint32_t idle_s) {
  size_t removed = 0;
  const size_t end = std::min(first + budget, rows_.size());
  for (; first < end; ++first) {
    const auto number = static_cast<uint32_t>(first);
    if (!rows_[number].used || rows_[number].origin != Origin::learned) continue;
    if (now_s - last_used_s(number) < idle_s) continue;
    remove(number);
    ++removed;
  }
  return removed;
}

std::vector<PathRow> Fdb::rows(uint32_t now_s, uint32_t recent_s) const {
  std::vector<PathRow> rows;
  for (uint32_t number = 0; number < rows_.size(); ++number) {
    const Row& row = rows_[number];
    if (!row.used) continue;
    PathRow& view = rows.emplace_back();
    view.network = row.station.network();
    view.mac = row.station.mac();
    view.where = row.where;
    view.origin = row.origin;
    view.idle_s = now_s - last_used_s(number);
    for (const auto* stamps : stamps_) {
      const uint32_t stamp = stamps[number].load(std::memory_order_relaxed);
      // A stamp from before the row was created belongs to an earlier row of this number.
      if (stamp >= row.created_s && stamp + recent_s > now_s) ++view.refs;
    }
  }
  return rows;
}

}  // namespace culvert::dataplane
