// The outer headers of an arriving tunnel packet, checked one by one: RFC 791, 768, 7348.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>

#include "dataplane/drop_reason.hpp"
#include "net/headers.hpp"

namespace culvert::dataplane {

inline constexpr uint32_t kUdpVxlanBytes = sizeof(net::UdpHdr) + sizeof(net::VxlanHdr);

struct OuterCheck {
  std::optional<DropReason> fault;
  bool checksum_unfinished = false;  // the sender's kernel had left the UDP checksum to hardware
};

// `mbuf` holds an Ethernet frame with an IPv4 header behind `l2_bytes`, whose version and header length are
// sound and whose bytes are within the first segment, as are the first four bytes behind it. `kernel_frames`:
// on such a port a UDP checksum that the kernel had not finished is taken for right, and a packet longer than
// the frame was cut.
OuterCheck check_outer(const rte_mbuf* mbuf, uint32_t l2_bytes, bool kernel_frames);

}  // namespace culvert::dataplane
