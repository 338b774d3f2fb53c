#include "gid/gid.hpp"

#include <algorithm>

namespace culvert::gid {
namespace {

constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

Gid Gid::of(const net::IpAddr& address) {
  Gid gid;
  if (address.is_v4()) std::ranges::copy(kMapped, gid.bytes.begin());
  std::ranges::copy(address.bytes(), gid.bytes.begin() + (address.is_v4() ? kMapped.size() : 0));
  return gid;
}

Gid Gid::link_local_of(const net::Mac& mac) {
  const auto& m = mac.bytes;
  const auto flipped = static_cast<uint8_t>(m[0] ^ 2);  // the universal/local bit
  return {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, flipped, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};
}

net::IpAddr Gid::address() const {
  const bool is_v4 = std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
  return *net::IpAddr::from_bytes(std::span(bytes).subspan(is_v4 ? kMapped.size() : 0));
}

std::string Gid::to_string() const { return net::IpAddr::v6(bytes).to_string(); }

std::string_view name_of(Type type) { return type == Type::roce_v1 ? "RoCE v1" : "RoCE v2"; }

std::string_view name_of(State state) {
  switch (state) {
    case State::valid:
      return "valid";
    case State::updating:
      return "updating";
    case State::invalid:
      return "invalid";
  }
  return "invalid";
}

}  // namespace culvert::gid
