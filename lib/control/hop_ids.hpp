// Numbers for the hops of l3 networks. One that was given back stays in force, and is not given out again,
// until a grace period has passed: a worker may have read it from a table just before it was taken out there.
// Control lcore only.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "dataplane/dataplane.hpp"
#include "rcu/domain.hpp"

namespace culvert::control {

class HopIds {
 public:
  HopIds(dataplane::Dataplane& dataplane, rcu::Domain& domain) : dataplane_(dataplane), domain_(domain) {}

  // nullopt: all are in use.
  std::optional<dataplane::HopId> take() {
    if (!free_.empty()) {
      const dataplane::HopId id = free_.back();
      free_.pop_back();
      return id;
    }
    if (next_ == dataplane::kMaxHops) return std::nullopt;
    return next_++;
  }
  void give_back(dataplane::HopId id) { returned_.push_back({domain_.start(), id}); }
  // Each turn.
  void run() {
    while (!returned_.empty() && domain_.passed(returned_.front().token)) {
      dataplane_.remove_hop(returned_.front().id);
      free_.push_back(returned_.front().id);
      returned_.pop_front();
    }
  }

 private:
  struct Returned {
    uint64_t token;  // of the grace period
    dataplane::HopId id;
  };

  dataplane::Dataplane& dataplane_;
  rcu::Domain& domain_;
  std::vector<dataplane::HopId> free_;
  std::deque<Returned> returned_;
  dataplane::HopId next_ = fib::kNoRoute + 1;
};

}  // namespace culvert::control
