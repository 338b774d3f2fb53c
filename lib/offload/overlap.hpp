// Which claims on a port's packets overlap, without comparing each with each.
//
// Tuple-space idea (Srinivasan, Suri, Varghese, SIGCOMM 1999): claims of one mask are kept together, and for
// a pair of masks they are hashed by the bits that both masks have. Two claims overlap if those bits agree.
// So the claims that overlap with one are found with one look-up for each mask in use, however many claims
// there are; and each claim knows how many they are, so that one that is alone needs no look-up. One thread.
#pragma once

#include <rte_prefetch.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "tunnel/flow.hpp"

namespace culvert::offload {

struct KeyHash {
  // By words: keys are looked up for each flow that comes or goes.
  size_t operator()(const tunnel::MatchKey& key) const {
    uint64_t hash = 0;
    for (const uint64_t word : key.words()) {
      hash = (hash ^ word) * 0x9e3779b97f4a7c15;
      hash ^= hash >> 32;
    }
    return hash;
  }
};

// Claims of one mask by their values: open addressing with linear probing (Knuth, The Art of Computer
// Programming 6.4, algorithms L and R), so that a claim that comes or goes costs one line of memory.
template <typename Claim>
class ClaimTable {
 public:
  size_t size() const { return size_; }

  void add(Claim& claim) {
    if (++size_ * 2 > slots_.size()) grow();
    put({claim.hash, &claim});
  }

  void prefetch(size_t hash) const { rte_prefetch0(slots_.data() + (hash & (slots_.size() - 1))); }

  // It is in.
  void remove(const Claim& claim) {
    const size_t last = slots_.size() - 1;
    size_t hole = claim.hash & last;
    while (slots_[hole].claim != &claim) hole = (hole + 1) & last;
    // What stands behind the hole and was hashed to before it moves into it.
    for (size_t at = (hole + 1) & last; slots_[at].claim != nullptr; at = (at + 1) & last) {
      if (((at - slots_[at].hash) & last) < ((at - hole) & last)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
    --size_;
  }

  // Those of this value, whose hash this is.
  template <typename Visit>
  void each(const tunnel::MatchKey& value, size_t hash, Visit&& visit) const {
    if (size_ == 0) return;
    const size_t last = slots_.size() - 1;
    for (size_t at = hash & last; slots_[at].claim != nullptr; at = (at + 1) & last)
      if (slots_[at].hash == hash && slots_[at].claim->key.value == value) visit(*slots_[at].claim);
  }

  template <typename Visit>
  void each(Visit&& visit) const {
    for (const Slot& slot : slots_)
      if (slot.claim != nullptr) visit(*slot.claim);
  }

 private:
  struct Slot {
    size_t hash = 0;
    Claim* claim = nullptr;  // null: empty
  };

  void put(const Slot& slot) {
    const size_t last = slots_.size() - 1;
    size_t at = slot.hash & last;
    while (slots_[at].claim != nullptr) at = (at + 1) & last;
    slots_[at] = slot;
  }

  void grow() {
    std::vector<Slot> before(std::max<size_t>(16, slots_.size() * 2));
    before.swap(slots_);
    for (const Slot& slot : before)
      if (slot.claim != nullptr) put(slot);
  }

  std::vector<Slot> slots_;  // a power of two of them, or none
  size_t size_ = 0;
};

// `Claim` has a `key` and the `hash` of its value (KeyHash), which stay as they are while the claim is in,
// and a number `overlaps`, which the index writes: how many other claims share a packet with it.
template <typename Claim>
class OverlapIndex {
 public:
  // Fetches its place among those of its mask, for add().
  void prefetch(const Claim& claim) {
    if (const auto shape = shape_of(claim.key.mask); shape != shapes_.end())
      shape->claims.prefetch(claim.hash);
  }

  void add(Claim& claim) {
    claim.overlaps = 0;
    overlapping(claim, [&](Claim& other) {
      ++other.overlaps;
      ++claim.overlaps;
    });
    auto shape = shape_of(claim.key.mask);
    if (shape == shapes_.end()) shape = shapes_.insert(shape, {claim.key.mask, {}, {}});
    shape->claims.add(claim);
    for (auto& [common, table] : shape->coarser) table[claim.key.value & common].push_back(&claim);
  }

  void remove(Claim& claim) {
    const auto shape = shape_of(claim.key.mask);
    shape->claims.remove(claim);
    for (auto& [common, table] : shape->coarser) {
      const auto bucket = table.find(claim.key.value & common);
      std::erase(bucket->second, &claim);
      if (bucket->second.empty()) table.erase(bucket);
    }
    if (shape->claims.size() == 0) shapes_.erase(shape);
    if (claim.overlaps != 0) overlapping(claim, [](Claim& other) { --other.overlaps; });
  }

  // Calls visit(other) for each claim that shares a packet with `claim`, itself included if it is in. The
  // index must not change meanwhile.
  template <typename Visit>
  void overlapping(const Claim& claim, Visit visit) {
    const tunnel::MaskedKey& key = claim.key;
    for (Shape& shape : shapes_) {
      if (shape.mask == key.mask) {
        shape.claims.each(key.value, claim.hash, visit);
        continue;
      }
      const tunnel::MatchKey common = shape.mask & key.mask;
      const tunnel::MatchKey value = key.value & common;
      if (common == shape.mask) {
        shape.claims.each(value, KeyHash()(value), visit);
        continue;
      }
      const Table& table = shape.table(common);
      const auto bucket = table.find(value);
      if (bucket == table.end()) continue;
      for (Claim* other : bucket->second) visit(*other);
    }
  }

 private:
  using Table = std::unordered_map<tunnel::MatchKey, std::vector<Claim*>, KeyHash>;

  struct Shape {
    tunnel::MatchKey mask;
    ClaimTable<Claim> claims;
    std::unordered_map<tunnel::MatchKey, Table, KeyHash> coarser;  // the same by fewer bits

    // Built when first asked for.
    const Table& table(const tunnel::MatchKey& common) {
      const auto [place, is_new] = coarser.try_emplace(common);
      Table& table = place->second;
      if (is_new) claims.each([&](Claim& claim) { table[claim.key.value & common].push_back(&claim); });
      return table;
    }
  };

  auto shape_of(const tunnel::MatchKey& mask) { return std::ranges::find(shapes_, mask, &Shape::mask); }

  std::vector<Shape> shapes_;
};

}  // namespace culvert::offload
