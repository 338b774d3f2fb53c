#include "parser.hpp"

#include <algorithm>

namespace eswitch {
namespace {

constexpr uint16_t kTypeVlan = 0x8100, kTypeQinq = 0x88a8, kTypeIpv4 = 0x0800, kTypeIpv6 = 0x86dd;
constexpr uint16_t kTypeTransparentEthernet = 0x6558;
constexpr uint8_t kProtoHop = 0, kProtoIcmp = 1, kProtoTcp = 6, kProtoUdp = 17, kProtoRoute = 43,
                  kProtoFrag = 44, kProtoGre = 47, kProtoEsp = 50, kProtoAuth = 51, kProtoDest = 60;
constexpr uint16_t kVxlanPort = 4789;
constexpr unsigned kMaxIpv6Extensions = 8;

/// One walk over one packet. Each step takes the offset where its header should start.
class Walk {
 public:
  Walk(std::span<const uint8_t> bytes, const VxlanPorts& ports, Key& key, Layout& layout)
      : bytes_(bytes), ports_(ports), key_(key), layout_(layout) {}

  void ethernet(unsigned level, size_t at) {
    if (!has(at, 14)) return;
    LevelKey& key = key_.level[level];
    layout_.level[level].eth = static_cast<uint16_t>(at);
    std::memcpy(key.eth, &bytes_[at], 14);
    key.layers |= kLayerEth;
    uint16_t type = get_be16(&bytes_[at + 12]);
    at += 14;
    for (unsigned tags = 0; (type == kTypeVlan || type == kTypeQinq) && has(at, 4); ++tags, at += 4) {
      if (tags < 2) std::memcpy(key.vlan + 4 * tags, &bytes_[at], 4);
      key.layers |= tags == 0 ? kLayerVlan : kLayerMoreVlan;
      type = get_be16(&bytes_[at + 2]);
    }
    network(level, type, at);
  }

  void ip(size_t at) {
    if (!has(at, 1)) return;
    network(0, bytes_[at] >> 4 == 4 ? kTypeIpv4 : kTypeIpv6, at);
  }

 private:
  bool has(size_t at, size_t count) const { return at + count <= bytes_.size(); }

  void network(unsigned level, uint16_t type, size_t at) {
    if (type == kTypeIpv4) ipv4(level, at);
    if (type == kTypeIpv6) ipv6(level, at);
  }

  void ipv4(unsigned level, size_t at) {
    if (!has(at, 20) || bytes_[at] >> 4 != 4) return;
    const size_t header = size_t{4} * (bytes_[at] & 15u);
    if (header < 20 || !has(at, header)) return;
    LevelKey& key = key_.level[level];
    LevelLayout& layout = layout_.level[level];
    std::memcpy(key.l3, &bytes_[at], 20);
    key.layers |= kLayerIpv4;
    layout.l3 = static_cast<uint16_t>(at);
    layout.fragment = (get_be16(&bytes_[at + 6]) & 0x1fff) != 0;
    if (!layout.fragment) transport(level, bytes_[at + 9], at + header);
  }

  void ipv6(unsigned level, size_t at) {
    if (!has(at, 40) || bytes_[at] >> 4 != 6) return;
    LevelKey& key = key_.level[level];
    LevelLayout& layout = layout_.level[level];
    std::memcpy(key.l3, &bytes_[at], 40);
    key.layers |= kLayerIpv6;
    layout.l3 = static_cast<uint16_t>(at);
    uint8_t proto = bytes_[at + 6];
    at += 40;
    for (unsigned count = 0; count < kMaxIpv6Extensions; ++count) {
      const uint32_t layer = extension_layer(proto);
      if (layer == 0) {
        if (!layout.fragment) transport(level, proto, at);
        return;
      }
      key.layers |= layer;
      if (proto == kProtoEsp || !has(at, 8)) return;
      if (proto == kProtoFrag) layout.fragment = (get_be16(&bytes_[at + 2]) & 0xfff8) != 0;
      const size_t length = proto == kProtoFrag   ? 8
                            : proto == kProtoAuth ? size_t{4} * (bytes_[at + 1] + 2u)
                                                  : size_t{8} * (bytes_[at + 1] + 1u);
      proto = bytes_[at];
      at += length;
    }
  }

