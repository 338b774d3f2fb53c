#include "templates.hpp"

#include "flow_error.hpp"
#include "flow_rules.hpp"
#include "item_fields.hpp"
#include "mlx5_profile.hpp"
#include "port.hpp"
#include "switch.hpp"

namespace eswitch {
namespace {

constexpr uint32_t kMaxFlowQueues = 64, kMaxQueueSize = 65536, kMaxObjects = 1u << 24;

template <typename T>
bool copy_list(rte_flow_conv_op op, const T* list, CopiedList<T>& copy, rte_flow_error* error) {
  const int size = rte_flow_conv(op, nullptr, 0, list, error);
  if (size < 0) return false;
  copy.storage.resize(static_cast<size_t>(size));
  return rte_flow_conv(op, copy.storage.data(), copy.storage.size(), list, error) == size;
}

int info_get(rte_eth_dev*, rte_flow_port_info* port_info, rte_flow_queue_info* queue_info, rte_flow_error*) {
  *port_info = {};
  port_info->max_nb_queues = kMaxFlowQueues;
  port_info->max_nb_counters = kMaxObjects;
  port_info->max_nb_aging_objects = kMaxObjects;
  if (queue_info != nullptr) queue_info->max_size = kMaxQueueSize;
  return 0;
}

int configure(rte_eth_dev* dev, const rte_flow_port_attr* attr, uint16_t count,
              const rte_flow_queue_attr* queues[], rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  if (count == 0 || count > kMaxFlowQueues)
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "too few or too many flow queues");
  if (port.flow_queues && (!port.flow_queues->tables.empty() || !port.flow_queues->patterns.empty() ||
                           !port.flow_queues->actions.empty()))
    return refuse(error, EBUSY, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "templates are in use");
  if (attr->nb_counters > kMaxObjects || attr->nb_aging_objects > kMaxObjects)
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr,
                  "too many counters or aging objects");
  auto made = std::make_unique<FlowQueues>();
  made->attr = *attr;
  if (port.flow_queues) made->objects = port.flow_queues->objects;  // of indirect actions
  made->queues.resize(count);
  for (uint16_t i = 0; i < count; ++i) {
    if (queues[i]->size == 0 || queues[i]->size > kMaxQueueSize)
      return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "flow queue size out of range");
    made->queues[i].size = queues[i]->size;
  }
  port.flow_queues = std::move(made);
  return 0;
}

rte_flow_pattern_template* pattern_create(rte_eth_dev* dev, const rte_flow_pattern_template_attr* attr,
                                          const rte_flow_item items[], rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  auto tmpl = std::make_unique<rte_flow_pattern_template>();
  tmpl->attr = *attr;
  if (!copy_list(RTE_FLOW_CONV_OP_PATTERN, items, tmpl->items, error)) return nullptr;
  // A trial with the masks as values shows whether each item can be matched at all.
  MergedRule trial;
  std::vector<rte_flow_item> values;
  for (const rte_flow_item* item = tmpl->items.list();; ++item) {
    values.push_back({item->type, is_port_item(item->type) ? nullptr : item->mask, nullptr, nullptr});
    if (item->type == RTE_FLOW_ITEM_TYPE_END) break;
  }
  Match match;
  const PatternContext context{[](uint16_t) { return std::nullopt; }, port.vport(), attr->transfer != 0};
  if (!merge_pattern(*tmpl, values.data(), trial, error)) return nullptr;
  for (rte_flow_item& item : trial.items)
    if (item.type == RTE_FLOW_ITEM_TYPE_TAG) item.type = RTE_FLOW_ITEM_TYPE_VOID;  // its index is a value
  if (!compile_pattern(trial.items.data(), context, match, error)) return nullptr;
  port.flow_queues->patterns.insert(tmpl.get());
  return tmpl.release();
}

int pattern_destroy(rte_eth_dev* dev, rte_flow_pattern_template* tmpl, rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  if (!port.flow_queues || port.flow_queues->patterns.count(tmpl) == 0)
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, tmpl,
                  "not a pattern template of this port");
  if (tmpl->users > 0)
    return refuse(error, EBUSY, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, tmpl, "item template is in use");
  port.flow_queues->patterns.erase(tmpl);
  delete tmpl;
  return 0;
}

rte_flow_actions_template* actions_create(rte_eth_dev* dev, const rte_flow_actions_template_attr* attr,
                                          const rte_flow_action actions[], const rte_flow_action masks[],
                                          rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  if (port.sw().profile == Profile::kMlx5 && !mlx5_accepts_template(port, actions, masks, error))
    return nullptr;
  auto tmpl = std::make_unique<rte_flow_actions_template>();
  tmpl->attr = *attr;
  if (!copy_list(RTE_FLOW_CONV_OP_ACTIONS, actions, tmpl->actions, error) ||
      !copy_list(RTE_FLOW_CONV_OP_ACTIONS, masks, tmpl->masks, error))
    return nullptr;
  port.flow_queues->actions.insert(tmpl.get());
  return tmpl.release();
}

