// What the kernel does to its routes without a word, as functions of the path of a route. Read in Linux 6.18
// and measured on it (doc/kernel-silence.md); the mirror applies them on the event that goes before.
//
// Routes with a nexthop object follow that object, not their links: none of the link rules touches them.
#pragma once

#include <optional>
#include <vector>

#include "netlink/objects.hpp"

namespace culvert::mirror::rules {

using netlink::Address;
using netlink::Nexthop;
using netlink::Path;

// A link set down. IPv4 (fib_semantics.c, fib_sync_down_dev and fib_flush): its hops die; a route without a
// live hop goes, but for local ones (scope host). IPv6 (route.c, fib6_ifdown): routes go with an event; of a
// multipath route with a live hop left the dead ones are only flagged.
std::optional<Path> link_down(const Path& path, int ifindex);

// The last IPv4 address of a link went (fib_frontend.c, fib_disable_ip by force): as link_down, local routes
// included.
std::optional<Path> last_address_gone(const Path& path, int ifindex);

// A link vanished (NETDEV_UNREGISTER): IPv4 routes with any hop on it go whole; IPv6 routes lose that hop.
std::optional<Path> link_gone(const Path& path, int ifindex);

// A link that is up lost its carrier: its hops are flagged linkdown, but for local routes.
Path carrier_lost(const Path& path, int ifindex);

// A link that is up has a carrier (fib_sync_up, rt6_sync_up).
Path carrier_found(const Path& path, int ifindex);

// A link came up or got (IPv4) an address (fib_sync_up, fib6_ifup). `carrier`: it has one.
Path link_revived(const Path& path, int ifindex, bool carrier);

// An address went that is a preferred source. `elsewhere`: another link has it too. IPv4
// (fib_sync_down_addr): routes of the main table go. IPv6 (route.c, fib6_remove_prefsrc): routes on its link
// forget it.
std::optional<Path> prefsrc_gone(const Path& path, const Address& address, bool elsewhere);

// The hops and type that a route has from its nexthop object.
Path with_nexthop(Path path, const Nexthop& nexthop, const std::vector<const Nexthop*>& members);

// IFF_RUNNING or IFF_LOWER_UP: what the kernel's FIB takes for a carrier.
bool has_carrier(const netlink::Link& link);

}  // namespace culvert::mirror::rules
