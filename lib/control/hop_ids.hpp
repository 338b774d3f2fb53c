// Numbers for the hops of l3 networks. One that was given back stays in force, and is not given out again,
// until a grace period has passed: a worker may have read it from a table just before it was taken out there.
// kNone is nobody's: what finds no number leads there meanwhile, and is dropped as too_many_hops. Control
// lcore only.
#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "dataplane/dataplane.hpp"
#include "rcu/domain.hpp"

namespace culvert::control {

class HopIds {
 public:
  using HopId = dataplane::HopId;
  static constexpr HopId kNone = fib::kNoRoute + 1;

  // Numbers below `end`, which is kMaxHops at most.
  HopIds(dataplane::Dataplane& dataplane, rcu::Domain& domain, HopId end)
      : dataplane_(dataplane), domain_(domain), end_(end) {
    using dataplane::DropReason;
    dataplane_.set_hop(kNone, dataplane::make_route_hop({{{.reason = DropReason::too_many_hops}, 1}}));
  }

  // kNone: all are in use. Try again when freed() has changed.
  HopId take() {
    if (!free_.empty()) {
      const HopId id = free_.back();
      free_.pop_back();
      return id;
    }
    if (next_ != end_) return next_++;
    if (!std::exchange(told_, true))
      log_.error("{} next hops of l3 networks are the most; what needs one more is dropped as too_many_hops",
                 end_ - kNone - 1);
    return kNone;
  }
  // kNone is ignored.
  void give_back(HopId id) {
    if (id != kNone) returned_.push_back({domain_.start(), id});
  }
  // Each turn.
  void run() {
    while (!returned_.empty() && domain_.passed(returned_.front().token)) {
      dataplane_.remove_hop(returned_.front().id);
      free_.push_back(returned_.front().id);
      returned_.pop_front();
      ++freed_;
    }
    if (free_.size() > end_ / 16) told_ = false;
  }
  // How many have come free so far.
  uint64_t freed() const { return freed_; }

 private:
  struct Returned {
    uint64_t token;  // of the grace period
    HopId id;
  };

  const Log log_{"control"};
  dataplane::Dataplane& dataplane_;
  rcu::Domain& domain_;
  const HopId end_;
  std::vector<HopId> free_;
  std::deque<Returned> returned_;
  HopId next_ = kNone + 1;
  uint64_t freed_ = 0;
  bool told_ = false;  // that there are too many, and it is not over yet
};

}  // namespace culvert::control
