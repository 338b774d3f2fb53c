// Where this worker is sending to right now (origin 004): a small cache in front of the FDB, by (network,
// MAC). Owned by one worker, which alone reads and writes it: no atomics, no pointers to anything, nothing to
// free.
//
// An entry is good for one epoch. The control lcore begins a new one whenever an FDB row moved or went, and
// every second (see Shared::pulse); on its first use in a new epoch an entry is looked up in the FDB again,
// which also stamps the row as used. So a path follows its FDB row within a turn of the control loop, and
// nobody has to find the entries of a row.
//
// Four ways of 16 bytes: a bucket is one cache line, and a look-up touches one line.
#pragma once

#include <rte_common.h>
#include <rte_prefetch.h>

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "dataplane/ids.hpp"

namespace culvert::dataplane {

class PathTable {
 public:
  // `buckets` is a power of two, at least 2.
  explicit PathTable(size_t buckets) : buckets_(buckets), shift_(64 - std::countr_zero(buckets)) {}

  size_t bucket_count() const { return buckets_.size(); }

  void prefetch(StationKey key) const { rte_prefetch0(&buckets_[index(key)]); }

  // Nowhere: not here, or of an earlier epoch.
  Where find(StationKey key, uint32_t epoch) const {
    const Bucket& bucket = buckets_[index(key)];
    for (size_t way = 0; way < kWays; ++way)
      if (bucket.keys[way] == key && bucket.epochs[way] == epoch) return bucket.where[way];
    return {};
  }

  // Puts it in place of its own earlier entry, else of the one that was validated longest ago.
  void insert(StationKey key, Where where, uint32_t epoch) {
    Bucket& bucket = buckets_[index(key)];
    size_t victim = 0;
    uint32_t greatest_age = 0;
    for (size_t way = 0; way < kWays; ++way) {
      if (bucket.keys[way] == key) {
        victim = way;
        break;
      }
      // All of this epoch: the way that `rotor_` points at goes, so that one bucket is not one way.
      const uint32_t age = (epoch - bucket.epochs[way]) * 2 + (way == rotor_ % kWays ? 1 : 0);
      if (age < greatest_age) continue;
      greatest_age = age;
      victim = way;
    }
    ++rotor_;
    bucket.keys[victim] = key;
    bucket.where[victim] = where;
    bucket.epochs[victim] = epoch;
  }

 private:
  static constexpr size_t kWays = 4;

  // Epoch 0 is never the present one: an empty way matches nothing.
  struct alignas(RTE_CACHE_LINE_SIZE) Bucket {
    std::array<StationKey, kWays> keys{};
    std::array<Where, kWays> where{};
    std::array<uint32_t, kWays> epochs{};
  };
  static_assert(sizeof(Bucket) == 64);

  // Multiplicative hashing: the high bits of the product depend on all 64 of the key.
  size_t index(StationKey key) const { return key.bits * 0x9e3779b97f4a7c15 >> shift_; }

  std::vector<Bucket> buckets_;
  int shift_;
  uint32_t rotor_ = 0;
};

}  // namespace culvert::dataplane
