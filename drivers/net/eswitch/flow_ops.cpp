// The classic rte_flow calls.
#include "ageing.hpp"
#include "dump.hpp"
#include "flow_error.hpp"
#include "flow_rules.hpp"
#include "indirect.hpp"
#include "mlx5_profile.hpp"
#include "port.hpp"
#include "switch.hpp"
#include "templates.hpp"

namespace eswitch {
namespace {

using Op = Faults::Op;

/// Waits for the latency of a rule operation and fails it where it is to fail. 0: go on.
int begin_operation(Port& port, Op op, rte_flow_error* error) {
  port.sw().faults.wait();
  const int code = port.fault(op);
  return code == 0 ? 0
                   : refuse(error, code, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr,
                            "hardware refuses the operation");
}

int validate(rte_eth_dev* dev, const rte_flow_attr* attr, const rte_flow_item items[],
             const rte_flow_action actions[], rte_flow_error* error) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  return compile_rule(port, {*attr, items, actions}, error) != nullptr ? 0 : -rte_errno;
}

rte_flow* create(rte_eth_dev* dev, const rte_flow_attr* attr, const rte_flow_item items[],
                 const rte_flow_action actions[], rte_flow_error* error) {
  Port& port = port_of(dev);
  if (begin_operation(port, Op::kCreate, error) != 0) return nullptr;
  const std::lock_guard guard(port.sw().lock);
  if (port.sw().profile == Profile::kMlx5 && port.flow_queues) {
    refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "Flow non-Q creation not supported");
    return nullptr;
  }
  auto rule = compile_rule(port, {*attr, items, actions}, error);
  if (!rule) return nullptr;
  if (const int code = insert_rule(*rule); code != 0) {
    refuse(error, code, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "no room for another rule");
    return nullptr;
  }
  port.sw().rcu.reclaim();
  return rule.release();
}

int destroy(rte_eth_dev* dev, rte_flow* flow, rte_flow_error* error) {
  Port& port = port_of(dev);
  if (const int result = begin_operation(port, Op::kDestroy, error); result != 0) return result;
  const std::lock_guard guard(port.sw().lock);
  if (flow->port != &port || flow->table == nullptr || flow->template_table != nullptr)
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_HANDLE, flow, "not a rule of this port");
  remove_rule(*flow);
  retire_rule(std::unique_ptr<rte_flow>(flow));
  return 0;
}

int flush(rte_eth_dev* dev, rte_flow_error*) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  for (auto at = port.flows.begin(); at != port.flows.end();) {
    rte_flow* flow = *at++;
    if (flow->template_table != nullptr) continue;  // its queue's to destroy
    remove_rule(*flow);
    retire_rule(std::unique_ptr<rte_flow>(flow));
  }
  return 0;
}

int query(rte_eth_dev* dev, rte_flow* flow, const rte_flow_action* action, void* data,
          rte_flow_error* error) {
  Port& port = port_of(dev);
  if (const int result = begin_operation(port, Op::kQuery, error); result != 0) return result;
  const std::lock_guard guard(port.sw().lock);
  const ActionList* actions = flow->actions.load(std::memory_order_relaxed);
  for (; action->type == RTE_FLOW_ACTION_TYPE_VOID; ++action) continue;
  return query_action(port.sw(), actions->counter.get(), actions->age.get(), *action, data, error)
             ? 0
             : -rte_errno;
}

int isolate(rte_eth_dev* dev, int on, rte_flow_error* error) {
  Port& port = port_of(dev);
  if (dev->data->dev_started)
    return refuse(error, EBUSY, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "port must be stopped first");
  port.isolated.store(on != 0, std::memory_order_relaxed);
  return 0;
}

int get_aged_flows(rte_eth_dev* dev, void** contexts, uint32_t count, rte_flow_error* error) {
  Port& port = port_of(dev);
  if (count > 0 && contexts == nullptr)
    return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "empty context");
  const std::lock_guard guard(port.sw().lock);
  return take_aged(port, contexts, count);
}

int dev_dump(rte_eth_dev* dev, rte_flow* flow, FILE* file, rte_flow_error*) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  if (flow != nullptr) {
    dump_rule(*flow, file);
  } else {
    for (const rte_flow* each : port.flows) dump_rule(*each, file);
  }
  return 0;
}

int pick_transfer_proxy(rte_eth_dev* dev, uint16_t* proxy, rte_flow_error*) {
  *proxy = dev->data->port_id;  // a transfer rule may be made on any port
  return 0;
}

const rte_flow_ops ops = [] {
  rte_flow_ops table{};
  table.validate = validate;
  table.create = create;
  table.destroy = destroy;
  table.flush = flush;
  table.query = query;
  table.isolate = isolate;
  table.dev_dump = dev_dump;
  table.get_aged_flows = get_aged_flows;
  table.pick_transfer_proxy = pick_transfer_proxy;
  set_indirect_ops(table);
  set_template_ops(table);
  return table;
}();

}  // namespace

int flow_ops_get(rte_eth_dev*, const rte_flow_ops** table) {
  *table = &ops;
  return 0;
}

void flush_rules(Port& port) {
  while (!port.flows.empty()) {
    rte_flow* flow = port.flows.front();
    if (flow->template_table != nullptr) --flow->template_table->flows;
    give_objects(port, flow->taken);
    remove_rule(*flow);
    retire_rule(std::unique_ptr<rte_flow>(flow));
  }
  forget_unplaced(port);
}

void flush_port(Port& port) {
  flush_rules(port);
  forget_templates(port);
  forget_indirect(port);
}

}  // namespace eswitch
