// The part of the decoder that reads routes and nexthop objects.
#pragma once

#include "netlink/decode.hpp"

namespace culvert::netlink {

// `message` has been checked to hold its header. Results as decode().
Result<std::optional<Object>> decode_route(const nlmsghdr& message);
Result<std::optional<Object>> decode_nexthop(const nlmsghdr& message);

}  // namespace culvert::netlink
