#include "modify.hpp"

#include "flow_error.hpp"

namespace eswitch {
namespace {

using Base = FieldPlace::Base;

struct NamedPlace {
  rte_flow_field_id id;
  FieldPlace place;
};

constexpr NamedPlace kPlaces[] = {
    {RTE_FLOW_FIELD_MAC_DST, {Base::kEth, kLayerEth, 0, 6, 0, 48}},
    {RTE_FLOW_FIELD_MAC_SRC, {Base::kEth, kLayerEth, 6, 6, 0, 48}},
    {RTE_FLOW_FIELD_MAC_TYPE, {Base::kEth, kLayerEth, 12, 2, 0, 16}},
    {RTE_FLOW_FIELD_VLAN_ID, {Base::kVlan, kLayerVlan, 0, 2, 0, 12}},
    {RTE_FLOW_FIELD_IPV4_DSCP, {Base::kL3, kLayerIpv4, 1, 1, 2, 6}},
    {RTE_FLOW_FIELD_IPV4_ECN, {Base::kL3, kLayerIpv4, 1, 1, 0, 2}},
    {RTE_FLOW_FIELD_IPV4_TTL, {Base::kL3, kLayerIpv4, 8, 1, 0, 8}},
    {RTE_FLOW_FIELD_IPV4_SRC, {Base::kL3, kLayerIpv4, 12, 4, 0, 32}},
    {RTE_FLOW_FIELD_IPV4_DST, {Base::kL3, kLayerIpv4, 16, 4, 0, 32}},
    {RTE_FLOW_FIELD_IPV6_DSCP, {Base::kL3, kLayerIpv6, 0, 2, 6, 6}},
    {RTE_FLOW_FIELD_IPV6_ECN, {Base::kL3, kLayerIpv6, 0, 2, 4, 2}},
    {RTE_FLOW_FIELD_IPV6_HOPLIMIT, {Base::kL3, kLayerIpv6, 7, 1, 0, 8}},
    {RTE_FLOW_FIELD_IPV6_SRC, {Base::kL3, kLayerIpv6, 8, 16, 0, 128}},
    {RTE_FLOW_FIELD_IPV6_DST, {Base::kL3, kLayerIpv6, 24, 16, 0, 128}},
    {RTE_FLOW_FIELD_TCP_PORT_SRC, {Base::kL4, kLayerTcp, 0, 2, 0, 16}},
    {RTE_FLOW_FIELD_TCP_PORT_DST, {Base::kL4, kLayerTcp, 2, 2, 0, 16}},
    {RTE_FLOW_FIELD_TCP_SEQ_NUM, {Base::kL4, kLayerTcp, 4, 4, 0, 32}},
    {RTE_FLOW_FIELD_TCP_ACK_NUM, {Base::kL4, kLayerTcp, 8, 4, 0, 32}},
    {RTE_FLOW_FIELD_TCP_FLAGS, {Base::kL4, kLayerTcp, 12, 2, 0, 9}},
    {RTE_FLOW_FIELD_UDP_PORT_SRC, {Base::kL4, kLayerUdp, 0, 2, 0, 16}},
    {RTE_FLOW_FIELD_UDP_PORT_DST, {Base::kL4, kLayerUdp, 2, 2, 0, 16}},
    {RTE_FLOW_FIELD_VXLAN_VNI, {Base::kTunnel, kLayerVxlan, 4, 3, 0, 24}},
    {RTE_FLOW_FIELD_TAG, {Base::kTag, 0, 0, 4, 0, 32}},
    {RTE_FLOW_FIELD_META, {Base::kMeta, 0, 0, 4, 0, 32}},
    {RTE_FLOW_FIELD_MARK, {Base::kMark, 0, 0, 4, 0, 32}},
};

bool is_metadata(Base base) { return base == Base::kTag || base == Base::kMeta || base == Base::kMark; }

uint8_t* metadata_at(Key& key, const ModifyField::Operand& operand) {
  switch (operand.place.base) {
    case Base::kTag:
      return key.tag[operand.index];
    case Base::kMeta:
      return key.meta;
    default:
      return key.mark;
  }
}

/// Where the operand's bytes start in the packet; kNoOffset: the packet has no such header.
uint16_t offset_of(Packet& packet, const ModifyField::Operand& operand) {
  const LevelLayout& layout = packet.layout().level[operand.level];
  const uint32_t layers = packet.key().level[operand.level].layers;
  if ((layers & operand.place.layers) == 0) return kNoOffset;
  uint16_t start = kNoOffset;
  switch (operand.place.base) {
    case Base::kEth:
      start = layout.eth;
      break;
    case Base::kVlan:
      start = static_cast<uint16_t>(layout.eth + 14);
      break;
    case Base::kL3:
      start = layout.l3;
      break;
    case Base::kL4:
      start = layout.l4;
      break;
    default:
      start = layout.tunnel;
      break;
  }
  return static_cast<uint16_t>(start + operand.place.offset);
}

const uint8_t* find_bytes(Packet& packet, const ModifyField::Operand& operand) {
  if (is_metadata(operand.place.base)) return metadata_at(packet.metadata(), operand);
  const uint16_t at = offset_of(packet, operand);
  return at == kNoOffset ? nullptr : packet.bytes() + at;
}

Uint128 load(const uint8_t* bytes, unsigned count) {
  Uint128 value = 0;
  for (unsigned i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

void store(uint8_t* bytes, unsigned count, Uint128 value) {
  for (unsigned i = count; i-- > 0; value >>= 8) bytes[i] = static_cast<uint8_t>(value);
}

Uint128 low_bits(unsigned width) { return width >= 128 ? ~Uint128{0} : (Uint128{1} << width) - 1; }

bool refuse_modify(rte_flow_error* error, const rte_flow_action& action, int code, const char* message) {
  return refuse_action(error, code, &action, message);
}

/// A member of its own since 23.11; applications may still use `level`.
template <typename Data>
unsigned tag_index(const Data& data) {
  if constexpr (requires { data.tag_index; })
    if (data.tag_index != 0) return data.tag_index;
  return data.level;
}

/// `Data` is rte_flow_action_modify_data, or from 24.03 on rte_flow_field_data.
template <typename Data>
bool compile_operand(const rte_flow_action& action, const Data& data, unsigned width,
                     ModifyField::Operand& operand, rte_flow_error* error) {
  const FieldPlace* place = find_field(data.field);
  if (place == nullptr) return refuse_modify(error, action, ENOTSUP, "unsupported field to modify");
  operand.place = *place;
  if (place->base == Base::kTag) {
    const unsigned index = tag_index(data);
    if (index >= kTagCount) return refuse_modify(error, action, EINVAL, "invalid tag index");
    operand.index = static_cast<uint8_t>(index);
  } else if (data.level > 2) {
    return refuse_modify(error, action, ENOTSUP,
                         "inner header fields beyond the second level are not supported");
  } else {
    operand.level = data.level == 2 ? 1 : 0;
  }
  if (data.offset + width > place->width || data.offset >= place->width)
    return refuse_modify(error, action, EINVAL, "width and offset are beyond the field");
  operand.offset = static_cast<uint8_t>(data.offset);
  return true;
}

/// The immediate: laid out as the target's field is in its item, and the bits at the target's offset count.
Uint128 immediate(const uint8_t* value, const ModifyField& modify) {
  const FieldPlace& place = modify.target.place;
  Uint128 number;
  if (is_metadata(place.base)) {
    uint32_t host;
    std::memcpy(&host, value, 4);
    number = host;
  } else {
    number = load(value, place.width <= 8 ? 1 : place.bytes);
  }
  return number >> modify.target.offset & low_bits(modify.width);
}

}  // namespace

const FieldPlace* find_field(rte_flow_field_id id) {
  for (const NamedPlace& named : kPlaces)
    if (named.id == id) return &named.place;
  return nullptr;
}

void ModifyField::apply(Packet& packet) const {
  Uint128 operand = value;
  if (source) {
    const uint8_t* from = find_bytes(packet, *source);
    if (from == nullptr) return;
    operand = load(from, source->place.bytes) >> (source->place.shift + source->offset);
  }
  const uint8_t* at = find_bytes(packet, target);
  if (at == nullptr) return;
  const FieldPlace& place = target.place;
  const unsigned shift = place.shift + target.offset;
  const Uint128 old = load(at, place.bytes), window = low_bits(width) << shift;
  const Uint128 current = (old & window) >> shift;
  const Uint128 result = operation == RTE_FLOW_MODIFY_SET   ? operand
                         : operation == RTE_FLOW_MODIFY_ADD ? current + operand
                                                            : current - operand;
  uint8_t bytes[16];
  store(bytes, place.bytes, (old & ~window) | (result << shift & window));
  if (is_metadata(place.base))
    std::memcpy(metadata_at(packet.metadata(), target), bytes, 4);
  else
    packet.rewrite(target.level, offset_of(packet, target), bytes, place.bytes);
}

bool compile_modify_field(const rte_flow_action& action, ModifyField& modify, rte_flow_error* error) {
  const auto* conf = static_cast<const rte_flow_action_modify_field*>(action.conf);
  if (conf->operation > RTE_FLOW_MODIFY_SUB)
    return refuse_modify(error, action, EINVAL, "unknown modify operation");
  modify.operation = conf->operation;
  if (conf->width == 0 || conf->width > 128)
    return refuse_modify(error, action, EINVAL, "invalid modify width");
  modify.width = static_cast<uint8_t>(conf->width);
  if (!compile_operand(action, conf->dst, conf->width, modify.target, error)) return false;
  if (conf->src.field == RTE_FLOW_FIELD_VALUE) {
    modify.value = immediate(conf->src.value, modify);
  } else if (conf->src.field == RTE_FLOW_FIELD_POINTER) {
    if (conf->src.pvalue == nullptr) return refuse_modify(error, action, EINVAL, "NULL pointer to a value");
    modify.value = immediate(static_cast<const uint8_t*>(conf->src.pvalue), modify);
  } else {
    modify.source.emplace();
    return compile_operand(action, conf->src, conf->width, *modify.source, error);
  }
  return true;
}

}  // namespace eswitch
