#include "net/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace culvert::net {

std::optional<Mac> Mac::parse(std::string_view text) {
  if (text.size() != 17) return std::nullopt;
  Mac mac;
  for (size_t i = 0; i < 6; ++i) {
    const char* start = text.data() + 3 * i;
    const auto [end, code] = std::from_chars(start, start + 2, mac.bytes[i], 16);
    if (code != std::errc{} || end != start + 2) return std::nullopt;
    if (i < 5 && start[2] != ':') return std::nullopt;
  }
  return mac;
}

std::string Mac::to_string() const { return fmt::format("{:02x}", fmt::join(bytes, ":")); }

IpAddr IpAddr::v4(be32 address) {
  IpAddr ip;
  const uint32_t raw = address.wire();
  std::memcpy(ip.bytes_.data(), &raw, sizeof(raw));
  return ip;
}

IpAddr IpAddr::v6(std::span<const uint8_t, 16> bytes) {
  IpAddr ip(Family::ipv6);
  std::copy(bytes.begin(), bytes.end(), ip.bytes_.begin());
  return ip;
}

std::optional<IpAddr> IpAddr::from_bytes(std::span<const uint8_t> bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  IpAddr ip(bytes.size() == 4 ? Family::ipv4 : Family::ipv6);
  std::copy(bytes.begin(), bytes.end(), ip.bytes_.begin());
  return ip;
}

std::optional<IpAddr> IpAddr::parse(std::string_view text) {
  const std::string copy(text);
  IpAddr ip;
  if (inet_pton(AF_INET, copy.c_str(), ip.bytes_.data()) == 1) return ip;
  ip = IpAddr(Family::ipv6);
  if (inet_pton(AF_INET6, copy.c_str(), ip.bytes_.data()) == 1) return ip;
  return std::nullopt;
}

be32 IpAddr::v4_be() const {
  uint32_t raw;
  std::memcpy(&raw, bytes_.data(), sizeof(raw));
  return be32::from_wire(raw);
}

bool IpAddr::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t byte) { return byte == 0; }) &&
         bytes_[15] == 1;
}

IpAddr IpAddr::masked(unsigned length) const {
  IpAddr ip = *this;
  for (unsigned i = 0; i < bytes().size(); ++i) {
    const unsigned kept = length <= 8 * i ? 0 : std::min(length - 8 * i, 8u);
    ip.bytes_[i] &= static_cast<uint8_t>(0xff00u >> kept);
  }
  return ip;
}

std::string IpAddr::to_string() const {
  char buffer[INET6_ADDRSTRLEN];
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), buffer, sizeof(buffer));
  return buffer;
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddr::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  unsigned length = address->width_bits();
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (code != std::errc{} || end != digits.data() + digits.size() || length > address->width_bits())
      return std::nullopt;
  }
  const Prefix prefix = of(*address, length);
  if (prefix.address != *address) return std::nullopt;
  return prefix;
}

}  // namespace culvert::net
