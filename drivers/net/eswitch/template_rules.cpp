#include <algorithm>

#include "flow_error.hpp"
#include "templates.hpp"

namespace eswitch {
namespace {

/// The size of a plain configuration, whose mask fixes it if any byte is not 0; 0: it has pointers, and its
/// mask fixes it by being there.
size_t plain_size(rte_flow_action_type type) {
  switch (type) {
    case RTE_FLOW_ACTION_TYPE_JUMP:
      return sizeof(rte_flow_action_jump);
    case RTE_FLOW_ACTION_TYPE_MARK:
      return sizeof(rte_flow_action_mark);
    case RTE_FLOW_ACTION_TYPE_QUEUE:
      return sizeof(rte_flow_action_queue);
    case RTE_FLOW_ACTION_TYPE_SET_TAG:
      return sizeof(rte_flow_action_set_tag);
    case RTE_FLOW_ACTION_TYPE_SET_META:
      return sizeof(rte_flow_action_set_meta);
    case RTE_FLOW_ACTION_TYPE_PORT_ID:
      return sizeof(rte_flow_action_port_id);
    case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT:
    case RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR:
      return sizeof(rte_flow_action_ethdev);
    case RTE_FLOW_ACTION_TYPE_SET_MAC_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_MAC_DST:
      return sizeof(rte_flow_action_set_mac);
    case RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN:
      return sizeof(rte_flow_action_of_push_vlan);
    case RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_VID:
      return sizeof(rte_flow_action_of_set_vlan_vid);
    case RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_PCP:
      return sizeof(rte_flow_action_of_set_vlan_pcp);
    default:
      return 0;
  }
}

/// net_mlx5's flow_hw_action_modify_field_is_shared(): whose value is not masked takes it from each rule.
bool is_fixed_field(const rte_flow_action_modify_field& field, const rte_flow_action_modify_field& mask) {
  if (field.src.field != RTE_FLOW_FIELD_VALUE) return true;
  return std::ranges::any_of(mask.src.value, [](uint8_t byte) { return byte != 0; });
}

bool is_fixed(const rte_flow_action& action, const rte_flow_action& mask) {
  if (mask.conf == nullptr) return false;
  if (mask.type == RTE_FLOW_ACTION_TYPE_MODIFY_FIELD && action.conf != nullptr)
    return is_fixed_field(*static_cast<const rte_flow_action_modify_field*>(action.conf),
                          *static_cast<const rte_flow_action_modify_field*>(mask.conf));
  if (mask.type == RTE_FLOW_ACTION_TYPE_RAW_ENCAP)
    return static_cast<const rte_flow_action_raw_encap*>(mask.conf)->data != nullptr;
  const auto* bytes = static_cast<const uint8_t*>(mask.conf);
  const size_t size = plain_size(mask.type);
  return size == 0 || std::any_of(bytes, bytes + size, [](uint8_t byte) { return byte != 0; });
}

}  // namespace

bool merge_pattern(const rte_flow_pattern_template& tmpl, const rte_flow_item values[], MergedRule& merged,
                   rte_flow_error* error) {
  const rte_flow_item* item = tmpl.items.list();
  for (; item->type != RTE_FLOW_ITEM_TYPE_END; ++item, ++values) {
    if (values->type != item->type)
      return refuse_item(error, EINVAL, values, "the item is not the template's");
    rte_flow_item one{item->type, nullptr, nullptr, nullptr};
    if (item->mask != nullptr && values->spec != nullptr) {
      one.spec = values->spec;
      one.mask = item->mask;
    } else if (tmpl.attr.relaxed_matching && item->mask == nullptr) {
      one.type = RTE_FLOW_ITEM_TYPE_VOID;
    }
    merged.items.push_back(one);
  }
  if (values->type != RTE_FLOW_ITEM_TYPE_END)
    return refuse_item(error, EINVAL, values, "more items than the template has");
  merged.items.push_back(*item);
  return true;
}

bool merge_actions(const rte_flow_actions_template& tmpl, const rte_flow_action values[], MergedRule& merged,
                   rte_flow_error* error) {
  const rte_flow_action *action = tmpl.actions.list(), *mask = tmpl.masks.list();
  for (; action->type != RTE_FLOW_ACTION_TYPE_END; ++action, ++mask, ++values) {
    const bool indirect =
        values->type == RTE_FLOW_ACTION_TYPE_INDIRECT || action->type == RTE_FLOW_ACTION_TYPE_INDIRECT;
    if (values->type != action->type && !indirect)
      return refuse_action(error, EINVAL, values, "the action is not the template's");
    merged.actions.push_back(is_fixed(*action, *mask) || (values->conf == nullptr && !indirect) ? *action
                                                                                                : *values);
  }
  if (values->type != RTE_FLOW_ACTION_TYPE_END)
    return refuse_action(error, EINVAL, values, "more actions than the template has");
  merged.actions.push_back(*action);
  return true;
}

}  // namespace eswitch
