// IEEE 802.1Q tags of frames, and only those: an 802.1ad tag (ethertype 0x88a8) is data like any other.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>

#include "dataplane/inner_parse.hpp"
#include "net/headers.hpp"

namespace culvert::dataplane {

inline constexpr uint16_t kVidMask = 0x0fff;

// The VID of the outer tag. 0: there is none, or a priority tag, which names no VLAN. `room` is at least 14.
inline uint16_t outer_vid(const uint8_t* frame, uint32_t room) {
  const uint8_t* const tag = frame + sizeof(net::EtherHdr);
  if (load<uint16_t>(tag - sizeof(net::be16)) != net::kEtherVlan.wire()) return 0;
  if (room < sizeof(net::EtherHdr) + sizeof(net::VlanHdr)) return 0;
  return load<net::VlanHdr>(tag).tci.host() & kVidMask;
}

// Takes the outer tag out. It is there, in the first segment.
inline void pop_vlan(rte_mbuf* mbuf) {
  auto* const frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
  std::memmove(frame + sizeof(net::VlanHdr), frame, 2 * sizeof(net::Mac));
  rte_pktmbuf_adj(mbuf, sizeof(net::VlanHdr));
}

// Puts a tag in front of what follows the MACs; `tci` is VID, DEI and priority. The caller alone has the
// buffer. False: no headroom; the frame is as it was. (rte_vlan_insert() refuses buffers of the driver's
// own.)
inline bool push_vlan(rte_mbuf* mbuf, uint16_t tci) {
  auto* const frame = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(mbuf, sizeof(net::VlanHdr)));
  if (frame == nullptr) return false;
  std::memmove(frame, frame + sizeof(net::VlanHdr), 2 * sizeof(net::Mac));
  const net::be16 tag[2]{net::kEtherVlan, net::be16{tci}};
  std::memcpy(frame + 2 * sizeof(net::Mac), tag, sizeof(tag));
  return true;
}

}  // namespace culvert::dataplane
