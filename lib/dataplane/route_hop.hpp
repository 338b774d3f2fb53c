// Where the routes of l3 networks lead, as the workers use it. A route says the number of a hop
// (fib/fib.hpp), so what becomes of a next hop changes one of these and no route.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/drop_reason.hpp"
#include "dataplane/ids.hpp"
#include "net/address.hpp"

namespace culvert::dataplane {

// One way that a packet can go on.
struct Way {
  enum class Kind : uint8_t {
    drop,     // for `reason`
    kernel,   // it is the kernel's own
    tunnel,   // into `encap`, whose slot has the inner Ethernet header
    station,  // out of `port` with the MACs below
    on_link,  // out of `port`, to whichever neighbour there has the destination's address
  };

  Kind kind = Kind::drop;
  DropReason reason = DropReason::no_route;
  PortIndex port = 0;
  uint16_t mtu = UINT16_MAX;  // bytes of the IP packet
  EncapId encap = 0;
  net::Mac dst_mac, src_mac;

  bool operator==(const Way&) const = default;
};

// An immutable value, replaced as a whole.
struct RouteHop {
  static constexpr size_t kBuckets = 256;

  // Several ways, and which the hash of a flow takes: `bucket` has their places in `ways`, each as often as
  // its weight (the hash-threshold of RFC 2992 with a table in place of the division).
  struct Multipath {
    std::vector<Way> ways;
    std::array<uint8_t, kBuckets> bucket{};

    bool operator==(const Multipath&) const = default;
  };

  Way only;
  std::unique_ptr<const Multipath> multipath;  // null: `only`

  const Way& way(uint32_t flow_hash) const {
    if (multipath == nullptr) [[likely]]
      return only;
    return multipath->ways[multipath->bucket[flow_hash % kBuckets]];
  }
  bool operator==(const RouteHop& other) const {
    if ((multipath == nullptr) != (other.multipath == nullptr)) return false;
    return multipath == nullptr ? only == other.only : *multipath == *other.multipath;
  }
};

struct WeightedWay {
  Way way;
  uint32_t weight = 1;  // at least 1
};

// `ways` are one to kBuckets.
RouteHop make_route_hop(const std::vector<WeightedWay>& ways);

}  // namespace culvert::dataplane
