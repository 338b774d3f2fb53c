// A bounded queue between one producer and one consumer thread.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>

namespace eswitch {

/// Entries are published by a release store of `tail_` and freed by one of `head_`; each side loads the
/// other's index with acquire, so an entry is complete before it is read and read before it is overwritten.
/// Indexes run freely.
template <typename T>
class SpscRing {
 public:
  explicit SpscRing(uint32_t capacity)
      : capacity_(capacity), mask_(std::bit_ceil(capacity) - 1), slots_(new T[mask_ + 1]()) {}

  uint32_t capacity() const { return capacity_; }
  uint32_t used() const {
    // Head first: it never passes a tail read later, so the difference is never negative.
    const uint32_t head = head_.load(std::memory_order_acquire);
    return tail_.load(std::memory_order_acquire) - head;
  }

  /// Producer. False: full.
  bool push(const T& entry) {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) >= capacity_) return false;
    slots_[tail & mask_] = entry;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// Consumer: how many entries there are; `at(i)` is the i-th oldest of them; `release(n)` gives n slots
  /// back.
  uint32_t ready() const {
    return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_relaxed);
  }
  T& at(uint32_t index) { return slots_[(head_.load(std::memory_order_relaxed) + index) & mask_]; }
  void release(uint32_t count) {
    head_.store(head_.load(std::memory_order_relaxed) + count, std::memory_order_release);
  }

 private:
  const uint32_t capacity_, mask_;
  std::unique_ptr<T[]> slots_;
  alignas(64) std::atomic<uint32_t> head_{0};
  alignas(64) std::atomic<uint32_t> tail_{0};
};

}  // namespace eswitch
