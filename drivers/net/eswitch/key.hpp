// What rules match on: every field of a packet that an rte_flow item can name, in one flat block of bytes
// that masks and hashes by words. Header bytes stand as on the wire and metadata is big-endian, so that
// comparing bytes compares numbers. Two header levels: what the wire shows, and what a tunnel carries.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace eswitch {

/// Bits of LevelKey::layers: which headers the level has, whole.
enum Layer : uint32_t {
  kLayerEth = 1u << 0,
  kLayerVlan = 1u << 1,
  kLayerMoreVlan = 1u << 2,
  kLayerIpv4 = 1u << 3,
  kLayerIpv6 = 1u << 4,
  kLayerUdp = 1u << 5,
  kLayerTcp = 1u << 6,
  kLayerIcmp = 1u << 7,
  kLayerVxlan = 1u << 8,
  kLayerGre = 1u << 9,
  kLayerGreKey = 1u << 10,
  kLayerHopExt = 1u << 11,
  kLayerRouteExt = 1u << 12,
  kLayerFragExt = 1u << 13,
  kLayerAuthExt = 1u << 14,
  kLayerEspExt = 1u << 15,
  kLayerDestExt = 1u << 16,
};
inline constexpr uint32_t kLayersL3 = kLayerIpv4 | kLayerIpv6;
inline constexpr uint32_t kLayersL4 = kLayerUdp | kLayerTcp | kLayerIcmp;
inline constexpr uint32_t kLayersTunnel = kLayerVxlan | kLayerGre;

struct LevelKey {
  uint8_t eth[16];     // destination, source, EtherType or TPID, 2 bytes of nothing
  uint8_t vlan[8];     // two tags: TCI and the type behind it
  uint8_t l3[40];      // the IPv4 header without options, or the IPv6 header
  uint8_t l4[20];      // the first 8 bytes of UDP or ICMP, or 20 of TCP
  uint8_t tunnel[12];  // VXLAN; or GRE's flags and protocol, then its key
  uint32_t layers;     // Layer bits
};

/// Where a packet came from, as transfer rules name it.
enum class Origin : uint8_t { kWire = 1, kApplication = 2 };

inline constexpr unsigned kLevelCount = 2;
inline constexpr unsigned kTagCount = 8;

struct Key {
  LevelKey level[kLevelCount];
  uint8_t origin[4];  // Origin, 0, and the number of the port within the switch (big-endian)
  uint8_t tag[kTagCount][4];
  uint8_t meta[4];
  uint8_t mark[4];
};
static_assert(sizeof(LevelKey) == 100 && sizeof(Key) == 244);

inline constexpr unsigned kKeyWords = sizeof(Key) / 4;

inline uint32_t key_word(const Key& key, unsigned index) {
  uint32_t word;
  std::memcpy(&word, reinterpret_cast<const uint8_t*>(&key) + index * 4, 4);
  return word;
}

/// Whether the level is a piece of a larger datagram, the first one too: only that one has the ports.
inline bool is_fragment(const LevelKey& level) {
  if ((level.layers & kLayerIpv4) != 0) return ((level.l3[6] & 0x3f) | level.l3[7]) != 0;
  return (level.layers & kLayerFragExt) != 0;
}

inline void put_be32(uint8_t* to, uint32_t value) {
  to[0] = static_cast<uint8_t>(value >> 24);
  to[1] = static_cast<uint8_t>(value >> 16);
  to[2] = static_cast<uint8_t>(value >> 8);
  to[3] = static_cast<uint8_t>(value);
}
inline uint32_t get_be32(const uint8_t* from) {
  return uint32_t{from[0]} << 24 | uint32_t{from[1]} << 16 | uint32_t{from[2]} << 8 | from[3];
}
inline void put_be16(uint8_t* to, uint16_t value) {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value);
}
inline uint16_t get_be16(const uint8_t* from) { return static_cast<uint16_t>(from[0] << 8 | from[1]); }

inline void set_origin(Key& key, Origin origin, uint16_t vport) {
  key.origin[0] = static_cast<uint8_t>(origin);
  key.origin[1] = 0;
  put_be16(key.origin + 2, vport);
}

}  // namespace eswitch
