// The part of the decoder that reads policy rules.
#pragma once

#include "netlink/decode.hpp"

namespace culvert::netlink {

// `message` has been checked to hold its header. Results as decode().
Result<std::optional<Object>> decode_rule(const nlmsghdr& message);

}  // namespace culvert::netlink
