// A ring from one thread to another. (rte_ring on x86 orders its plain accesses by compiler barriers only,
// which ThreadSanitizer cannot see.)
#pragma once

#include <rte_common.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <optional>

namespace culvert::dataplane {

template <typename T, size_t capacity>
class SpscRing {
  static_assert(std::has_single_bit(capacity));

 public:
  // The producer. False: full.
  bool push(const T& item) {
    const size_t tail = tail_.load(std::memory_order_relaxed);  // this thread alone writes it
    // Acquire: the consumer has read the slot before we write over it.
    if (tail - head_.load(std::memory_order_acquire) == capacity) return false;
    slots_[tail % capacity] = item;
    // Release: the consumer sees the item before it sees the count.
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // The consumer. nullopt: empty.
  std::optional<T> pop() {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return std::nullopt;
    const T item = slots_[head % capacity];
    head_.store(head + 1, std::memory_order_release);
    return item;
  }

 private:
  alignas(RTE_CACHE_LINE_SIZE) std::atomic<size_t> tail_{0};  // producer writes
  alignas(RTE_CACHE_LINE_SIZE) std::atomic<size_t> head_{0};  // consumer writes
  alignas(RTE_CACHE_LINE_SIZE) std::array<T, capacity> slots_{};
};

}  // namespace culvert::dataplane
