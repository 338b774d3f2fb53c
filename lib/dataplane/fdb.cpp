#include "dataplane/fdb.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace culvert::dataplane {

namespace {
const Log kLog("dataplane");
constexpr uint32_t kRetryS = 10;
}  // namespace

Fdb::Fdb(rcu::Published<FdbHash>& published, rcu::RetireQueue& retired, rcu::Domain& domain, size_t capacity,
         std::vector<const std::atomic<uint32_t>*> stamps)
    : published_(published),
      retired_(retired),
      domain_(domain),
      capacity_(capacity),
      stamps_(std::move(stamps)),
      learned_(kMaxNetworks) {
  rows_.reserve(capacity);  // address space; memory only as rows come
}

Result<std::unique_ptr<Fdb>> Fdb::create(rcu::Published<FdbHash>& table, rcu::RetireQueue& retired,
                                         rcu::Domain& domain, size_t capacity,
                                         std::vector<const std::atomic<uint32_t>*> stamps) {
  const size_t rows = std::min(capacity, kFirstRows);
  auto first = make_table(rows, domain);
  if (!first) return tl::make_unexpected(first.error());
  std::unique_ptr<Fdb> fdb(new Fdb(table, retired, domain, capacity, std::move(stamps)));
  fdb->publish(std::move(*first), rows);
  return fdb;
}

// An eighth more than rows: a cuckoo hash is never quite full.
Result<std::unique_ptr<FdbHash>> Fdb::make_table(size_t rows, rcu::Domain& domain) {
  return FdbHash::create("culvert_fdb", rows + rows / 8, domain);
}

void Fdb::publish(std::unique_ptr<FdbHash> table, size_t rows) {
  table_ = table.get();
  table_rows_ = rows;
  published_.replace(std::move(table), retired_);
}

std::optional<uint32_t> Fdb::find(StationKey station) const {
  const auto value = table_->find(station);
  return value ? std::optional(FdbValue::unpack(*value).row) : std::nullopt;
}

Fdb::Verdict Fdb::learn(StationKey station, Where where, const Limits& limits, uint32_t now_s) {
  if (const auto number = find(station)) {
    const Row& row = rows_[*number];
    if (row.where == where || row.origin != Origin::learned) return Verdict::unchanged;
    change(*number, where, Origin::learned);
    return Verdict::moved;
  }
  if (learned_[station.network()] >= limits.network) return Verdict::over_limit;
  if (learned_at(station, where) >= limits.member) return Verdict::over_member_limit;
  return add(station, where, Origin::learned, now_s) ? Verdict::added : Verdict::full;
}

Fdb::Verdict Fdb::put(StationKey station, Where where, Origin origin, uint32_t now_s) {
  const auto number = find(station);
  if (!number) {
    make_room(now_s);
    return add(station, where, origin, now_s) ? Verdict::added : Verdict::full;
  }
  const Row& row = rows_[*number];
  if (row.origin > origin || (row.origin == origin && row.where == where)) return Verdict::unchanged;
  change(*number, where, origin);
  return Verdict::moved;
}

// At once: what the kernel or the user says is not said again, as a frame is.
void Fdb::make_room(uint32_t now_s) {
  constexpr int kTries = 4;  // a copy may fail: see grow()
  for (int tries = 0; tries < kTries && count() == table_rows_; ++tries) grow(rows_.size(), now_s);
}

bool Fdb::remove(StationKey station, Origin origin) {
  const auto number = find(station);
  if (!number || rows_[*number].origin != origin) return false;
  remove(*number);
  return true;
}

std::optional<Origin> Fdb::origin_of(StationKey station) const {
  const auto number = find(station);
  return number ? std::optional(rows_[*number].origin) : std::nullopt;
}

