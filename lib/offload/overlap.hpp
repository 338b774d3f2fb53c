// Which claims on a port's packets overlap, without comparing each with each.
//
// Tuple-space idea (Srinivasan, Suri, Varghese, SIGCOMM 1999): claims of one mask are kept together, and for
// a pair of masks they are hashed by the bits that both masks have. Two claims overlap if those bits agree.
// So the claims that overlap with one are found with one look-up for each mask in use, however many claims
// there are. One thread.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tunnel/flow.hpp"

namespace culvert::offload {

struct KeyHash {
  // By words: keys are looked up several times for each flow that comes or goes.
  size_t operator()(const tunnel::MatchKey& key) const {
    uint64_t hash = 0;
    for (const uint64_t word : std::bit_cast<std::array<uint64_t, sizeof(key) / sizeof(uint64_t)>>(key)) {
      hash = (hash ^ word) * 0x9e3779b97f4a7c15;
      hash ^= hash >> 32;
    }
    return hash;
  }
};

template <typename Claim>
class OverlapIndex {
 public:
  void add(const tunnel::MaskedKey& key, Claim* claim) {
    Shape& shape = shapes_[key.mask];
    ++shape.size;
    for (auto& [common, table] : shape.tables) table[key.value & common].add(claim);
    if (shape.tables.empty()) shape.tables[key.mask][key.value].add(claim);
  }

  void remove(const tunnel::MaskedKey& key, Claim* claim) {
    const auto found = shapes_.find(key.mask);
    for (auto& [common, table] : found->second.tables) {
      const auto bucket = table.find(key.value & common);
      if (bucket->second.remove(claim)) table.erase(bucket);
    }
    if (--found->second.size == 0) shapes_.erase(found);
  }

  // Calls visit(claim) for each claim that shares a packet with `key`, itself included if it is in; stops
  // when that returns false. The index must not change meanwhile.
  template <typename Visit>
  void overlapping(const tunnel::MaskedKey& key, Visit visit) {
    for (auto& [mask, shape] : shapes_) {
      const Table& table = shape.table(mask, mask & key.mask);
      const auto bucket = table.find(key.value & mask);
      if (bucket == table.end()) continue;
      if (!visit(*bucket->second.first)) return;
      for (Claim* claim : bucket->second.others)
        if (!visit(*claim)) return;
    }
  }

 private:
  // Claims that agree. Mostly there is one: no memory for a list of it.
  struct Bucket {
    Claim* first = nullptr;
    std::vector<Claim*> others;

    void add(Claim* claim) {
      if (first == nullptr)
        first = claim;
      else
        others.push_back(claim);
    }
    // True: it was the last.
    bool remove(Claim* claim) {
      if (first != claim) {
        std::erase(others, claim);
        return false;
      }
      if (others.empty()) return true;
      first = others.back();
      others.pop_back();
      return false;
    }
  };
  using Table = std::unordered_map<tunnel::MatchKey, Bucket, KeyHash>;

  struct Shape {
    size_t size = 0;
    std::unordered_map<tunnel::MatchKey, Table, KeyHash> tables;  // by the bits that they are hashed by

    // Built when first asked for, from any of the others.
    const Table& table(const tunnel::MatchKey& mask, const tunnel::MatchKey& common) {
      const auto [place, is_new] = tables.try_emplace(common);
      if (is_new)
        for (const auto& [value, claims] : tables.at(mask)) {
          place->second[value & common].add(claims.first);
          for (Claim* claim : claims.others) place->second[value & common].add(claim);
        }
      return place->second;
    }
  };

  std::unordered_map<tunnel::MatchKey, Shape, KeyHash> shapes_;
};

}  // namespace culvert::offload
