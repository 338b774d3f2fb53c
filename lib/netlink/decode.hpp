// From rtnetlink messages to values.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <variant>

#include "base/result.hpp"
#include "netlink/objects.hpp"
#include "netlink/policy_rule.hpp"

namespace culvert::netlink {

using Object = std::variant<Link, Address, Neighbour, Nexthop, PolicyRule, Route>;

// An object as one message tells it.
struct Event {
  Object object;
  bool added = true;     // false: RTM_DEL*
  bool replace = false;  // NLM_F_REPLACE: a route takes the place of another one
  bool append = false;   // NLM_F_APPEND: a route stands behind its equals
};

// Decodes one message of a NETLINK_ROUTE socket. nullopt: nothing that culvert mirrors (other types and
// families, bridge ports and FDB entries, wireless events, proxy and multicast neighbours, cloned and
// source-specific routes, acks). Error: malformed; the caller counts and skips it. Every length is checked,
// so any bytes may be handed in as long as `message.nlmsg_len` of them are there. The hops of an IPv6 route
// are sorted: the kernel tells siblings in varying order. Any thread.
Result<std::optional<Event>> decode(const nlmsghdr& message);

// What an NLMSG_ERROR or NLMSG_DONE says: 0 (an ack) or a negative errno. Any thread.
int error_of(const nlmsghdr& message);

}  // namespace culvert::netlink
