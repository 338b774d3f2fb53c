// A pointer to an immutable value, replaced as a whole. See rcu/domain.hpp for the words.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "rcu/domain.hpp"

namespace culvert::rcu {

template <typename T>
class Published {
 public:
  Published() = default;
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;
  // No reader may be online any more.
  ~Published() { delete value_.load(std::memory_order_relaxed); }

  // Readers that are online, and the writer. The value stays good until the reader's next quiescent state.
  // Acquire pairs with the release below: who sees the pointer sees the value behind it complete.
  const T* load() const { return value_.load(std::memory_order_acquire); }

  // The one writer. The old value goes to `retired`. Null takes the value away.
  void replace(std::unique_ptr<const T> value, RetireQueue& retired) {
    // Relaxed is enough for the old pointer: this thread alone writes it.
    std::unique_ptr<const T> old(value_.load(std::memory_order_relaxed));
    // Release: without it a reader could follow the pointer to bytes that are not written yet.
    value_.store(value.release(), std::memory_order_release);
    retired.retire(std::move(old));
  }

 private:
  std::atomic<const T*> value_{nullptr};
};

}  // namespace culvert::rcu
