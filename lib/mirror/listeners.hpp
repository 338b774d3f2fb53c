// Who is told of changes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "mirror/mirror.hpp"

namespace culvert::mirror {

class Listeners {
 public:
  void add(Listener& listener) { listeners_.push_back(&listener); }
  void remove(Listener& listener) { std::erase(listeners_, &listener); }
  uint64_t sequence() const { return sequence_; }

  // `before` and `after` as in Listener.
  template <typename T>
  void tell(const T* before, const T* after) {
    ++sequence_;
    for (Listener* listener : listeners_) tell(*listener, before, after);
  }

  static void tell(Listener& to, const Link* before, const Link* after) { to.on_link(before, after); }
  static void tell(Listener& to, const Address* before, const Address* after) {
    to.on_address(before, after);
  }
  static void tell(Listener& to, const Neighbour* before, const Neighbour* after) {
    to.on_neighbour(before, after);
  }
  static void tell(Listener& to, const Nexthop* before, const Nexthop* after) {
    to.on_nexthop(before, after);
  }
  static void tell(Listener& to, const Route* before, const Route* after) { to.on_route(before, after); }

 private:
  std::vector<Listener*> listeners_;
  uint64_t sequence_ = 0;
};

}  // namespace culvert::mirror
