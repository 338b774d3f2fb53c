// The values that lib/offload takes and gives. Numbers are the packet path's own: PortIndex is the place in
// the configuration's ports, EncapId and NetworkId are the control lcore's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "net/address.hpp"
#include "tunnel/encap_rule.hpp"
#include "tunnel/flow.hpp"
#include "tunnel/tunnel.hpp"

namespace culvert::offload {

using PortIndex = uint16_t;
using EncapId = uint32_t;    // below kMaxEncaps
using NetworkId = uint16_t;  // below kMaxNetworks

inline constexpr size_t kMaxEncaps = 65536;
inline constexpr size_t kMaxNetworks = 4096;

enum class Mode : uint8_t { automatic, off, required };
enum class LayoutWish : uint8_t { automatic, tagged, flat };

// Who asked for a flow (CONTRACT `show flows`).
enum class Source : uint8_t { config, shell, route, path, decap };

// Packets of a tenant's port into a tunnel, looked at before networks.
struct Explicit {
  PortIndex port = 0;
  tunnel::Match match;
  uint16_t priority = tunnel::Flow::kDefaultPriority;
  uint64_t sequence = 0;  // of two of one priority the lower wins
  EncapId encap = 0;
};

// A station of a network behind a tunnel: frames of the network's tenants to it go into the tunnel.
struct PathTo {
  NetworkId network = 0;
  net::Mac mac;
  EncapId encap = 0;
};

// A station of a network behind a tenant's port: frames to it out of any tunnel of the network go to the
// port. Behind a VLAN of a port: they stay the workers', who know the tag.
struct StationAt {
  NetworkId network = 0;
  net::Mac mac;
  PortIndex port = 0;
  uint16_t vlan = 0;  // 0: the whole port
};

struct FlowSpec {
  std::string name;
  Source source = Source::config;
  std::variant<Explicit, PathTo, StationAt> what;
};

enum class FlowState : uint8_t { pending, offloaded, software, failed };

struct FlowView {
  std::string name;
  Source source = Source::config;
  std::optional<PortIndex> port;
  std::optional<EncapId> encap;
  NetworkId network = 0;  // whose flow it is, with a station
  std::optional<net::Mac> station;
  FlowState state = FlowState::pending;
  std::string reason;               // empty: none needed
  uint64_t packets = 0, bytes = 0;  // what the NIC carried
};

// What the resolver says of an encap. `generation` grows with every change of an encap's header or validity;
// it is how the packet path and the NIC agree on which header is meant.
struct EncapUpdate {
  EncapId id = 0;
  uint64_t generation = 0;
  tunnel::Tunnel tunnel;
  std::optional<tunnel::EncapRule> rule;  // nullopt: not valid, for `reason`
  std::string reason;
  bool terminated = false;  // tunnel.local is ours: its packets are taken
  TimePoint since{};        // when the kernel's event came
};

struct NetworkSpec {
  NetworkId id = 0;
  bool learning = true;
  std::vector<PortIndex> ports;  // whole ones
  std::vector<EncapId> encaps;
  bool has_vlans = false;  // it has members that are VLANs of ports: of those the NIC takes nothing

  bool operator==(const NetworkSpec&) const = default;
};

struct Counts {
  uint64_t packets = 0, bytes = 0;
};

struct EncapView {
  bool in_hardware = false;
  std::string reason;  // why it is not, where the NIC refused
  Counts hardware;     // what the slot's rule, or the flows' own in the flat layout, carried
};

// From the kernel's event to the last rule change that it caused: how many took how long.
struct Latency {
  static constexpr size_t kBuckets = 20;
  std::array<uint64_t, kBuckets> buckets{};

  // nullopt: the last one counts all others.
  static std::optional<uint64_t> below_us(size_t bucket) {
    return bucket + 1 < kBuckets ? std::optional(uint64_t{16} << bucket) : std::nullopt;
  }
};

// Rule operations since the start.
struct Operations {
  uint64_t created = 0, destroyed = 0, refused = 0;  // refused: creations and destructions
  uint64_t rules = 0;                                // in the NIC now
};

// What has happened that concerns the control lcore; see Offload::take_events().
struct MarkReady {  // a plain NIC writes the header of this generation for frames with this mark
  EncapId encap = 0;
  uint64_t generation = 0;
  uint32_t mark = 0;
};
struct StationUsed {  // the NIC carried frames to or from it
  NetworkId network = 0;
  net::Mac mac;
};
using Event = std::variant<MarkReady, StationUsed>;

}  // namespace culvert::offload
