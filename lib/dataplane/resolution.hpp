// ARP (RFC 826, Ethernet and IPv4) and IPv6 neighbour discovery (RFC 4861): what such a packet asks and
// tells, and the answers to it. Untagged frames in one buffer only; all else is nothing of the kind.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>

#include "net/address.hpp"

namespace culvert::dataplane {

struct Resolution {
  // Asked for, by a station that has an address and asks for another's. Nullopt: it asks for nothing, or
  // looks whether an address is free (gratuitous ARP, a probe, duplicate address detection).
  std::optional<net::IpAddr> target;
  // The address that the frame's source says to have.
  std::optional<net::IpAddr> sender;
  std::optional<bool> router;  // the R flag of an advertisement
};

// Nullopt: neither, or not sound (for ND: RFC 4861, 7.1). `mbuf` has an Ethernet header at least.
std::optional<Resolution> read_resolution(const rte_mbuf* mbuf);

// Makes the request or solicitation that asked for a target its answer, from the station that has `mac`:
// source and destination change places. False: no room in the buffer; it is unchanged.
bool make_answer(rte_mbuf* mbuf, const net::Mac& mac, bool router);

}  // namespace culvert::dataplane
