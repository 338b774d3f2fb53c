// The numbers by which the control lcore and the workers name things. Indexes, never pointers: one that is
// out of date finds nothing, or something else that is there, but never freed memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "net/address.hpp"

namespace culvert::dataplane {

using PortIndex = uint16_t;  // place in the configured list of ports
using EncapId = uint32_t;    // below kMaxEncaps
using FlowId = uint32_t;     // below kMaxFlows; given out by the caller
using NetworkId = uint16_t;  // below kMaxNetworks; given out densely from 0
using HopId = uint32_t;      // fib::Hop; 1 to kMaxHops - 1; given out by the caller

inline constexpr size_t kMaxPorts = 256;
inline constexpr size_t kMaxEncaps = 65536;
inline constexpr size_t kMaxFlows = 1u << 18;
inline constexpr size_t kMaxNetworks = 4096;
inline constexpr size_t kMaxHops = 1u << 18;
inline constexpr NetworkId kNoNetwork = 0xffff;

// Of a worker's path table, four paths each.
inline constexpr size_t kMinPathBuckets = 2;
inline constexpr size_t kDefaultPathBuckets = 1024;
inline constexpr size_t kMaxPathBuckets = 1u << 18;

// Where a MAC is: behind a port, behind one VLAN of a port (a trunk), or behind a tunnel's encap.
class Where {
 public:
  constexpr Where() = default;  // nowhere
  // `vlan` is a VID from 1 to 4094; 0: the whole port.
  static constexpr Where port(PortIndex port, uint16_t vlan = 0) {
    return Where{port | uint32_t{vlan} << kVlanShift};
  }
  static constexpr Where tunnel(EncapId encap) { return Where{kTunnel | encap}; }
  static constexpr Where from_bits(uint32_t bits) { return Where{bits}; }

  constexpr bool is_tunnel() const { return (bits_ & kTunnel) != 0; }
  constexpr bool is_nowhere() const { return bits_ == kNowhere; }
  // The PortIndex or the EncapId.
  constexpr uint32_t index() const { return bits_ & 0xffff; }
  // Of a port: the VID, 0: none.
  constexpr uint16_t vlan() const { return static_cast<uint16_t>(bits_ >> kVlanShift & 0xfff); }
  constexpr uint32_t bits() const { return bits_; }
  constexpr bool operator==(const Where&) const = default;

 private:
  static constexpr unsigned kVlanShift = 16;
  static constexpr uint32_t kTunnel = 1u << 28;
  static constexpr uint32_t kNowhere = 1u << 29;
  constexpr explicit Where(uint32_t bits) : bits_(bits) {}
  uint32_t bits_ = kNowhere;
};

// The key of the FDB and of the path tables: a network and a MAC in one word.
struct StationKey {
  uint64_t bits = 0;

  constexpr StationKey() = default;
  constexpr StationKey(NetworkId network, uint64_t mac_bits)
      : bits(static_cast<uint64_t>(network) << 48 | mac_bits) {}
  StationKey(NetworkId network, const net::Mac& mac) : StationKey(network, mac.bits()) {}

  constexpr NetworkId network() const { return static_cast<NetworkId>(bits >> 48); }
  constexpr bool is_group() const { return (bits & 1) != 0; }  // the group bit of the MAC
  constexpr uint64_t mac_bits() const { return bits & 0x0000ffffffffffff; }
  net::Mac mac() const {
    net::Mac mac;
    std::memcpy(mac.bytes.data(), &bits, mac.bytes.size());
    return mac;
  }
  constexpr bool operator==(const StationKey&) const = default;
};
static_assert(sizeof(StationKey) == 8);

}  // namespace culvert::dataplane
