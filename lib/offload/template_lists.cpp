#include "offload/template_lists.hpp"

#include <rte_errno.h>

#include <cassert>
#include <cstring>

#include "base/compat.hpp"

namespace culvert::offload {

namespace {

size_t mask_bytes(rte_flow_item_type type) {
  switch (type) {
    case RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT:
      return sizeof(rte_flow_item_ethdev);
    case RTE_FLOW_ITEM_TYPE_TAG:
      return sizeof(rte_flow_item_tag);
    case RTE_FLOW_ITEM_TYPE_META:
      return sizeof(rte_flow_item_meta);
    case RTE_FLOW_ITEM_TYPE_ETH:
      return sizeof(rte_flow_item_eth);
    case RTE_FLOW_ITEM_TYPE_VLAN:
      return sizeof(rte_flow_item_vlan);
    case RTE_FLOW_ITEM_TYPE_IPV4:
      return sizeof(rte_flow_item_ipv4);
    case RTE_FLOW_ITEM_TYPE_IPV6:
      return sizeof(rte_flow_item_ipv6);
    case RTE_FLOW_ITEM_TYPE_TCP:
      return sizeof(rte_flow_item_tcp);
    case RTE_FLOW_ITEM_TYPE_UDP:
      return sizeof(rte_flow_item_udp);
    case RTE_FLOW_ITEM_TYPE_VXLAN:
      return sizeof(rte_flow_item_vxlan);
    default:
      assert(!"an item that no Rule has");
      return 0;
  }
}

template <typename T>
const T& conf_of(const rte_flow_action& action) {
  return *static_cast<const T*>(action.conf);
}

// Which parts of an action's configuration the template fixes: none, unless said.
rte_flow_action mask_of(const rte_flow_action& action) {
  static constexpr rte_flow_action_jump kGroup{UINT32_MAX};
  static constexpr rte_flow_action_queue kQueue{UINT16_MAX};
  static const rte_flow_action_modify_field kModify = compat::modify_tag_mask();
  switch (action.type) {
    case RTE_FLOW_ACTION_TYPE_JUMP:
      return {action.type, &kGroup};
    case RTE_FLOW_ACTION_TYPE_QUEUE:
      return {action.type, &kQueue};
    case RTE_FLOW_ACTION_TYPE_RSS:
      return action;
    case RTE_FLOW_ACTION_TYPE_MODIFY_FIELD:
      return {action.type, &kModify};
    case RTE_FLOW_ACTION_TYPE_INDIRECT:  // the mask says of which type: a Rule has only counters
      return {RTE_FLOW_ACTION_TYPE_COUNT, nullptr};
    default:
      return {action.type, nullptr};
  }
}

}  // namespace

RuleParts RuleParts::of(const Rule& rule) {
  return {rule.port_id(),
          rule.attr(),
          {rule.items(), rule.items() + rule.item_count() + 1},
          {rule.actions(), rule.actions() + rule.action_count() + 1}};
}

TemplateKey::TemplateKey(const Rule& rule) {
  for (const rte_flow_item* item = rule.items(); item->type != RTE_FLOW_ITEM_TYPE_END; ++item)
    add_item(*item);
  domain_at_ = size_;
  add(rule.place().domain);
  pattern_end_ = size_;
  for (const rte_flow_action* action = rule.actions(); action->type != RTE_FLOW_ACTION_TYPE_END; ++action)
    add_action(*action);
  actions_end_ = size_;
  add(rule.place().group);
  add(rule.place().priority);
}

template <typename T>
void TemplateKey::add(const T& value) {
  static_assert(std::has_unique_object_representations_v<T>);
  add_bytes(&value, sizeof(value));
}

void TemplateKey::add_bytes(const void* data, size_t size) {
  assert(size_ + size <= bytes_.size());
  std::memcpy(bytes_.data() + size_, data, size);
  size_ += size;
}

void TemplateKey::add_item(const rte_flow_item& item) {
  add(item.type);
  add(uint8_t{item.spec != nullptr});
  if (item.spec == nullptr) return;
  add_bytes(item.mask, mask_bytes(item.type));
  if (item.type == RTE_FLOW_ITEM_TYPE_TAG) add(static_cast<const rte_flow_item_tag*>(item.spec)->index);
}

void TemplateKey::add_action(const rte_flow_action& action) {
  add(action.type);
  switch (action.type) {
    case RTE_FLOW_ACTION_TYPE_JUMP:
      return add(conf_of<rte_flow_action_jump>(action).group);
    case RTE_FLOW_ACTION_TYPE_QUEUE:
      return add(conf_of<rte_flow_action_queue>(action).index);
    case RTE_FLOW_ACTION_TYPE_SET_TAG:
      return add(conf_of<rte_flow_action_set_tag>(action).index);
    case RTE_FLOW_ACTION_TYPE_MODIFY_FIELD:
      return add(compat::modified_tag(conf_of<rte_flow_action_modify_field>(action)));
    case RTE_FLOW_ACTION_TYPE_RAW_ENCAP:
      return add(conf_of<rte_flow_action_raw_encap>(action).size);
    case RTE_FLOW_ACTION_TYPE_RSS: {
      const auto& rss = conf_of<rte_flow_action_rss>(action);
      add(rss.types);
      return add_bytes(rss.queue, rss.queue_num * sizeof(*rss.queue));
    }
    default:
      return;
  }
}

rte_flow_pattern_template* make_pattern_template(const RuleParts& parts, DriverError& error) {
  rte_flow_pattern_template_attr attr{};
  attr.ingress = parts.attr.ingress;
  attr.egress = parts.attr.egress;
  attr.transfer = parts.attr.transfer;
  std::vector<rte_flow_item> items = parts.items;
  for (rte_flow_item& item : items)
    if (item.type != RTE_FLOW_ITEM_TYPE_TAG) item.spec = nullptr;  // a tag's spec says which it is
  rte_flow_error refusal{};
  auto* made = rte_flow_pattern_template_create(parts.port_id, &attr, items.data(), &refusal);
  if (made == nullptr) error = DriverError::of(refusal, rte_errno);
  return made;
}

rte_flow_actions_template* make_actions_template(const RuleParts& parts, DriverError& error) {
  rte_flow_actions_template_attr attr{};
  attr.ingress = parts.attr.ingress;
  attr.egress = parts.attr.egress;
  attr.transfer = parts.attr.transfer;
  std::vector<rte_flow_action> actions = parts.actions, masks;
  for (rte_flow_action& action : actions) {
    masks.push_back(mask_of(action));
    if (action.type == RTE_FLOW_ACTION_TYPE_INDIRECT) action.conf = nullptr;
  }
  rte_flow_error refusal{};
  auto* made = rte_flow_actions_template_create(parts.port_id, &attr, actions.data(), masks.data(), &refusal);
  if (made == nullptr) error = DriverError::of(refusal, rte_errno);
  return made;
}

rte_flow_template_table* make_table(const RuleParts& parts, uint32_t rules,
                                    rte_flow_pattern_template* pattern, rte_flow_actions_template* actions,
                                    DriverError& error) {
  rte_flow_template_table_attr attr{};
  attr.flow_attr = parts.attr;
  attr.nb_flows = rules;
  rte_flow_error refusal{};
  auto* made = rte_flow_template_table_create(parts.port_id, &attr, &pattern, 1, &actions, 1, &refusal);
  if (made == nullptr) error = DriverError::of(refusal, rte_errno);
  return made;
}

std::optional<DriverError> try_templates(const RuleParts& parts) {
  DriverError refusal;
  rte_flow_error ignored{};
  auto* pattern = make_pattern_template(parts, refusal);
  if (pattern == nullptr) return refusal;
  auto* actions = make_actions_template(parts, refusal);
  auto* table = actions != nullptr ? make_table(parts, 1, pattern, actions, refusal) : nullptr;
  if (table != nullptr) rte_flow_template_table_destroy(parts.port_id, table, &ignored);
  if (actions != nullptr) rte_flow_actions_template_destroy(parts.port_id, actions, &ignored);
  rte_flow_pattern_template_destroy(parts.port_id, pattern, &ignored);
  return table != nullptr ? std::nullopt : std::optional(refusal);
}

}  // namespace culvert::offload
