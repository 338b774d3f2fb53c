#include "dataplane/encap_slot.hpp"

#include <algorithm>
#include <cstring>

namespace culvert::dataplane {

namespace {

constexpr uint8_t kDscpMask = 0xfc;
constexpr uint8_t kEcnMask = 0x03;
constexpr uint8_t kTtlOfNonIp = 64;  // inherited from a frame that has none; Linux takes its default, 64, too

}  // namespace

Result<EncapSlot> make_encap_slot(const tunnel::Tunnel& tunnel, const tunnel::EncapRule& rule) {
  const size_t bytes = rule.header.size_bytes;
  if (bytes > EncapSlot::kTemplateBytes || rule.header.l3_offset + kIpUdpVxlanBytes != bytes)
    return error("tunnel '{}': a header of {} bytes with IP at {} is not VXLAN over IPv4", tunnel.name, bytes,
                 rule.header.l3_offset);
  EncapSlot slot;
  slot.resolved = true;
  slot.port = rule.port;
  slot.mtu = std::min<uint32_t>(rule.mtu, UINT16_MAX);
  slot.header_bytes = rule.header.size_bytes;
  slot.source_port_first = tunnel.source_port_first;
  slot.source_port_count = 1u + tunnel.source_port_last - tunnel.source_port_first;
  slot.tos = static_cast<uint8_t>(tunnel.dscp.value_or(0) << 2);
  if (!tunnel.dscp) slot.tos_mask |= kDscpMask;
  // Software writes the header: `automatic` copies, RFC 6040 normal mode. Zero is its compatibility mode.
  if (tunnel.ecn != tunnel::Ecn::zero) slot.tos_mask |= kEcnMask;
  slot.ttl = tunnel.ttl.value_or(kTtlOfNonIp);
  slot.inherit_ttl = !tunnel.ttl;
  slot.inner_dst_mac = tunnel.inner_dst_mac.value_or(net::Mac{});
  slot.inner_src_mac = tunnel.inner_src_mac.value_or(net::Mac{});

  std::memcpy(slot.header.data() + EncapSlot::kTemplateBytes - bytes, rule.header.bytes.data(), bytes);
  net::Ipv4Hdr ip;
  uint8_t* const at = slot.header.data() + EncapSlot::kTemplateBytes - kIpUdpVxlanBytes;
  std::memcpy(&ip, at, sizeof(ip));
  ip.tos = 0;
  ip.ttl = 0;
  std::memcpy(at, &ip, sizeof(ip));
  for (size_t i = 0; i < sizeof(ip); i += 2) {
    uint16_t word = 0;
    std::memcpy(&word, at + i, sizeof(word));
    slot.ip_sum += word;
  }
  return slot;
}

}  // namespace culvert::dataplane
