#include <algorithm>

#include "flow_error.hpp"
#include "item_fields.hpp"
#include "match.hpp"

namespace eswitch {
namespace {

/// Compiles one item list into one Match.
class Compiler {
 public:
  Compiler(const PatternContext& context, Match& match, rte_flow_error* error)
      : context_(context), match_(match), error_(error) {}

  bool item(const rte_flow_item& item) {
    if (item.spec == nullptr && (item.mask != nullptr || item.last != nullptr))
      return refuse(item, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, "mask or last without spec");
    switch (item.type) {
      case RTE_FLOW_ITEM_TYPE_VOID:
        return true;
      case RTE_FLOW_ITEM_TYPE_TAG:
        return tag(item);
      case RTE_FLOW_ITEM_TYPE_META:
        return word(item, offsetof(Key, meta));
      case RTE_FLOW_ITEM_TYPE_MARK:
        return word(item, offsetof(Key, mark));
      case RTE_FLOW_ITEM_TYPE_PORT_ID:
        return port_id(item);
      case RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT:
        return ethdev(item, Origin::kWire);
      case RTE_FLOW_ITEM_TYPE_PORT_REPRESENTOR:
        return ethdev(item, Origin::kApplication);
      default:
        break;
    }
    const ItemShape* shape = find_item_shape(item.type);
    if (shape == nullptr) return refuse(item, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, "item not supported");
    return place(item, *shape) && header(item, *shape) && presence_bits(item);
  }

  void finish() {
    for (unsigned i = 0; i < sizeof(Key); ++i) bytes(match_.value)[i] &= bytes(match_.mask)[i];
  }

 private:
  static uint8_t* bytes(Key& key) { return reinterpret_cast<uint8_t*>(&key); }

  bool refuse(const rte_flow_item& item, int code, rte_flow_error_type type, const char* message) {
    eswitch::refuse(error_, code, type, &item, message);
    return false;
  }

  LevelKey& value() { return match_.value.level[level_]; }
  LevelKey& mask() { return match_.mask.level[level_]; }

  void require(uint32_t layers) {
    value().layers |= layers;
    mask().layers |= layers;
  }

  /// Whether the item may stand here, and what its being here says about the packet.
  bool place(const rte_flow_item& item, const ItemShape& shape) {
    if ((shape.layer & kLayersTunnel) != 0 && level_ > 0)
      return refuse(item, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, "a tunnel within a tunnel cannot be matched");
    if (after_tunnel_ && item.type != RTE_FLOW_ITEM_TYPE_GRE_KEY) {
      level_ = 1;
      after_tunnel_ = false;
      match_.has_inner = true;
      rank_ = 0;
    }
    const unsigned rank = stack_rank(shape.layer);
    if (rank < rank_ || (rank == rank_ && item.type != RTE_FLOW_ITEM_TYPE_VLAN))
      return refuse(item, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, "item is out of order in the stack");
    if (item.type == RTE_FLOW_ITEM_TYPE_GRE_KEY && (value().layers & kLayerGre) == 0)
      return refuse(item, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, "GRE_KEY item without a GRE item");
    rank_ = rank;
    return stack(item, shape);
  }

  static unsigned stack_rank(uint32_t layer) {
    if ((layer & kLayerEth) != 0) return 1;
    if ((layer & kLayerVlan) != 0) return 2;
    if ((layer & kLayersL3) != 0) return 3;
    if ((layer & kLayersL4) != 0) return 4;
    return layer == kLayerGreKey ? 6 : 5;
  }

  bool stack(const rte_flow_item& item, const ItemShape& shape) {
    if (item.type == RTE_FLOW_ITEM_TYPE_VLAN) {
      if (vlans_[level_] >= 2)
        return refuse(item, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, "more than two VLAN items");
      require(vlans_[level_]++ == 0 ? kLayerVlan : kLayerVlan | kLayerMoreVlan);
    } else {
      require(shape.layer);
    }
    if (item.type == RTE_FLOW_ITEM_TYPE_NVGRE) {  // RFC 7637 is GRE with a key and this protocol
      put_be16(value().tunnel + 2, 0x6558);
      put_be16(mask().tunnel + 2, 0xffff);
    }
    match_.last_layer = rank_ <= 2 ? 2 : rank_ == 3 ? 3 : 4;
    if ((shape.layer & kLayersTunnel) != 0) after_tunnel_ = true;
    if (item.type == RTE_FLOW_ITEM_TYPE_VXLAN && get_be16(mask().l4 + 2) == 0xffff)
      match_.vxlan_port = get_be16(value().l4 + 2);
    return true;
  }

