// Why a tunnel has no next hop. Each is a state of its own with words that a person can read.
#pragma once

#include <cstdint>
#include <string_view>

namespace culvert::resolver {

enum class Reason : uint8_t {
  none,  // resolved
  no_local_address,
  no_route,
  rejected,  // a blackhole, unreachable or prohibit route
  link_down,
  kernel_encap,  // all next hops have an encap of the kernel's own (MPLS, SRv6, ...)
  not_a_port,
  port_removed,  // DPDK says that the port's device is gone
  loop,
  neighbour_unresolved,
  neighbour_failed,
};

}  // namespace culvert::resolver