int actions_destroy(rte_eth_dev* dev, rte_flow_actions_template* tmpl, rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  if (!port.flow_queues || port.flow_queues->actions.count(tmpl) == 0)
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, tmpl,
                  "not an actions template of this port");
  if (tmpl->users > 0)
    return refuse(error, EBUSY, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, tmpl, "action template is in use");
  port.flow_queues->actions.erase(tmpl);
  delete tmpl;
  return 0;
}

rte_flow_template_table* table_create(rte_eth_dev* dev, const rte_flow_template_table_attr* attr,
                                      rte_flow_pattern_template* patterns[], uint8_t pattern_count,
                                      rte_flow_actions_template* actions[], uint8_t action_count,
                                      rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  if (attr->flow_attr.transfer && !port.sw().has_transfer()) {
    refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER, nullptr, "there is no E-Switch");
    return nullptr;
  }
  for (uint8_t i = 0; i < pattern_count && port.sw().profile == Profile::kMlx5; ++i)
    if (!mlx5_accepts_pattern(patterns[i]->items.list(), error)) return nullptr;
  for (uint8_t i = 0; i < action_count && port.sw().profile == Profile::kMlx5; ++i)
    if (!mlx5_accepts_order(attr->flow_attr, actions[i]->actions.list(), actions[i]->masks.list(), error))
      return nullptr;
  auto table = std::make_unique<rte_flow_template_table>();
  table->attr = *attr;
  table->patterns.assign(patterns, patterns + pattern_count);
  table->actions.assign(actions, actions + action_count);
  for (auto* tmpl : table->patterns) ++tmpl->users;
  for (auto* tmpl : table->actions) ++tmpl->users;
  port.flow_queues->tables.insert(table.get());
  return table.release();
}

void release_table(FlowQueues& queues, rte_flow_template_table* table) {
  for (auto* tmpl : table->patterns) --tmpl->users;
  for (auto* tmpl : table->actions) --tmpl->users;
  queues.tables.erase(table);
  delete table;
}

int table_destroy(rte_eth_dev* dev, rte_flow_template_table* table, rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  if (!port.flow_queues || port.flow_queues->tables.count(table) == 0)
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, table, "not a table of this port");
  if (table->flows > 0)
    return refuse(error, EBUSY, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, table, "table is in use");
  release_table(*port.flow_queues, table);
  return 0;
}

}  // namespace

bool take_objects(const Port& port, const Objects& wanted) {
  if (!port.flow_queues) return true;
  const rte_flow_port_attr& attr = port.flow_queues->attr;
  Objects& used = port.flow_queues->objects;
  const auto fits = [&port](uint32_t configured, uint32_t sum, uint32_t more) {
    const bool unlimited = configured == 0 && port.sw().profile != Profile::kMlx5;
    return more == 0 || unlimited || sum + more <= configured;
  };
  if (!fits(attr.nb_counters, used.counters, wanted.counters) ||
      !fits(attr.nb_aging_objects, used.ages, wanted.ages))
    return false;
  used.counters += wanted.counters;
  used.ages += wanted.ages;
  return true;
}

void give_objects(const Port& port, const Objects& taken) {
  if (!port.flow_queues) return;
  port.flow_queues->objects.counters -= taken.counters;
  port.flow_queues->objects.ages -= taken.ages;
}

void forget_unplaced(Port& port) {
  if (!port.flow_queues) return;
  for (FlowQueue& queue : port.flow_queues->queues) queue.postponed.clear();  // they are about these rules
  for (rte_flow* flow : port.flow_queues->unplaced) {
    --flow->template_table->flows;
    give_objects(port, flow->taken);
    delete flow;
  }
  port.flow_queues->unplaced.clear();
}

void forget_templates(Port& port) {
  if (!port.flow_queues) return;
  forget_unplaced(port);
  FlowQueues& queues = *port.flow_queues;
  for (rte_flow_template_table* table : queues.tables) delete table;
  for (rte_flow_pattern_template* tmpl : queues.patterns) delete tmpl;
  for (rte_flow_actions_template* tmpl : queues.actions) delete tmpl;
  port.flow_queues.reset();
}

void set_template_ops(rte_flow_ops& ops) {
  ops.info_get = info_get;
  ops.configure = configure;
  ops.pattern_template_create = pattern_create;
  ops.pattern_template_destroy = pattern_destroy;
  ops.actions_template_create = actions_create;
  ops.actions_template_destroy = actions_destroy;
  ops.template_table_create = table_create;
  ops.template_table_destroy = table_destroy;
  set_queue_ops(ops);
}

}  // namespace eswitch