  /// Copies what spec, last and mask say about a header into the match.
  bool header(const rte_flow_item& item, const ItemShape& shape) {
    if (item.spec == nullptr) return true;
    const auto* mask = static_cast<const uint8_t*>(item.mask != nullptr ? item.mask : shape.default_mask);
    const auto* spec = static_cast<const uint8_t*>(item.spec);
    const auto* last = static_cast<const uint8_t*>(item.last);
    const size_t level = offsetof(Key, level) + level_ * sizeof(LevelKey);
    for (const ItemField& field : shape.fields) {
      size_t at = level + field.key_offset;
      if (item.type == RTE_FLOW_ITEM_TYPE_VLAN && vlans_[level_] == 2) at += 4;
      if (!constrain(item, at, field.width, spec + field.item_offset,
                     last != nullptr ? last + field.item_offset : nullptr, mask + field.item_offset))
        return false;
    }
    return true;
  }

  /// One field must equal spec under mask, or lie between spec and last.
  bool constrain(const rte_flow_item& item, size_t at, size_t width, const uint8_t* spec, const uint8_t* last,
                 const uint8_t* mask) {
    RangeCheck range{static_cast<uint8_t>(at), static_cast<uint8_t>(width), {}, {}, {}};
    for (size_t i = 0; i < width; ++i) {
      range.mask[i] = mask[i];
      range.low[i] = spec[i] & mask[i];
      range.high[i] = last != nullptr ? last[i] & mask[i] : range.low[i];
    }
    const int order = std::memcmp(range.low.data(), range.high.data(), width);
    const bool zero_last =
        std::all_of(range.high.begin(), range.high.end(), [](uint8_t byte) { return byte == 0; });
    if (order != 0 && !zero_last) {
      if (order > 0) return refuse(item, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_LAST, "last is below spec");
      match_.ranges.push_back(range);
      return true;
    }
    for (size_t i = 0; i < width; ++i) {
      uint8_t& value_byte = bytes(match_.value)[at + i];
      uint8_t& mask_byte = bytes(match_.mask)[at + i];
      if (((value_byte ^ range.low[i]) & mask_byte & mask[i]) != 0)
        return refuse(item, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, "contradicts an earlier item");
      value_byte |= range.low[i];
      mask_byte |= mask[i];
    }
    return true;
  }

  /// The one-bit members of ETH, VLAN and IPV6: whether a header follows.
  bool presence_bits(const rte_flow_item& item) {
    if (item.spec == nullptr || item.mask == nullptr) return true;
    if (item.type == RTE_FLOW_ITEM_TYPE_ETH) {
      const auto *spec = static_cast<const rte_flow_item_eth*>(item.spec),
                 *mask = static_cast<const rte_flow_item_eth*>(item.mask);
      bit(mask->has_vlan, spec->has_vlan, kLayerVlan);
    } else if (item.type == RTE_FLOW_ITEM_TYPE_VLAN) {
      const auto *spec = static_cast<const rte_flow_item_vlan*>(item.spec),
                 *mask = static_cast<const rte_flow_item_vlan*>(item.mask);
      if (mask->has_more_vlan && vlans_[level_] == 2)
        return refuse(item, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK, "a third VLAN cannot be matched");
      bit(mask->has_more_vlan, spec->has_more_vlan, kLayerMoreVlan);
    } else if (item.type == RTE_FLOW_ITEM_TYPE_IPV6) {
      return ipv6_extensions(item);
    }
    return true;
  }

  void bit(bool masked, bool wanted, uint32_t layer) {
    if (!masked) return;
    mask().layers |= layer;
    if (wanted) value().layers |= layer;
  }

  bool ipv6_extensions(const rte_flow_item& item) {
    const auto *spec = static_cast<const rte_flow_item_ipv6*>(item.spec),
               *mask = static_cast<const rte_flow_item_ipv6*>(item.mask);
    if (mask->has_mobil_ext || mask->has_hip_ext || mask->has_shim6_ext)
      return refuse(item, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK, "mask enables non supported bits");
    bit(mask->has_hop_ext, spec->has_hop_ext, kLayerHopExt);
    bit(mask->has_route_ext, spec->has_route_ext, kLayerRouteExt);
    bit(mask->has_frag_ext, spec->has_frag_ext, kLayerFragExt);
    bit(mask->has_auth_ext, spec->has_auth_ext, kLayerAuthExt);
    bit(mask->has_esp_ext, spec->has_esp_ext, kLayerEspExt);
    bit(mask->has_dest_ext, spec->has_dest_ext, kLayerDestExt);
    return true;
  }

