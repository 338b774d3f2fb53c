#include "mlx5_profile.hpp"

#include "flow_error.hpp"
#include "port.hpp"
#include "templates.hpp"

namespace eswitch {
namespace {

/// What is a number must be masked whole or not at all, all else be in the mask as it is in the action.
bool accepts_modify(const rte_flow_action& action, const rte_flow_action& mask, rte_flow_error* error) {
  if (mask.conf == nullptr) return true;
  const auto& conf = *static_cast<const rte_flow_action_modify_field*>(action.conf);
  const auto& masks = *static_cast<const rte_flow_action_modify_field*>(mask.conf);
  const auto refused = [&](const char* words) { return refuse_action(error, EINVAL, &action, words); };
  const auto whole = [](auto value) { return value == static_cast<decltype(value)>(-1); };
  if (conf.operation != masks.operation)
    return refused("modify_field operation mask and template are not equal");
  if (conf.dst.field != masks.dst.field || conf.src.field != masks.src.field)
    return refused("destination field mask and template are not equal");
  if (!whole(masks.dst.level)) return refused("destination encapsulation level must be fully masked");
  if (!whole(masks.dst.offset)) return refused("destination offset level must be fully masked");
  if (!whole(masks.width)) return refused("modify_field width field must be fully masked");
  return true;
}

constexpr int kNowhere = -1;

/// The place of an action in the order that hardware steering asks for in the domain of `attr`; 0: any,
/// kNowhere: not there.
int place_of(rte_flow_action_type type, const rte_flow_attr& attr) {
  switch (type) {
    case RTE_FLOW_ACTION_TYPE_MARK:
      return attr.ingress ? 1 : kNowhere;
    case RTE_FLOW_ACTION_TYPE_VXLAN_DECAP:
    case RTE_FLOW_ACTION_TYPE_NVGRE_DECAP:
      return attr.egress ? kNowhere : 2;
    case RTE_FLOW_ACTION_TYPE_COUNT:
      return 3;
    case RTE_FLOW_ACTION_TYPE_MODIFY_FIELD:
      return 4;
    case RTE_FLOW_ACTION_TYPE_RAW_ENCAP:
    case RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP:
    case RTE_FLOW_ACTION_TYPE_NVGRE_ENCAP:
      return 5;
    case RTE_FLOW_ACTION_TYPE_QUEUE:
    case RTE_FLOW_ACTION_TYPE_RSS:
      return attr.ingress ? 6 : kNowhere;
    case RTE_FLOW_ACTION_TYPE_JUMP:
    case RTE_FLOW_ACTION_TYPE_DROP:
    case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT:
      return 6;
    default:
      return 0;
  }
}

template <typename T>
const T* mask_of(const rte_flow_item& item) {
  return static_cast<const T*>(item.mask);
}

unsigned words_in(const uint8_t (&address)[16]) {
  unsigned words = 0;
  for (size_t i = 0; i < sizeof(address); i += 4)
    words += (address[i] | address[i + 1] | address[i + 2] | address[i + 3]) != 0;
  return words;
}

/// How many 32-bit words of a packet and its registers a pattern with an IPv6 item looks at.
unsigned match_words(const rte_flow_item* item) {
  unsigned words = 0;
  for (; item->type != RTE_FLOW_ITEM_TYPE_END; ++item) {
    if (item->mask == nullptr) continue;
    if (item->type == RTE_FLOW_ITEM_TYPE_IPV6) {
      const auto& header = mask_of<rte_flow_item_ipv6>(*item)->hdr;
      words += words_in(header.src_addr) + words_in(header.dst_addr);
    } else if (item->type != RTE_FLOW_ITEM_TYPE_ETH) {
      ++words;  // a port, a tag, the ports of TCP or UDP
    }
  }
  return words;
}

}  // namespace

bool mlx5_accepts_pattern(const rte_flow_item items[], rte_flow_error* error) {
  // Of a ConnectX-6 Dx. Patterns without IPv6 items have always fitted.
  constexpr unsigned kWords = 6;
  bool ipv6 = false;
  for (const rte_flow_item* item = items; item->type != RTE_FLOW_ITEM_TYPE_END; ++item)
    ipv6 |= item->type == RTE_FLOW_ITEM_TYPE_IPV6;
  if (!ipv6 || match_words(items) <= kWords) return true;
  refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "Failed to create template table");
  return false;
}

bool mlx5_accepts_indirect(const Port& port, const rte_flow_action& action, rte_flow_error* error) {
  // dv_flow_en=1 without ASO ages; with flow queues (dv_flow_en=2) the configured objects decide.
  if (action.type != RTE_FLOW_ACTION_TYPE_AGE) return true;
  if (port.flow_queues && port.flow_queues->attr.nb_aging_objects > 0) return true;
  refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "Indirect age action not supported");
  return false;
}

bool mlx5_accepts_template(const Port& port, const rte_flow_action actions[], const rte_flow_action masks[],
                           rte_flow_error* error) {
  for (; actions->type != RTE_FLOW_ACTION_TYPE_END; ++actions, ++masks) {
    if (actions->type == RTE_FLOW_ACTION_TYPE_SET_TAG ||
        actions->type == RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR)
      return refuse_action(error, ENOTSUP, actions, "action not supported in template API");
    if (actions->type == RTE_FLOW_ACTION_TYPE_AGE && port.flow_queues->attr.nb_aging_objects == 0)
      return refuse_action(error, EINVAL, actions, "aging pool not initialized");
    if (actions->type == RTE_FLOW_ACTION_TYPE_MODIFY_FIELD && !accepts_modify(*actions, *masks, error))
      return false;
  }
  return true;
}

bool mlx5_accepts_order(const rte_flow_attr& attr, const rte_flow_action actions[],
                        const rte_flow_action masks[], rte_flow_error* error) {
  int last = 0;
  for (; actions->type != RTE_FLOW_ACTION_TYPE_END; ++actions, ++masks) {
    if (actions->type == RTE_FLOW_ACTION_TYPE_RAW_DECAP) return true;  // goes with what follows
    const int place =
        place_of(actions->type == RTE_FLOW_ACTION_TYPE_INDIRECT ? masks->type : actions->type, attr);
    if (place == 0) continue;
    if (place < last) {  // or nowhere
      refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "Failed to create template table");
      return false;
    }
    last = place;
  }
  return true;
}

bool mlx5_accepts_queued(const rte_flow_item items[], rte_flow_error* error) {
  for (; items->type != RTE_FLOW_ITEM_TYPE_END; ++items)
    if (items->type == RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT && items->spec == nullptr) {
      refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, items,
             "net_mlx5 would follow a null pointer here");
      return false;
    }
  return true;
}

uint32_t mlx5_rank(uint32_t priority, const Match& match, bool queued) {
  if (queued) return priority;
  const uint32_t layer_class = match.last_layer == 3 ? 1 : match.last_layer == 2 ? 2 : 0;
  return 3 * priority + layer_class;
}

}  // namespace eswitch
