// Big-endian integers as types of their own: a byte-order fault does not compile. Layout is that of the wire,
// so that they stand in packed headers; no alignment is needed.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>

namespace culvert::net {

static_assert(std::endian::native == std::endian::little, "culvert runs on little-endian machines");

template <typename T>
constexpr T byte_swap(T value) {
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

template <typename T>
class [[gnu::packed]] BigEndian {
 public:
  constexpr BigEndian() = default;
  constexpr explicit BigEndian(T host) : raw_(byte_swap(host)) {}
  static constexpr BigEndian from_wire(T raw) {
    BigEndian value;
    value.raw_ = raw;
    return value;
  }

  constexpr T host() const { return byte_swap(T{raw_}); }
  constexpr T wire() const { return raw_; }
  constexpr bool operator==(const BigEndian& other) const { return T{raw_} == T{other.raw_}; }

 private:
  T raw_ = 0;
};

using be16 = BigEndian<uint16_t>;
using be32 = BigEndian<uint32_t>;
using be64 = BigEndian<uint64_t>;

static_assert(sizeof(be16) == 2 && alignof(be16) == 1);
static_assert(sizeof(be32) == 4 && sizeof(be64) == 8);

}  // namespace culvert::net
