// How fast the kernel ages the neighbours of a link (`ip ntable`; net/core/neighbour.c).
#pragma once

#include <linux/netlink.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/result.hpp"

namespace culvert::netlink {

// Of a whole table: what `ip ntable` calls gc_int and thresh3.
struct NeighbourCache {
  std::chrono::milliseconds gc_interval{30'000};
  uint32_t gc_thresh3 = 1024;

  bool operator==(const NeighbourCache&) const = default;
};

struct NeighbourTimes {
  int ifindex = 0;  // 0: what new links begin with
  bool is_v4 = true;
  std::chrono::milliseconds base_reachable{30'000};  // REACHABLE lasts 0.5 to 1.5 times this
  // From DELAY to the first probe; an entry used within this of its REACHABLE's end is probed by itself.
  std::chrono::milliseconds delay_probe{5'000};
  std::optional<NeighbourCache> cache;  // told with ifindex 0

  bool operator==(const NeighbourTimes&) const = default;
};

// One RTM_NEWNEIGHTBL. nullopt: another message, or the part of a table that has no times. Error: malformed.
// Any thread.
Result<std::optional<NeighbourTimes>> decode_neighbour_times(const nlmsghdr& message);

}  // namespace culvert::netlink
