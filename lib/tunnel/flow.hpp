// What the user wants beside networks: which packets of a port go into which tunnel. Values only.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include "net/address.hpp"

namespace culvert::tunnel {

// The packets that a flow is for. What is not set matches anything. IP headers are found behind up to two
// VLAN tags, whether `vlan` is set or not.
struct Match {
  static constexpr uint16_t kUntagged = 0xffff;

  std::optional<net::Mac> eth_src, eth_dst;
  std::optional<uint16_t> vlan;            // VID of the outer tag, 0..4094; kUntagged: no tag
  std::optional<net::Prefix> src, dst;     // of IP, both of one family
  std::optional<uint8_t> ip_proto;         // IPv4's protocol, IPv6's next header
  std::optional<uint16_t> l4_src, l4_dst;  // of TCP or UDP

  bool operator==(const Match&) const = default;
};

struct Flow {
  static constexpr uint16_t kDefaultPriority = 100;

  std::string name;
  std::string port;  // where the packets come in
  Match match;
  std::string tunnel;                    // where they go
  uint16_t priority = kDefaultPriority;  // as in rte_flow the lower number wins; equal: the earlier flow

  bool operator==(const Flow&) const = default;
};

// The fields of a packet that a match can see, side by side, so that a match is a value and a mask over them.
struct MatchKey {
  static constexpr uint8_t kIp = 1;
  static constexpr uint8_t kPorts = 2;         // TCP or UDP, and no later fragment
  static constexpr uint16_t kTagged = 0x1000;  // beside the VID: there is a tag

  std::array<uint8_t, 6> eth_dst{}, eth_src{};
  uint16_t vlan = 0;                     // kTagged and VID, host order; 0: untagged
  uint16_t family = 0;                   // 4, 6; 0: not IP
  std::array<uint8_t, 16> src{}, dst{};  // IPv4 in the first four bytes
  uint16_t l4_src = 0, l4_dst = 0;       // network order; 0 where a fragment has none
  uint8_t ip_proto = 0;
  uint8_t layers = 0;  // kIp, kPorts: what the packet has
  uint16_t zero = 0;

  using Words = std::array<uint64_t, 7>;
  Words words() const { return std::bit_cast<Words>(*this); }
  bool operator==(const MatchKey& other) const { return words() == other.words(); }
};
static_assert(std::has_unique_object_representations_v<MatchKey>);

struct MaskedKey {
  MatchKey value, mask;  // value is zero where mask is

  bool operator==(const MaskedKey&) const = default;
};

MaskedKey masked_key(const Match& match);
MatchKey operator&(const MatchKey& a, const MatchKey& b);

// Is there a packet that both take?
bool overlap(const MaskedKey& a, const MaskedKey& b);

// "eth_dst 02:00:00:00:00:01 ipv4_dst 10.7.0.0/16", the keys of doc/config.md; "any" for the empty match.
std::string to_string(const Match& match);

// Error, and what would be right: both families, a protocol without ports, a VID out of range.
std::optional<std::string> fault_of(const Match& match);

}  // namespace culvert::tunnel
