// Which MAC has an IP address of an l2 network whose ARP and ND are suppressed. The control lcore owns the
// rows and keeps an entry for each in the hash that the workers read. A row is the kernel's (set, removed),
// or was heard from the station itself, and goes when it is not heard again, or when the FDB has the MAC no
// more. The kernel's word counts more.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "dataplane/ask_filter.hpp"
#include "dataplane/ids.hpp"
#include "dataplane/spsc_ring.hpp"
#include "net/address.hpp"
#include "rcu/hash.hpp"

namespace culvert::dataplane {

struct BindingKey {
  net::IpAddr ip;
  uint8_t zero = 0;  // keys are compared as bytes: no padding
  NetworkId network = 0;

  auto operator<=>(const BindingKey&) const = default;
};
static_assert(sizeof(BindingKey) == 20);

using BindingHash = rcu::Hash<BindingKey>;

// A value of the hash: the MAC's 48 bits, and whether the station said that it is a router (RFC 4861, 4.4).
struct BindingValue {
  uint64_t mac_bits = 0;
  bool router = false;

  uint64_t pack() const { return mac_bits | (router ? kRouter : 0); }
  static BindingValue unpack(uint64_t value) { return {value & (kRouter - 1), (value & kRouter) != 0}; }
  bool operator==(const BindingValue&) const = default;

 private:
  static constexpr uint64_t kRouter = uint64_t{1} << 48;
};

// What a worker heard a station say of itself.
struct BindingHeard {
  BindingKey key;
  uint64_t mac_bits = 0;
  std::optional<bool> router;  // nullopt: it did not say

  uint64_t hash() const { return (net::hash_bytes(&key, sizeof(key)) ^ mac_bits) * 0x9e3779b97f4a7c15; }
  bool operator==(const BindingHeard&) const = default;
};

using BindingRing = SpscRing<BindingHeard, 512>;
using BindingFilter = AskFilter<BindingHeard>;
inline constexpr uint64_t kBindingAgainMs = 10;          // while the table says something else
inline constexpr uint64_t kSameBindingAgainMs = 10'000;  // so that its row stays

// Control lcore only.
class Bindings {
 public:
  static constexpr size_t kMost = 1u << 16;
  static constexpr size_t kMostHeard = kMost / 2;   // of all networks: what the kernel says has room
  static constexpr uint32_t kMostOfNetwork = 8192;  // heard in one network
  static constexpr uint32_t kGoodForS = 300;        // since it was heard last

  // `hash` has room for kMost and outlives the object.
  explicit Bindings(BindingHash& hash) : hash_(hash) {}

  // The kernel's. False: the table is full.
  bool set(const BindingKey& key, BindingValue value);
  void remove(const BindingKey& key);

  void hear(const BindingHeard& heard, uint32_t now_s);

  // Looks at `budget` rows, on from where it stopped, and removes heard ones that are too old or whose
  // station `is_known` does not know; and all of networks that `is_there` does not know.
  void sweep(size_t budget, uint32_t now_s, const std::function<bool(StationKey)>& is_known,
             const std::function<bool(NetworkId)>& is_there);

 private:
  struct Row {
    BindingValue value;
    bool kernels = false;
    uint32_t heard_s = 0;
  };
  using Rows = std::map<BindingKey, Row>;

  Rows::iterator erase(Rows::iterator row);
  void count(const Rows::value_type& row, int by);

  BindingHash& hash_;
  Rows rows_;
  BindingKey swept_;  // where sweep() stopped
  size_t heard_ = 0;
  std::map<NetworkId, uint32_t> heard_of_;  // by network
};

}  // namespace culvert::dataplane
