// The Internet checksum over packets in several segments.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace culvert::dataplane {

// One's complement sum (RFC 1071) of `bytes` bytes behind `offset`, all of which are there, as they lie in
// memory. (rte_raw_cksum_mbuf() of DPDK 22.11 loses the carries of a segment that begins at an odd place.)
uint16_t sum_packet(const rte_mbuf* mbuf, uint32_t offset, uint32_t bytes);

}  // namespace culvert::dataplane
