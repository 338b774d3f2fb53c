// Wire headers with asserted sizes. All fields are bytes or big-endian types, so a header may be laid over
// any address.
#pragma once

#include <cstdint>

#include "net/address.hpp"
#include "net/byte_order.hpp"

namespace culvert::net {

inline constexpr be16 kEtherIpv4{0x0800};
inline constexpr be16 kEtherIpv6{0x86dd};
inline constexpr be16 kEtherArp{0x0806};
inline constexpr be16 kEtherVlan{0x8100};  // IEEE 802.1Q
inline constexpr be16 kEtherQinq{0x88a8};  // IEEE 802.1ad
inline constexpr uint8_t kProtoTcp = 6;
inline constexpr uint8_t kProtoUdp = 17;
inline constexpr uint16_t kVxlanPort = 4789;  // RFC 7348, 8.1

struct EtherHdr {
  Mac dst;
  Mac src;
  be16 type;
};
static_assert(sizeof(EtherHdr) == 14);

struct VlanHdr {
  be16 tci;
  be16 type;
};
static_assert(sizeof(VlanHdr) == 4);

struct Ipv4Hdr {
  uint8_t version_ihl;
  uint8_t tos;  // DSCP and ECN
  be16 total_length;
  be16 id;
  be16 fragment;  // flags and offset
  uint8_t ttl;
  uint8_t protocol;
  be16 checksum;
  be32 src;
  be32 dst;

  static constexpr uint16_t kDontFragment = 0x4000;
  static constexpr uint16_t kFragmentMask = 0x3fff;  // more fragments, or an offset
  unsigned header_bytes() const { return (version_ihl & 0xfu) * 4; }
};
static_assert(sizeof(Ipv4Hdr) == 20);

struct Ipv6Hdr {
  be32 version_class_label;
  be16 payload_length;
  uint8_t next_header;
  uint8_t hop_limit;
  uint8_t src[16];
  uint8_t dst[16];
};
static_assert(sizeof(Ipv6Hdr) == 40);

struct UdpHdr {
  be16 src_port;
  be16 dst_port;
  be16 length;
  be16 checksum;
};
static_assert(sizeof(UdpHdr) == 8);

// RFC 7348, 5: one flag (I) of the first byte; the rest is reserved: zero when sent, ignored when received.
struct VxlanHdr {
  be32 flags;
  be32 vni_reserved;

  static constexpr uint32_t kValidVni = 0x08000000;
  uint32_t vni() const { return vni_reserved.host() >> 8; }
};
static_assert(sizeof(VxlanHdr) == 8);

}  // namespace culvert::net
