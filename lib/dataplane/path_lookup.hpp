// Where the stations of a burst are: the worker's own path table first; those that are not in it are asked of
// the FDB all at once, so that their cache misses overlap.
#pragma once

#include <array>
#include <atomic>
#include <span>

#include "dataplane/path_table.hpp"
#include "dataplane/shared.hpp"

namespace culvert::dataplane {

// One worker's.
class PathLookup {
 public:
  static constexpr size_t kMost = 64;  // stations at once

  explicit PathLookup(size_t buckets) : paths_(buckets) {}

  // Another table, empty, when the number has changed.
  void set_buckets(size_t buckets) {
    if (buckets != paths_.bucket_count()) [[unlikely]]
      paths_ = PathTable(buckets);
  }

  // where[i] is where stations[i] is, or nowhere: unknown. The first use of a path in an epoch is asked of
  // `fdb`, and `stamps` its row as used. At most kMost stations.
  void find(std::span<const StationKey> stations, const FdbHash& fdb, std::atomic<uint32_t>* stamps,
            Pulse pulse, std::span<Where> where) {
    for (const StationKey station : stations) paths_.prefetch(station);
    std::array<const StationKey*, kMost> missing;
    std::array<uint8_t, kMost> at;
    unsigned count = 0;
    for (size_t i = 0; i < stations.size(); ++i) {
      where[i] = paths_.find(stations[i], pulse.epoch);
      if (!where[i].is_nowhere()) [[likely]]
        continue;
      missing[count] = &stations[i];
      at[count++] = static_cast<uint8_t>(i);
    }
    if (count == 0) [[likely]]
      return;
    std::array<uint64_t, kMost> values;
    const uint64_t found = fdb.find({missing.data(), count}, values);
    for (unsigned i = 0; i < count; ++i) {
      if ((found >> i & 1) == 0) continue;
      const FdbValue value = FdbValue::unpack(values[i]);
      stamps[value.row].store(pulse.now_s, std::memory_order_relaxed);
      paths_.insert(*missing[i], value.where, pulse.epoch);
      where[at[i]] = value.where;
    }
  }

 private:
  PathTable paths_;
};

}  // namespace culvert::dataplane
