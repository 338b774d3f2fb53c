// Finds the row of a key by its hash: open addressing, eight bytes a place. Keeps no keys: the caller
// compares those that the rows have. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace culvert::mirror {

class PrefixIndex {
 public:
  bool empty() const { return used_ == 0; }

  // The row with this hash for which `is_it` holds.
  template <typename IsIt>
  std::optional<uint32_t> find(uint32_t hash, const IsIt& is_it) const {
    if (const auto place = place_of(hash, is_it)) return places_[*place].row;
    return std::nullopt;
  }
  void prefetch(uint32_t hash) const {
    if (!places_.empty()) __builtin_prefetch(&places_[home(hash)]);
  }

  // `row` is not there yet.
  void add(uint32_t hash, uint32_t row) {
    if (used_ * 4 >= places_.size() * 3) grow();
    ++used_;
    settle({hash, row});
  }
  // Another row stands for the same key.
  template <typename IsIt>
  void replace(uint32_t hash, uint32_t row, const IsIt& is_it) {
    places_[*place_of(hash, is_it)].row = row;
  }
  // Moves back what the hole would hide (Knuth, TAOCP 6.4, algorithm R).
  template <typename IsIt>
  void remove(uint32_t hash, const IsIt& is_it) {
    size_t hole = *place_of(hash, is_it);
    --used_;
    for (size_t next = after(hole); places_[next].row != kNone; next = after(next)) {
      const size_t wanted = home(places_[next].hash);
      const bool stays = hole < next ? hole < wanted && wanted <= next : hole < wanted || wanted <= next;
      if (stays) continue;
      places_[hole] = places_[next];
      hole = next;
    }
    places_[hole] = {};
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Place {
    uint32_t hash = 0;
    uint32_t row = kNone;
  };

  size_t home(uint32_t hash) const { return hash & (places_.size() - 1); }
  size_t after(size_t place) const { return (place + 1) & (places_.size() - 1); }

  template <typename IsIt>
  std::optional<size_t> place_of(uint32_t hash, const IsIt& is_it) const {
    if (places_.empty()) return std::nullopt;
    for (size_t place = home(hash); places_[place].row != kNone; place = after(place))
      if (places_[place].hash == hash && is_it(places_[place].row)) return place;
    return std::nullopt;
  }
  void settle(const Place& entry) {
    size_t place = home(entry.hash);
    while (places_[place].row != kNone) place = after(place);
    places_[place] = entry;
  }
  void grow() {
    std::vector<Place> old(places_.empty() ? 64 : places_.size() * 2);
    old.swap(places_);
    for (const Place& entry : old)
      if (entry.row != kNone) settle(entry);
  }

  std::vector<Place> places_;  // a power of two
  size_t used_ = 0;
};

}  // namespace culvert::mirror
