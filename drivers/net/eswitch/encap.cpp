#include "encap.hpp"

#include "flow_error.hpp"
#include "item_fields.hpp"

namespace eswitch {
namespace {

uint16_t ipv4_header_checksum(const uint8_t* header, unsigned length) {
  uint32_t sum = 0;
  for (unsigned i = 0; i < length; i += 2)
    if (i != 10) sum += get_be16(header + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

const VxlanPorts& default_vxlan_ports() {
  static const VxlanPorts ports;
  return ports;
}

/// Fills the fields of one header that were left 0. `at` is where it starts in `bytes`.
void default_fields(std::vector<uint8_t>& bytes, size_t at, rte_flow_item_type type,
                    rte_flow_item_type tunnel) {
  uint8_t* header = bytes.data() + at;
  const auto if_zero = [header](size_t offset, uint8_t value) {
    if (header[offset] == 0) header[offset] = value;
  };
  switch (type) {
    case RTE_FLOW_ITEM_TYPE_IPV4:
      if_zero(0, 0x45);
      if_zero(8, 64);
      if_zero(9, tunnel == RTE_FLOW_ITEM_TYPE_VXLAN ? IPPROTO_UDP : IPPROTO_GRE);
      break;
    case RTE_FLOW_ITEM_TYPE_IPV6:
      header[0] = static_cast<uint8_t>((header[0] & 0x0f) | 0x60);
      if_zero(6, tunnel == RTE_FLOW_ITEM_TYPE_VXLAN ? IPPROTO_UDP : IPPROTO_GRE);
      if_zero(7, 255);
      break;
    case RTE_FLOW_ITEM_TYPE_UDP:
      if (get_be16(header + 2) == 0) put_be16(header + 2, 4789);
      break;
    case RTE_FLOW_ITEM_TYPE_VXLAN:
      if_zero(0, 0x08);
      break;
    case RTE_FLOW_ITEM_TYPE_NVGRE:
      if (get_be16(header) == 0) put_be16(header, 0x2000);
      if (get_be16(header + 2) == 0) put_be16(header + 2, 0x6558);
      break;
    default:
      break;
  }
}

uint16_t ether_type_of(rte_flow_item_type type) {
  switch (type) {
    case RTE_FLOW_ITEM_TYPE_VLAN:
      return 0x8100;
    case RTE_FLOW_ITEM_TYPE_IPV6:
      return 0x86dd;
    default:
      return 0x0800;
  }
}

std::vector<uint8_t> refuse_definition(rte_flow_error* error, const rte_flow_action& action,
                                       const char* message) {
  refuse_action(error, EINVAL, &action, message);
  return {};
}

}  // namespace

EncapHeader::EncapHeader(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {
  Key key;
  parse_packet(bytes_, false, default_vxlan_ports(), key, layout_);
}

bool EncapHeader::put_on(Packet& packet) const {
  const LevelLayout& outer = layout_.level[0];
  const bool udp = outer.l4 != kNoOffset && outer.l4_proto == IPPROTO_UDP;
  const uint32_t hash = udp ? flow_hash(packet.key()) : 0;
  uint8_t* front = packet.prepend(static_cast<uint16_t>(bytes_.size()));
  if (front == nullptr) return false;
  std::memcpy(front, bytes_.data(), bytes_.size());
  const uint32_t length = packet.length();
  if (udp) {
    put_be16(front + outer.l4, static_cast<uint16_t>(0xc000 | (hash & 0x3fff)));
    put_be16(front + outer.l4 + 4, static_cast<uint16_t>(length - outer.l4));
  }
  if (outer.l3 == kNoOffset) return true;
  uint8_t* ip = front + outer.l3;
  if (ip[0] >> 4 == 4) {
    put_be16(ip + 2, static_cast<uint16_t>(length - outer.l3));
    put_be16(ip + 10, ipv4_header_checksum(ip, 4u * (ip[0] & 15u)));
  } else {
    put_be16(ip + 4, static_cast<uint16_t>(length - outer.l3 - 40));
  }
  return true;
}

std::vector<uint8_t> header_of_items(const rte_flow_action& action, const rte_flow_item definition[],
                                     rte_flow_item_type tunnel, rte_flow_error* error) {
  if (definition == nullptr) return refuse_definition(error, action, "encapsulation without a definition");
  std::vector<uint8_t> bytes;
  size_t type_at = 0;  // of the EtherType that the next item decides
  rte_flow_item_type previous = RTE_FLOW_ITEM_TYPE_END;
  for (const rte_flow_item* item = definition; item->type != RTE_FLOW_ITEM_TYPE_END; ++item) {
    if (item->type == RTE_FLOW_ITEM_TYPE_VOID) continue;
    const ItemShape* shape = find_item_shape(item->type);
    if (shape == nullptr || item->spec == nullptr || previous == tunnel)
      return refuse_definition(error, action, "unsupported item in the encapsulation's definition");
    const size_t at = bytes.size();
    const auto* spec = static_cast<const uint8_t*>(item->spec);
    bytes.insert(bytes.end(), spec, spec + shape->size);
    if (item->type == RTE_FLOW_ITEM_TYPE_VLAN || (shape->layer & kLayersL3) != 0) {
      if (previous != RTE_FLOW_ITEM_TYPE_ETH && previous != RTE_FLOW_ITEM_TYPE_VLAN)
        return refuse_definition(error, action, "eth header not found");
      if (get_be16(&bytes[type_at]) == 0) put_be16(&bytes[type_at], ether_type_of(item->type));
    }
    type_at = item->type == RTE_FLOW_ITEM_TYPE_ETH ? at + 12 : at + 2;
    default_fields(bytes, at, item->type, tunnel);
    previous = item->type;
  }
  if (previous != tunnel) return refuse_definition(error, action, "tunnel header not found");
  if (bytes.size() > EncapHeader::kMaxBytes)
    return refuse_definition(error, action, "encapsulation too long");
  return bytes;
}

Decap Decap::of_template(const uint8_t* bytes, size_t count) {
  Key key;
  Layout layout;
  parse_packet({bytes, count}, false, default_vxlan_ports(), key, layout);
  Decap decap{Kind::kBytes, static_cast<uint16_t>(count)};
  const LevelLayout& outer = layout.level[0];
  const bool nothing_but_l2 = outer.l3 == kNoOffset && count <= 14 + 2 * 4;
  // A template's UDP port may be 0: what follows UDP is then taken for VXLAN by its size.
  const bool udp = outer.l4 != kNoOffset && outer.l4_proto == IPPROTO_UDP && count >= outer.l4 + 16u;
  const size_t tunnel_end = outer.tunnel_end != kNoOffset ? outer.tunnel_end
                            : udp                         ? outer.l4 + size_t{16}
                                                          : 0;
  if (tunnel_end != 0)
    decap.kind = count >= tunnel_end + 14 ? Kind::kTunnelL2 : Kind::kTunnel;
  else if (nothing_but_l2 && count >= 14)
    decap.kind = Kind::kL2;
  return decap;
}

bool Decap::take_off(Packet& packet) const {
  const Layout& layout = packet.layout();
  const LevelLayout &outer = layout.level[0], &inner = layout.level[1];
  const uint32_t layers = packet.key().level[0].layers;
  switch (kind) {
    case Kind::kVxlan:
      if ((layers & kLayerVxlan) == 0) return false;
      return packet.strip(outer.tunnel_end, false);
    case Kind::kNvgre:
      if ((layers & kLayerGre) == 0) return false;
      return packet.strip(outer.tunnel_end, inner.eth == kNoOffset);
    case Kind::kTunnel:
      if (outer.tunnel_end == kNoOffset) return packet.strip(count, false);
      return packet.strip(outer.tunnel_end, inner.eth == kNoOffset);
    case Kind::kTunnelL2:
      if (inner.l3 == kNoOffset) return packet.strip(count, true);
      return packet.strip(inner.l3, true);
    case Kind::kL2:
      return packet.strip(outer.l3 != kNoOffset ? outer.l3 : count, true);
    case Kind::kBytes:
      return packet.strip(count, false);
  }
  return false;
}

}  // namespace eswitch
