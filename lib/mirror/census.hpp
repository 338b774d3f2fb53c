// Compares a dump with the store: mark what is the same, set aside what differs, and when the dump is over
// and known to be consistent, enter the differences and sweep what was not marked. Until then the store keeps
// its last consistent state.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "mirror/store.hpp"
#include "netlink/decode.hpp"

namespace culvert::mirror {

class Census {
 public:
  explicit Census(Store& store) : store_(store) {}
  ~Census() { forget(); }

  // A dump begins. `everything`: of all kinds, else of those that the self-check compares.
  void begin(bool everything);
  void take(const netlink::Object& object);
  void take(const Route& route);
  // The number of the latest message taken.
  Mark mark() const { return mark_; }
  // Differences not entered yet.
  size_t left() const {
    return staged_.size() + staged_rows_.size() - entered_rows_ + stale_.size() + stale_rows_.size();
  }
  // Messages of this dump so far.
  size_t taken() const { return mark_ + 1 - oldest_; }

  // The dump is over: enters up to about `budget` differences, which it counts down. True: all are entered.
  bool settle(size_t& budget);
  // Enters all at once and says what they were, a line each.
  std::vector<std::string> settle_and_tell();

 private:
  struct Staged {
    netlink::Object object;
    Mark mark;
  };
  using RowId = RouteTable::RowId;

  void forget();
  void enter(const Staged& staged);
  void enter_route();
  void erase(const netlink::Object& object);
  void find_stale();

  Store& store_;
  Mark mark_ = 0;
  Mark oldest_ = 1;
  bool everything_ = true;
  bool stale_known_ = false;
  std::deque<Staged> staged_;       // but routes
  std::vector<RowId> staged_rows_;  // prepared rows, in the order of the dump
  size_t entered_rows_ = 0;
  std::vector<netlink::Object> stale_;  // taken from the back
  std::vector<RowId> stale_rows_;       // likewise, before the others
};

}  // namespace culvert::mirror
