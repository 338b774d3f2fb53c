// When a worker last used each of many things, by their numbers: seconds of the control lcore's clock (see
// Pulse), 0: never. Worker writes, control lcore reads; relaxed, because a stamp orders nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "base/c_handle.hpp"

namespace culvert::dataplane {

using Stamps = CHandle<std::atomic<uint32_t>[], std::free>;

// `count` of them, all 0. calloc: what is never touched of a large array costs no memory.
inline Stamps make_stamps(size_t count) {
  static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
  auto* const stamps = static_cast<std::atomic<uint32_t>*>(std::calloc(count, sizeof(uint32_t)));
  if (stamps == nullptr) throw std::bad_alloc();
  return Stamps(stamps);
}

}  // namespace culvert::dataplane