  /// META, MARK and TAG are numbers of the host; in the key they are big-endian.
  bool number(const rte_flow_item& item, size_t at, uint32_t spec, const uint32_t* last, uint32_t mask) {
    uint8_t spec_be[4], last_be[4], mask_be[4];
    put_be32(spec_be, spec);
    put_be32(last_be, last != nullptr ? *last : spec);
    put_be32(mask_be, mask);
    return constrain(item, at, 4, spec_be, last_be, mask_be);
  }

  bool word(const rte_flow_item& item, size_t at) {
    if (item.spec == nullptr) return true;
    const uint32_t mask = item.mask != nullptr ? *static_cast<const uint32_t*>(item.mask) : UINT32_MAX;
    return number(item, at, *static_cast<const uint32_t*>(item.spec), static_cast<const uint32_t*>(item.last),
                  mask);
  }

  bool tag(const rte_flow_item& item) {
    static constexpr rte_flow_item_tag kDefaultMask = {UINT32_MAX, 0xff};
    const auto *spec = static_cast<const rte_flow_item_tag*>(item.spec),
               *last = static_cast<const rte_flow_item_tag*>(item.last),
               *mask =
                   item.mask != nullptr ? static_cast<const rte_flow_item_tag*>(item.mask) : &kDefaultMask;
    if (spec == nullptr) return refuse(item, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, "data cannot be empty");
    if (mask->index != 0xff)
      return refuse(item, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
                    "partial mask for tag index is not supported");
    if (spec->index >= kTagCount)
      return refuse(item, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, "invalid tag index");
    return number(item, offsetof(Key, tag) + spec->index * size_t{4}, spec->data,
                  last != nullptr ? &last->data : nullptr, mask->data);
  }

  bool port_id(const rte_flow_item& item) {
    const auto* spec = static_cast<const rte_flow_item_port_id*>(item.spec);
    const auto* mask = static_cast<const rte_flow_item_port_id*>(item.mask);
    if (spec == nullptr) return origin(item, Origin::kWire, context_.own_vport);
    if (item.last != nullptr)
      return refuse(item, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_LAST, "range not supported");
    if (mask != nullptr && mask->id != 0xffffffff)
      return refuse(item, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
                    "no support for partial mask on \"id\" field");
    return named_port(item, Origin::kWire, spec->id);
  }

  bool ethdev(const rte_flow_item& item, Origin kind) {
    const auto* spec = static_cast<const rte_flow_item_ethdev*>(item.spec);
    const auto* mask = static_cast<const rte_flow_item_ethdev*>(item.mask);
    if (item.last != nullptr)
      return refuse(item, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_LAST, "range not supported");
    if (spec == nullptr || (mask != nullptr && mask->port_id == 0)) return origin(item, kind, std::nullopt);
    if (mask != nullptr && mask->port_id != 0xffff)
      return refuse(item, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
                    "no support for partial mask on \"id\" field");
    return named_port(item, kind, spec->port_id);
  }

  bool named_port(const rte_flow_item& item, Origin kind, uint32_t id) {
    const auto vport = id <= 0xffff ? context_.vport_of(static_cast<uint16_t>(id)) : std::nullopt;
    if (!vport) {
      eswitch::refuse(error_, ENODEV, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, item.spec,
                      "failed to obtain E-Switch info for port");
      return false;
    }
    return origin(item, kind, vport);
  }

  /// The packet comes from this kind of place and, with a vport, from this one.
  bool origin(const rte_flow_item& item, Origin kind, std::optional<uint16_t> vport) {
    if (!context_.transfer)
      return refuse(item, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM,
                    "match on port id is valid only when transfer flag is enabled");
    if (match_.names_origin)
      return refuse(item, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, "the source port is named twice");
    match_.names_origin = true;
    set_origin(match_.value, kind, vport.value_or(0));
    match_.mask.origin[0] = 0xff;
    if (vport) put_be16(match_.mask.origin + 2, 0xffff);
    return true;
  }

  const PatternContext& context_;
  Match& match_;
  rte_flow_error* error_;
  unsigned level_ = 0, rank_ = 0;
  unsigned vlans_[kLevelCount] = {};
  bool after_tunnel_ = false;
};

}  // namespace

bool compile_pattern(const rte_flow_item items[], const PatternContext& context, Match& match,
                     rte_flow_error* error) {
  match = Match{};
  if (items == nullptr) {
    refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_NUM, nullptr, "NULL pattern");
    return false;
  }
  Compiler compiler(context, match, error);
  for (const rte_flow_item* item = items; item->type != RTE_FLOW_ITEM_TYPE_END; ++item)
    if (!compiler.item(*item)) return false;
  compiler.finish();
  return true;
}

}  // namespace eswitch
