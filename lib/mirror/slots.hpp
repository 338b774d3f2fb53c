// Immutable values by number, replaced as a whole: one writer, readers in any thread (rcu/domain.hpp for the
// words). A number is used again when its value has gone.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "mirror/chunks.hpp"
#include "rcu/domain.hpp"

namespace culvert::mirror {

template <typename T>
class Slots {
 public:
  // What goes is given to `retired`, which outlives this.
  explicit Slots(rcu::RetireQueue& retired) : retired_(retired) {}
  // No reader may be online any more.
  ~Slots() {
    for (uint32_t i = 0; i < cells_.size(); ++i) delete at(i);
  }

  // Readers that are online, and the writer. Null: nothing has this number now. Acquire pairs with set().
  const T* at(uint32_t number) const {
    return number < cells_.size() ? std::atomic_ref(cells_[number]).load(std::memory_order_acquire) : nullptr;
  }
  // Numbers are below this.
  uint32_t end() const { return cells_.size(); }

  // The writer.
  uint32_t add(T value) {
    uint32_t number;
    if (free_.empty()) {
      number = cells_.grow();
    } else {
      number = free_.back();
      free_.pop_back();
    }
    set(number, new T(std::move(value)));
    return number;
  }
  // Returns what was there: good until the retire queue is next reclaimed.
  const T* replace(uint32_t number, T value) { return retire(number, new T(std::move(value))); }
  const T* remove(uint32_t number) {
    free_.push_back(number);
    return retire(number, nullptr);
  }

 private:
  // Release: a reader that finds the pointer finds the value complete; and it does not run ahead of the
  // change counter (changes.hpp).
  void set(uint32_t number, const T* value) {
    std::atomic_ref(cells_[number]).store(value, std::memory_order_release);
  }
  const T* retire(uint32_t number, const T* next) {
    const T* before = at(number);
    set(number, next);
    retired_.retire(std::unique_ptr<const T>(before));
    return before;
  }

  rcu::RetireQueue& retired_;
  Chunks<const T*> cells_;
  std::vector<uint32_t> free_;
};

}  // namespace culvert::mirror