  static uint32_t extension_layer(uint8_t proto) {
    switch (proto) {
      case kProtoHop:
        return kLayerHopExt;
      case kProtoRoute:
        return kLayerRouteExt;
      case kProtoFrag:
        return kLayerFragExt;
      case kProtoAuth:
        return kLayerAuthExt;
      case kProtoEsp:
        return kLayerEspExt;
      case kProtoDest:
        return kLayerDestExt;
      default:
        return 0;
    }
  }

  void transport(unsigned level, uint8_t proto, size_t at) {
    switch (proto) {
      case kProtoUdp:
        if (l4(level, proto, at, 8, kLayerUdp) && ports_.contains(get_be16(&bytes_[at + 2])))
          vxlan(level, at + 8);
        break;
      case kProtoTcp:
        l4(level, proto, at, 20, kLayerTcp);
        break;
      case kProtoIcmp:
        l4(level, proto, at, 8, kLayerIcmp);
        break;
      case kProtoGre:
        gre(level, at);
        break;
      default:
        break;
    }
  }

  bool l4(unsigned level, uint8_t proto, size_t at, size_t length, uint32_t layer) {
    if (!has(at, length)) return false;
    LevelKey& key = key_.level[level];
    std::memcpy(key.l4, &bytes_[at], length);
    key.layers |= layer;
    layout_.level[level].l4 = static_cast<uint16_t>(at);
    layout_.level[level].l4_proto = proto;
    return true;
  }

  /// A tunnel within a tunnel is payload: two levels are what rules can name.
  bool tunnel(unsigned level, size_t at, size_t length) {
    if (level + 1 >= kLevelCount || !has(at, length)) return false;
    layout_.level[level].tunnel = static_cast<uint16_t>(at);
    layout_.level[level].tunnel_end = static_cast<uint16_t>(at + length);
    return true;
  }

  void vxlan(unsigned level, size_t at) {
    if (!tunnel(level, at, 8)) return;
    LevelKey& key = key_.level[level];
    std::memcpy(key.tunnel, &bytes_[at], 8);
    key.layers |= kLayerVxlan;
    ethernet(level + 1, at + 8);
  }

  void gre(unsigned level, size_t at) {
    if (!has(at, 4)) return;
    const uint16_t flags = get_be16(&bytes_[at]);
    if ((flags & 0x4007) != 0) return;  // routing, or a version that is not 0
    const bool checksum = (flags & 0x8000) != 0, has_key = (flags & 0x2000) != 0,
               sequence = (flags & 0x1000) != 0;
    const size_t length = size_t{4} * (1u + checksum + has_key + sequence);
    if (!tunnel(level, at, length)) return;
    LevelKey& key = key_.level[level];
    std::memcpy(key.tunnel, &bytes_[at], 4);
    key.layers |= kLayerGre;
    if (has_key) {
      std::memcpy(key.tunnel + 4, &bytes_[at + 4 + (checksum ? 4 : 0)], 4);
      key.layers |= kLayerGreKey;
    }
    const uint16_t type = get_be16(&bytes_[at + 2]);
    if (type == kTypeTransparentEthernet)
      ethernet(level + 1, at + length);
    else
      network(level + 1, type, at + length);
  }

  std::span<const uint8_t> bytes_;
  const VxlanPorts& ports_;
  Key& key_;
  Layout& layout_;
};

}  // namespace

VxlanPorts::VxlanPorts() : counts_(new std::atomic<uint32_t>[65536]()) { add(kVxlanPort); }
void VxlanPorts::add(uint16_t port) { counts_[port].fetch_add(1, std::memory_order_relaxed); }
void VxlanPorts::remove(uint16_t port) { counts_[port].fetch_sub(1, std::memory_order_relaxed); }

void parse_packet(std::span<const uint8_t> bytes, bool starts_with_ip, const VxlanPorts& ports, Key& key,
                  Layout& layout) {
  std::memset(key.level, 0, sizeof(key.level));
  layout = {};
  // Offsets are 16 bits; no header of interest starts further in.
  Walk walk(bytes.first(std::min<size_t>(bytes.size(), 0xfff0)), ports, key, layout);
  if (starts_with_ip)
    walk.ip(0);
  else
    walk.ethernet(0, 0);
}

}  // namespace eswitch
