// Cutting what stands behind a packet.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace culvert::dataplane {

// Cuts the frame to `bytes`, of which there are at least as many: Ethernet padding, or what stands behind the
// UDP payload.
inline void trim_to(rte_mbuf* mbuf, uint32_t bytes) {
  if (rte_pktmbuf_pkt_len(mbuf) == bytes) return;
  uint32_t left = bytes;
  rte_mbuf* segment = mbuf;
  while (left > segment->data_len) {
    left -= segment->data_len;
    segment = segment->next;
  }
  segment->data_len = static_cast<uint16_t>(left);
  rte_mbuf* const rest = segment->next;
  segment->next = nullptr;
  for (rte_mbuf* tail = rest; tail != nullptr; tail = tail->next) --mbuf->nb_segs;
  rte_pktmbuf_free(rest);
  mbuf->pkt_len = bytes;
}

}  // namespace culvert::dataplane
