// A set of objects each of which knows its place in it: one joins and leaves without a search and without
// memory of its own. One thread.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace culvert::offload {

// `Pointer`: plain or owning. `Place`: the object's member that the roster writes: from 1, 0 is nowhere.
template <typename Pointer, auto Place>
class Roster {
 public:
  void add(Pointer one) {
    members_.push_back(std::move(one));
    (*members_.back()).*Place = static_cast<uint32_t>(members_.size());
  }

  // It is in. The last one takes its place.
  template <typename T>
  Pointer take(T& one) {
    const uint32_t place = std::exchange(one.*Place, 0u);
    Pointer taken = std::move(members_[place - 1]);
    if (place != members_.size()) {
      members_[place - 1] = std::move(members_.back());
      (*members_[place - 1]).*Place = place;
    }
    members_.pop_back();
    return taken;
  }

  size_t size() const { return members_.size(); }
  bool empty() const { return members_.empty(); }
  const Pointer& operator[](size_t index) const { return members_[index]; }
  auto begin() const { return members_.begin(); }
  auto end() const { return members_.end(); }

 private:
  std::vector<Pointer> members_;
};

}  // namespace culvert::offload
