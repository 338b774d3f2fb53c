// A GID: 128 bits that name an end of a port, made of an IP address; and the kernel link that it is on.
// Values but for Netdev.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/address.hpp"

namespace culvert::gid {

struct Gid {
  std::array<uint8_t, 16> bytes{};

  // An IPv4 address as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2), an IPv6 one as it is.
  static Gid of(const net::IpAddr& address);
  // fe80::/64 and the MAC as a modified EUI-64 (RFC 4291, appendix A).
  static Gid link_local_of(const net::Mac& mac);

  // Back again: an IPv4 address where it was made of one.
  net::IpAddr address() const;
  std::string to_string() const;  // RFC 5952
  auto operator<=>(const Gid&) const = default;
};

// Which packets a GID is for: Ethernet type 0x8915, or UDP over IP (InfiniBand specification, annexes A16 and
// A17).
enum class Type : uint8_t { roce_v1, roce_v2 };
inline constexpr std::array kTypes{Type::roce_v1, Type::roce_v2};
std::string_view name_of(Type type);  // "RoCE v1"

// A kernel link. Who has a NetdevRef holds it: it stays while an entry, a queued update or a reader names it,
// and a link that comes later with its ifindex is another one. Any thread.
class Netdev {
 public:
  Netdev(int ifindex, std::string name) : ifindex_(ifindex), name_(std::move(name)) {}

  int ifindex() const { return ifindex_; }
  // Its present name, or its last.
  std::string name() const {
    const std::lock_guard lock(mutex_);
    return name_;
  }
  void rename(const std::string& name) {
    const std::lock_guard lock(mutex_);
    name_ = name;
  }

 private:
  const int ifindex_;
  mutable std::mutex mutex_;
  std::string name_;
};
using NetdevRef = std::shared_ptr<Netdev>;

// What an entry says.
struct Attributes {
  Gid gid;
  Type type = Type::roce_v1;
  NetdevRef netdev;              // never null
  std::optional<uint16_t> vlan;  // between the link and the port
  bool is_default = false;       // of the port's MAC, not of an address

  auto operator<=>(const Attributes&) const = default;
};

// Invalid: it stands for a default GID that the provider refused. Updating: its provider is at work; nobody
// may use it.
enum class State : uint8_t { valid, updating, invalid };
std::string_view name_of(State state);

struct Entry {
  Attributes attributes;
  uint16_t index = 0;  // in its port's table; stays while the entry does
  State state = State::valid;
};

}  // namespace culvert::gid
