// Compares a dump with the store: mark what is the same, set aside what differs, and when the dump is over
// and known to be consistent, enter the differences and sweep what was not marked. Until then the store keeps
// its last consistent state.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "mirror/follower.hpp"
#include "mirror/store.hpp"

namespace culvert::mirror {

class Census {
 public:
  Census(Store& store, Follower& follower) : store_(store), follower_(follower) {}

  // A dump begins. `everything`: of all kinds, else of those that the kernel changes silently.
  void begin(bool everything);
  void take(const netlink::Object& object);
  // The number of the latest message taken.
  uint64_t mark() const { return mark_; }

  // The dump is over: enters up to about `budget` differences, which it counts down. True: all are entered.
  bool settle(size_t& budget);
  // Enters all at once and says what they were, a line each.
  std::vector<std::string> settle_and_tell();

 private:
  struct Staged {
    netlink::Object object;
    uint64_t mark;
  };

  void enter(const Staged& staged);
  void erase(const netlink::Object& object);
  void find_stale();

  Store& store_;
  Follower& follower_;
  uint64_t mark_ = 0;
  uint64_t oldest_ = 0;
  bool everything_ = true;
  bool stale_known_ = false;
  std::deque<Staged> staged_;
  std::vector<netlink::Object> stale_;  // taken from the back
};

}  // namespace culvert::mirror
