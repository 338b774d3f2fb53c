// An array that grows and never moves its elements: one writer appends, readers in any thread index what they
// have been told of. Memory is taken in chunks, each as large as all before it together; what was not written
// yet costs no page. Nothing is given back before the end.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <type_traits>

namespace culvert::mirror {

template <typename T>
class Chunks {
  static_assert(std::is_trivially_default_constructible_v<T> && std::is_trivially_destructible_v<T>,
                "elements begin as zero bytes");

 public:
  Chunks() = default;
  Chunks(const Chunks&) = delete;
  Chunks& operator=(const Chunks&) = delete;
  ~Chunks() {
    for (auto& chunk : chunks_) std::free(chunk.load(std::memory_order_relaxed));
  }

  // Readers: elements below this are there. Acquire pairs with grow(): who sees the size sees the chunk.
  uint32_t size() const { return size_.load(std::memory_order_acquire); }

  T& operator[](uint32_t index) const {
    const uint32_t place = index + kFirst;
    const auto chunk = static_cast<unsigned>(std::bit_width(place)) - kFirstBits - 1;
    return chunks_[chunk].load(std::memory_order_relaxed)[place - (kFirst << chunk)];
  }

  // The writer. Appends one element, all zero, and returns its index.
  uint32_t grow() {
    const uint32_t index = size_.load(std::memory_order_relaxed);
    const uint32_t place = index + kFirst;
    const auto chunk = static_cast<unsigned>(std::bit_width(place)) - kFirstBits - 1;
    if (place == kFirst << chunk) {
      // NOLINTNEXTLINE(bugprone-sizeof-expression): elements may be pointers
      auto* memory = static_cast<T*>(std::calloc(size_t{kFirst} << chunk, sizeof(T)));
      if (memory == nullptr) throw std::bad_alloc();
      chunks_[chunk].store(memory, std::memory_order_relaxed);
    }
    size_.store(index + 1, std::memory_order_release);
    return index;
  }

 private:
  static constexpr unsigned kFirstBits = 8;
  static constexpr uint32_t kFirst = 1u << kFirstBits;

  std::array<std::atomic<T*>, 32 - kFirstBits> chunks_{};
  std::atomic<uint32_t> size_{0};
};

}  // namespace culvert::mirror
