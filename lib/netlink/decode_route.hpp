// The part of the decoder that reads routes and nexthop objects.
#pragma once

#include "netlink/decode.hpp"

namespace culvert::netlink {

// `message` has been checked to hold its header. Results as decode().
Result<std::optional<Object>> decode_route(const nlmsghdr& message);
// Any RTM_NEWROUTE or RTM_DELROUTE, into a route whose memory is used again: there may be a million of them.
// False: none that culvert mirrors.
Result<bool> decode_route(const nlmsghdr& message, Route& route);
Result<std::optional<Object>> decode_nexthop(const nlmsghdr& message);

}  // namespace culvert::netlink
