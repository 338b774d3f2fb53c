// How a worker asks the control lcore to learn a station. The worker pushes, the control lcore pops and
// decides.
#pragma once

#include <rte_cycles.h>

#include <array>
#include <cstdint>

#include "dataplane/ids.hpp"
#include "dataplane/spsc_ring.hpp"

namespace culvert::dataplane {

struct LearnRequest {
  StationKey station;
  Where where;
};

using LearnRing = SpscRing<LearnRequest, 4096>;

// Remembers what a worker asked lately, so that a burst from a new station is one request. Worker only.
class LearnFilter {
 public:
  LearnFilter() : interval_(rte_get_tsc_hz() / 100) {}

  // True, and remembered, when the same was not asked within the last 10 ms.
  bool admit(const LearnRequest& request, uint64_t now_tsc) {
    Asked& slot = asked_[request.station.bits * 0x9e3779b97f4a7c15 >> 56];
    if (slot.request.station == request.station && slot.request.where == request.where &&
        now_tsc - slot.at_tsc < interval_)
      return false;
    slot = {request, now_tsc};
    return true;
  }

 private:
  struct Asked {
    LearnRequest request;
    uint64_t at_tsc = 0;
  };

  uint64_t interval_;  // TSC cycles
  std::array<Asked, 256> asked_{};
};

}  // namespace culvert::dataplane