bool Fdb::add(StationKey station, Where where, Origin origin, uint32_t now_s) {
  if (count() == table_rows_) return false;
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(rows_.size()));
    rows_.emplace_back();
  }
  const uint32_t number = free_.back();
  // A worker that still holds the number of a row that is gone may stamp the new one: it is new, and so in
  // use.
  rows_[number] = {.station = station, .where = where, .origin = origin, .used = true, .created_s = now_s};
  if (!assign(number)) {
    rows_[number] = {};
    return false;
  }
  free_.pop_back();
  count_learned(rows_[number], 1);
  tell(PathEvent::Kind::appeared, rows_[number]);
  return true;
}

// One atomic store of a value, where the key exists: readers find the old place or the new one, and it cannot
// fail.
bool Fdb::assign(uint32_t number) {
  const Row& row = rows_[number];
  const uint64_t value = FdbValue{number, row.where}.pack();
  if (!table_->assign(row.station, value)) return false;
  // Nobody reads the larger table yet: where it has no place for a key after all, another is made.
  if (next_ && number < copied_ && !next_->assign(row.station, value)) next_.reset();
  return true;
}

void Fdb::change(uint32_t number, Where where, Origin origin) {
  Row& row = rows_[number];
  count_learned(row, -1);
  row.where = where;
  row.origin = origin;
  count_learned(row, 1);
  assign(number);
  tell(PathEvent::Kind::moved, row);
}

void Fdb::remove(uint32_t number) {
  Row& row = rows_[number];
  table_->erase(row.station);
  if (next_ && number < copied_) next_->erase(row.station);
  count_learned(row, -1);
  const Row gone = std::exchange(row, {});
  free_.push_back(number);
  tell(PathEvent::Kind::gone, gone);
}

uint32_t& Fdb::learned_at(StationKey station, Where where) {
  return learned_at_[static_cast<uint64_t>(station.network()) << 32 | where.bits()];
}

void Fdb::count_learned(const Row& row, int by) {
  if (row.origin != Origin::learned) return;
  learned_[row.station.network()] += static_cast<uint32_t>(by);
  learned_at(row.station, row.where) += static_cast<uint32_t>(by);
}

void Fdb::tell(PathEvent::Kind kind, const Row& row) const {
  if (listener_) listener_({kind, row.station.network(), row.station.mac(), row.where, row.origin});
}

bool Fdb::touch(StationKey station, uint32_t now_s) {
  const auto number = find(station);
  if (!number) return false;
  rows_[*number].touched_s = now_s;
  return true;
}

size_t Fdb::remove_if(const std::function<bool(StationKey, Where, Origin)>& gone) {
  size_t removed = 0;
  for (uint32_t number = 0; number < rows_.size(); ++number) {
    const Row& row = rows_[number];
    if (!row.used || !gone(row.station, row.where, row.origin)) continue;
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

bool Fdb::grow(size_t budget, uint32_t now_s) {
  if (!next_) {
    if (table_rows_ == capacity_ || count() < table_rows_ / 4 * 3 || now_s < retry_s_) return false;
    next_rows_ = std::min(capacity_, 2 * table_rows_);
    auto made = make_table(next_rows_, domain_);
    if (!made) {
      kLog.warning("the FDB stays at {} MACs: {}; give EAL more memory (-m, or huge pages)", table_rows_,
                   made.error().message);
      retry_s_ = now_s + kRetryS;
      return false;
    }
    next_ = std::move(*made);
    copied_ = 0;
  }
  const size_t end = std::min(copied_ + budget, rows_.size());
  for (; copied_ < end; ++copied_) {
    const Row& row = rows_[copied_];
    const auto number = static_cast<uint32_t>(copied_);
    if (!row.used || next_->assign(row.station, FdbValue{number, row.where}.pack())) continue;
    next_.reset();
    return true;
  }
  if (copied_ < rows_.size()) return true;
  publish(std::move(next_), next_rows_);
  return false;
}

std::vector<PathRow> Fdb::rows(uint32_t now_s, uint32_t recent_s) const {
  std::vector<PathRow> rows;
  rows.reserve(count());
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
