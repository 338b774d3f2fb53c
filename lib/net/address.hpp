// Mac, IpAddr and Prefix: small values, comparable, hashable, printed as the contract says (MACs lower case
// with colons, IPv6 as RFC 5952).
#pragma once

#include <fmt/format.h>

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/byte_order.hpp"

namespace culvert::net {

struct Mac {
  std::array<uint8_t, 6> bytes{};

  // "02:00:00:00:00:01", upper or lower case; nullopt for anything else.
  static std::optional<Mac> parse(std::string_view text);
  std::string to_string() const;
  bool is_multicast() const { return (bytes[0] & 1) != 0; }
  bool is_zero() const { return *this == Mac{}; }
  // The 48 bits in the low bits of an integer, for use in keys.
  uint64_t bits() const {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  auto operator<=>(const Mac&) const = default;
};
static_assert(sizeof(Mac) == 6);

enum class Family : uint8_t { ipv4 = 4, ipv6 = 6 };

class IpAddr {
 public:
  constexpr IpAddr() = default;  // 0.0.0.0
  static IpAddr v4(be32 address);
  static IpAddr v6(std::span<const uint8_t, 16> bytes);
  // Bytes as netlink and the wire carry them: 4 or 16 of them, else nullopt.
  static std::optional<IpAddr> from_bytes(std::span<const uint8_t> bytes);
  static std::optional<IpAddr> parse(std::string_view text);

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::ipv4; }
  // 4 or 16 bytes in network order.
  std::span<const uint8_t> bytes() const { return {bytes_.data(), is_v4() ? 4u : 16u}; }
  // Only for IPv4.
  be32 v4_be() const;
  unsigned width_bits() const { return is_v4() ? 32 : 128; }
  bool is_unspecified() const { return *this == (is_v4() ? IpAddr{} : IpAddr{Family::ipv6}); }
  bool is_multicast() const { return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff; }
  bool is_loopback() const;
  // The first `length` bits, the rest zero.
  IpAddr masked(unsigned length) const;
  std::string to_string() const;

  auto operator<=>(const IpAddr&) const = default;

 private:
  constexpr explicit IpAddr(Family family) : family_(family) {}
  Family family_ = Family::ipv4;
  std::array<uint8_t, 16> bytes_{};
};

struct Prefix {
  IpAddr address;  // host bits are zero
  uint8_t length = 0;

  static Prefix of(IpAddr address, unsigned length) {
    return {address.masked(length), static_cast<uint8_t>(length)};
  }
  // "10.0.0.0/8"; a bare address means its full length; host bits set: nullopt.
  static std::optional<Prefix> parse(std::string_view text);
  bool contains(const IpAddr& other) const {
    return other.family() == address.family() && other.masked(length) == address;
  }
  std::string to_string() const { return fmt::format("{}/{}", address.to_string(), length); }
  auto operator<=>(const Prefix&) const = default;
};

// FNV-1a over bytes: short keys of the control path. (The packet path hashes with CRC32.)
inline size_t hash_bytes(const void* data, size_t size, size_t seed = 14695981039346656037ULL) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (size_t i = 0; i < size; ++i) seed = (seed ^ bytes[i]) * 1099511628211ULL;
  return seed;
}

inline size_t hash_combine(size_t seed, uint64_t value) { return hash_bytes(&value, sizeof(value), seed); }

}  // namespace culvert::net

template <>
struct std::hash<culvert::net::Mac> {
  size_t operator()(const culvert::net::Mac& mac) const {
    return culvert::net::hash_bytes(mac.bytes.data(), mac.bytes.size());
  }
};

template <>
struct std::hash<culvert::net::IpAddr> {
  size_t operator()(const culvert::net::IpAddr& ip) const {
    const auto bytes = ip.bytes();
    return culvert::net::hash_bytes(bytes.data(), bytes.size());
  }
};

template <>
struct std::hash<culvert::net::Prefix> {
  size_t operator()(const culvert::net::Prefix& prefix) const {
    return culvert::net::hash_combine(std::hash<culvert::net::IpAddr>{}(prefix.address), prefix.length);
  }
};

// All three print with fmt.
template <typename T>
concept CulvertPrintable = requires(const T& value) {
  { value.to_string() } -> std::same_as<std::string>;
};

template <CulvertPrintable T>
struct fmt::formatter<T> : fmt::formatter<std::string> {
  auto format(const T& value, fmt::format_context& context) const {
    return fmt::formatter<std::string>::format(value.to_string(), context);
  }
};
