// The requests that culvert makes of the kernel. Each only builds a message; Socket::send sends it. Any
// thread.
#pragma once

#include <cstdint>

#include "net/address.hpp"
#include "netlink/socket.hpp"

namespace culvert::netlink {

// Asks for all objects of a kind: RTM_GETLINK, RTM_GETADDR, ...; `family` AF_UNSPEC, AF_INET, AF_INET6.
MessagePtr dump_request(uint16_t type, uint8_t family);

// Tells the kernel that the neighbour is in use: it resolves it, or confirms it when it is stale (NTF_USE;
// the entry is made if there is none). No answer is asked for. A managed neighbour stays so only if the
// request says it again (neighbour.c, neigh_add). Never send it for an operator's entry: it would be demoted.
MessagePtr use_neighbour_request(int ifindex, const net::IpAddr& ip, bool managed);

// The same for a neighbour that is not known to exist: it is answered, and with EEXIST, nothing changed, if
// there is one after all, which may be the operator's.
MessagePtr new_neighbour_request(int ifindex, const net::IpAddr& ip);

// A request that is answered at once, without a lock of the kernel's (af_netlink.c, netlink_rcv_skb: a
// control message with NLM_F_ACK): sent on an event socket the answer stands behind every event queued
// before.
MessagePtr barrier_request();

}  // namespace culvert::netlink
