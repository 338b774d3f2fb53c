#include "packet.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <utility>

namespace eswitch {
namespace {

/// Bytes at the front that a rule may need to see or change: two levels of headers with options.
constexpr uint16_t kHeaderBytes = 256;

/// What an offload may put in.
constexpr uint16_t kVlanBytes = 4;

/// The sum, folded to 16 bits, of bytes that start `phase` bytes into checksummed data.
uint32_t partial_sum(const uint8_t* bytes, uint16_t count, unsigned phase) {
  uint32_t sum = 0;
  for (unsigned i = 0; i < count; ++i) sum += ((phase + i) & 1) != 0 ? bytes[i] : uint32_t{bytes[i]} << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

/// RFC 1624: the checksum after `before` became `after` in what it covers.
uint16_t corrected(uint16_t checksum, uint32_t before, uint32_t after) {
  uint32_t sum = (~uint32_t{checksum} & 0xffff) + (~before & 0xffff) + after;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

/// Where the checksum of the level's TCP or UDP header is; kNoOffset: none to keep.
uint16_t l4_checksum_at(const LevelLayout& layout, const uint8_t* bytes) {
  if (layout.l4 == kNoOffset) return kNoOffset;
  if (layout.l4_proto == IPPROTO_TCP) return static_cast<uint16_t>(layout.l4 + 16);
  const auto at = static_cast<uint16_t>(layout.l4 + 6);
  return layout.l4_proto == IPPROTO_UDP && get_be16(bytes + at) != 0 ? at : kNoOffset;
}

}  // namespace

bool Packet::strip(uint16_t count, bool then_starts_with_ip) {
  if (rte_pktmbuf_adj(mbuf_, count) == nullptr) return false;
  starts_with_ip_ = then_starts_with_ip;
  changed();
  return true;
}

uint8_t* Packet::prepend(uint16_t count) {
  starts_with_ip_ = false;
  changed();
  if (rte_pktmbuf_headroom(mbuf_) < count) {
    rte_mbuf* roomier = rte_pktmbuf_copy(mbuf_, pool_, 0, UINT32_MAX);
    if (roomier == nullptr) return nullptr;
    rte_pktmbuf_free(std::exchange(mbuf_, roomier));
  }
  return reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(mbuf_, count));
}

void Packet::rewrite(unsigned level, uint16_t at, const uint8_t* replacement, uint16_t count) {
  const LevelLayout& where = layout().level[level];
  uint8_t* packet = bytes();
  const bool in_l4 = where.l4 != kNoOffset && at >= where.l4;
  const bool in_l3 = !in_l4 && where.l3 != kNoOffset && at >= where.l3;
  if (in_l3 || in_l4) {
    const unsigned phase = at - (in_l4 ? where.l4 : where.l3);
    const uint32_t before = partial_sum(packet + at, count, phase),
                   after = partial_sum(replacement, count, phase);
    const bool ipv4 = in_l3 && packet[where.l3] >> 4 == 4;
    if (ipv4) put_be16(packet + where.l3 + 10, corrected(get_be16(packet + where.l3 + 10), before, after));
    const bool in_pseudo_header = in_l4 || phase >= (ipv4 ? 12u : 8u);
    if (const uint16_t sum = l4_checksum_at(where, packet); sum != kNoOffset && in_pseudo_header) {
      uint16_t value = corrected(get_be16(packet + sum), before, after);
      if (value == 0 && where.l4_proto == IPPROTO_UDP) value = 0xffff;
      put_be16(packet + sum, value);
    }
  }
  std::memcpy(packet + at, replacement, count);
  changed();
}

uint32_t flow_hash(const Key& key) {
  const LevelKey& level = key.level[0];
  uint64_t hash = 0x2545f4914f6cdd1d;
  const auto add = [&hash](const uint8_t* bytes, unsigned count) {
    for (unsigned i = 0; i < count; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  };
  if ((level.layers & kLayerIpv4) != 0) {
    add(level.l3 + 12, 8);
    add(level.l3 + 9, 1);
  } else if ((level.layers & kLayerIpv6) != 0) {
    add(level.l3 + 8, 32);
  } else {
    add(level.eth, 14);
  }
  if ((level.layers & (kLayerUdp | kLayerTcp)) != 0 && !is_fragment(level)) add(level.l4, 4);
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

rte_mbuf* make_writable(rte_mbuf* mbuf, rte_mempool* pool) {
  const bool shared = !RTE_MBUF_DIRECT(mbuf) || rte_mbuf_refcnt_read(mbuf) > 1;
  const uint32_t wanted = std::min<uint32_t>(kHeaderBytes, rte_pktmbuf_pkt_len(mbuf));
  const bool room = rte_pktmbuf_headroom(mbuf) >= kVlanBytes;  // more is made when a rule needs it
  if (!shared && room && rte_pktmbuf_data_len(mbuf) >= wanted) return mbuf;
  rte_mbuf* copy = rte_pktmbuf_copy(mbuf, pool, 0, UINT32_MAX);
  rte_pktmbuf_free(mbuf);
  return copy;
}

}  // namespace eswitch
