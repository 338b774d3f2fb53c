// Keeps a worker from asking the control lcore the same again and again.
#pragma once

#include <rte_cycles.h>

#include <array>
#include <cstdint>

namespace culvert::dataplane {

// Remembers what a worker asked lately, so that a burst that needs one answer is one request. Worker only.
// Request has == and hash(), 64 bits of which the high ones are good.
template <typename Request>
class AskFilter {
 public:
  explicit AskFilter(uint64_t interval_ms) : interval_(rte_get_tsc_hz() / 1000 * interval_ms) {}

  // True, and remembered, when the same was not asked within the interval.
  bool admit(const Request& request, uint64_t now_tsc) {
    Asked& slot = asked_[request.hash() >> 56];
    if (slot.at_tsc != 0 && slot.request == request && now_tsc - slot.at_tsc < interval_) return false;
    slot = {request, now_tsc};
    return true;
  }

 private:
  struct Asked {
    Request request;
    uint64_t at_tsc = 0;
  };

  uint64_t interval_;  // TSC cycles
  std::array<Asked, 256> asked_{};
};

}  // namespace culvert::dataplane
