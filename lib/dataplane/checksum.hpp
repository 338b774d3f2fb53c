// The Internet checksum over packets in several segments.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "net/byte_order.hpp"

namespace culvert::dataplane {

// One's complement sum (RFC 1071) of `bytes` bytes behind `offset`, all of which are there, as they lie in
// memory. (rte_raw_cksum_mbuf() of DPDK 22.11 loses the carries of a segment that begins at an odd place.)
uint16_t sum_packet(const rte_mbuf* mbuf, uint32_t offset, uint32_t bytes);

// RFC 1624, equation 3, for one 16-bit word that changed.
inline net::be16 update_checksum(net::be16 checksum, uint16_t old_word, uint16_t new_word) {
  uint32_t sum = static_cast<uint16_t>(~checksum.host());
  sum += static_cast<uint16_t>(~old_word);
  sum += new_word;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return net::be16{static_cast<uint16_t>(~sum)};
}

}  // namespace culvert::dataplane
