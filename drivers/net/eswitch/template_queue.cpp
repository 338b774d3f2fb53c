// The operations of flow queues.
#include <rte_cycles.h>

#include "action_compile.hpp"
#include "flow_error.hpp"
#include "flow_rules.hpp"
#include "indirect.hpp"
#include "port.hpp"
#include "switch.hpp"
#include "templates.hpp"

namespace eswitch {
namespace {

/// Carries out one operation and leaves its result to be pulled.
void carry_out(Port& port, FlowQueue& queue, const std::function<bool()>& operation, void* user_data) {
  const Faults& faults = port.sw().faults;
  const bool lost = port.sw().faults.next(Faults::Op::kComplete) != 0;
  const bool done = !lost && operation();
  const uint64_t due = rte_rdtsc() + uint64_t{faults.latency_us()} * rte_get_tsc_hz() / 1'000'000;
  queue.results.push_back({{done ? RTE_FLOW_OP_SUCCESS : RTE_FLOW_OP_ERROR, user_data}, due});
}

void push_postponed(Port& port, FlowQueue& queue) {
  for (; !queue.postponed.empty(); queue.postponed.pop_front())
    carry_out(port, queue, queue.postponed.front().first, queue.postponed.front().second);
}

/// The queue, if it exists and has room for one more operation; null: refused.
FlowQueue* queue_with_room(Port& port, uint32_t id, rte_flow_error* error) {
  if (!port.flow_queues || id >= port.flow_queues->queues.size()) {
    refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "no such flow queue");
    return nullptr;
  }
  FlowQueue& queue = port.flow_queues->queues[id];
  if (queue.postponed.size() + queue.results.size() < queue.size) return &queue;
  refuse(error, EAGAIN, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "flow queue full");
  return nullptr;
}

void enqueue(Port& port, FlowQueue& queue, const rte_flow_op_attr* attr, std::function<bool()> operation,
             void* user_data) {
  if (attr->postpone) {
    queue.postponed.emplace_back(std::move(operation), user_data);
    return;
  }
  push_postponed(port, queue);  // in order
  carry_out(port, queue, operation, user_data);
}

rte_flow* async_create(rte_eth_dev* dev, uint32_t id, const rte_flow_op_attr* attr,
                       rte_flow_template_table* table, const rte_flow_item items[], uint8_t pattern_index,
                       const rte_flow_action actions[], uint8_t action_index, void* user_data,
                       rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  FlowQueue* queue = queue_with_room(port, id, error);
  if (queue == nullptr) return nullptr;
  if (pattern_index >= table->patterns.size() || action_index >= table->actions.size()) {
    refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "no such template in the table");
    return nullptr;
  }
  if (table->flows >= table->attr.nb_flows) {
    refuse(error, ENOSPC, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "the table is full");
    return nullptr;
  }
  if (const int code = port.fault(Faults::Op::kCreate); code != 0) {
    refuse(error, code, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "hardware refuses the operation");
    return nullptr;
  }
  MergedRule merged;
  if (!merge_pattern(*table->patterns[pattern_index], items, merged, error) ||
      !merge_actions(*table->actions[action_index], actions, merged, error))
    return nullptr;
  auto made =
      compile_rule(port, {table->attr.flow_attr, merged.items.data(), merged.actions.data(), true}, error);
  if (!made) return nullptr;
  if (!take_objects(port, own_objects(*made))) {
    refuse(error, ENOSPC, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "no counter or aging object is left");
    return nullptr;
  }
  rte_flow* rule = made.release();
  rule->taken = own_objects(*rule);
  rule->template_table = table;
  ++table->flows;
  port.flow_queues->unplaced.insert(rule);
  const auto place = [&port, rule] {
    if (insert_rule(*rule) != 0) return false;
    port.flow_queues->unplaced.erase(rule);
    return true;
  };
  enqueue(port, *queue, attr, place, user_data);
  return rule;
}

int async_destroy(rte_eth_dev* dev, uint32_t id, const rte_flow_op_attr* attr, rte_flow* rule,
                  void* user_data, rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  FlowQueue* queue = queue_with_room(port, id, error);
  if (queue == nullptr) return -rte_errno;
  if (rule->port != &port || rule->template_table == nullptr)
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_HANDLE, rule, "not a rule of this port's tables");
  if (const int code = port.fault(Faults::Op::kDestroy); code != 0)
    return refuse(error, code, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "hardware refuses the operation");
  const auto take_out = [&port, rule] {
    --rule->template_table->flows;
    give_objects(port, rule->taken);
    if (rule->table != nullptr) remove_rule(*rule);
    port.flow_queues->unplaced.erase(rule);
    retire_rule(std::unique_ptr<rte_flow>(rule));
    return true;
  };
  enqueue(port, *queue, attr, take_out, user_data);
  return 0;
}

int push(rte_eth_dev* dev, uint32_t id, rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  if (!port.flow_queues || id >= port.flow_queues->queues.size())
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "no such flow queue");
  push_postponed(port, port.flow_queues->queues[id]);
  return 0;
}

