#include "dataplane/checksum.hpp"

#include <rte_ip.h>

#include <algorithm>

namespace culvert::dataplane {

uint16_t sum_packet(const rte_mbuf* mbuf, uint32_t offset, uint32_t bytes) {
  if (offset + bytes <= rte_pktmbuf_data_len(mbuf)) [[likely]]
    return rte_raw_cksum(rte_pktmbuf_mtod_offset(mbuf, const uint8_t*, offset), bytes);
  uint32_t sum = 0, done = 0;
  for (const rte_mbuf* segment = mbuf; segment != nullptr && done < bytes; segment = segment->next) {
    const uint32_t room = rte_pktmbuf_data_len(segment);
    if (offset >= room) {
      offset -= room;
      continue;
    }
    const uint32_t part = std::min(room - offset, bytes - done);
    const uint16_t part_sum = rte_raw_cksum(rte_pktmbuf_mtod_offset(segment, const uint8_t*, offset), part);
    // Behind an odd number of bytes each byte stands in the other half of its word.
    sum += done % 2 == 0 ? part_sum : rte_bswap16(part_sum);
    done += part;
    offset = 0;
  }
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

}  // namespace culvert::dataplane
