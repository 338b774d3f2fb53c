// Counters with one writer, the switch thread, and readers anywhere.
#pragma once

#include <atomic>
#include <cstdint>

namespace eswitch {

/// A number that one thread adds to. Relaxed: a reader that has the packet has its count, because handing the
/// packet over (ring, wire) orders what was written before it.
class Tally {
 public:
  void add(uint64_t count) { value_.store(get() + count, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// What a COUNT action counts into. `*_base` belong to the control side (the switch's lock): what a reset
/// subtracts.
struct HitCounter {
  Tally packets, bytes;
  uint64_t packets_base = 0, bytes_base = 0;
};

}  // namespace eswitch