int pull(rte_eth_dev* dev, uint32_t id, rte_flow_op_result results[], uint16_t count, rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  if (!port.flow_queues || id >= port.flow_queues->queues.size())
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "no such flow queue");
  auto& waiting = port.flow_queues->queues[id].results;
  const uint64_t now = rte_rdtsc();
  uint16_t pulled = 0;
  for (; pulled < count && !waiting.empty() && waiting.front().due_cycles <= now; waiting.pop_front())
    results[pulled++] = waiting.front().result;
  port.sw().rcu.reclaim();
  return pulled;
}

rte_flow_action_handle* async_handle_create(rte_eth_dev* dev, uint32_t id, const rte_flow_op_attr* attr,
                                            const rte_flow_indir_action_conf* conf,
                                            const rte_flow_action* action, void* user_data,
                                            rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  FlowQueue* queue = queue_with_room(port, id, error);
  if (queue == nullptr) return nullptr;
  rte_flow_action_handle* handle = make_indirect(port, *conf, *action, error);
  if (handle != nullptr)
    enqueue(
        port, *queue, attr, [] { return true; }, user_data);
  return handle;
}

/// An operation on a handle whose outcome is known only when it is carried out.
int async_on_handle(rte_eth_dev* dev, uint32_t id, const rte_flow_op_attr* attr, void* user_data,
                    rte_flow_error* error, std::function<int(Port&)> operation) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  FlowQueue* queue = queue_with_room(port, id, error);
  if (queue == nullptr) return -rte_errno;
  enqueue(
      port, *queue, attr, [&port, operation = std::move(operation)] { return operation(port) == 0; },
      user_data);
  return 0;
}

int async_handle_destroy(rte_eth_dev* dev, uint32_t id, const rte_flow_op_attr* attr,
                         rte_flow_action_handle* handle, void* user_data, rte_flow_error* error) {
  return async_on_handle(dev, id, attr, user_data, error,
                         [handle](Port& port) { return destroy_indirect(port, handle, nullptr); });
}

int async_handle_update(rte_eth_dev* dev, uint32_t id, const rte_flow_op_attr* attr,
                        rte_flow_action_handle* handle, const void* update, void* user_data,
                        rte_flow_error* error) {
  // The update is the caller's and need not outlive the call, so it is never postponed.
  const rte_flow_op_attr now{.postpone = 0};
  return async_on_handle(
      dev, id, attr->postpone ? &now : attr, user_data, error,
      [handle, update](Port& port) { return update_indirect(port, handle, update, nullptr); });
}

int async_handle_query(rte_eth_dev* dev, uint32_t id, const rte_flow_op_attr* attr,
                       const rte_flow_action_handle* handle, void* data, void* user_data,
                       rte_flow_error* error) {
  return async_on_handle(dev, id, attr, user_data, error,
                         [handle, data](Port& port) { return query_indirect(port, handle, data, nullptr); });
}

#if ESWITCH_HAS_ACTIONS_UPDATE
int async_actions_update(rte_eth_dev* dev, uint32_t id, const rte_flow_op_attr* attr, rte_flow* rule,
                         const rte_flow_action actions[], uint8_t action_index, void* user_data,
                         rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  FlowQueue* queue = queue_with_room(port, id, error);
  if (queue == nullptr) return -rte_errno;
  if (rule->template_table == nullptr || action_index >= rule->template_table->actions.size())
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "no such template in the table");
  MergedRule merged;
  std::vector<HandleUse> handles;
  if (!merge_actions(*rule->template_table->actions[action_index], actions, merged, error)) return -rte_errno;
  auto list = compile_actions(merged.actions.data(), {port.sw(), port, rule->attr}, handles, error);
  if (!list) return -rte_errno;
  struct Update {
    std::unique_ptr<ActionList> list;
    std::vector<HandleUse> handles;
  };
  const auto update = std::make_shared<Update>(Update{std::move(list), std::move(handles)});
  enqueue(
      port, *queue, attr,
      [rule, update] {
        if (rule->table == nullptr) return false;
        replace_actions(*rule, std::move(update->list), std::move(update->handles));
        return true;
      },
      user_data);
  return 0;
}
#endif

}  // namespace

#if ESWITCH_HAS_FLOW_FP_OPS
const rte_flow_fp_ops fast_path_ops = [] {
  rte_flow_fp_ops ops{};
  ops.async_create = async_create;
  ops.async_destroy = async_destroy;
  ops.async_actions_update = async_actions_update;
  ops.push = push;
  ops.pull = pull;
  ops.async_action_handle_create = async_handle_create;
  ops.async_action_handle_destroy = async_handle_destroy;
  ops.async_action_handle_update = async_handle_update;
  ops.async_action_handle_query = async_handle_query;
  return ops;
}();
void set_queue_ops(rte_flow_ops&) {}
#else
void set_queue_ops(rte_flow_ops& ops) {
  ops.async_create = async_create;
  ops.async_destroy = async_destroy;
  ops.push = push;
  ops.pull = pull;
  ops.async_action_handle_create = async_handle_create;
  ops.async_action_handle_destroy = async_handle_destroy;
  ops.async_action_handle_update = async_handle_update;
  ops.async_action_handle_query = async_handle_query;
}
#endif

}  // namespace eswitch
