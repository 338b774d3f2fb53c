// The template API: patterns and actions described once, rules made by filling in values, operations queued
// and their results pulled. An operation is carried out when it is enqueued, or with `postpone` at the next
// push; its result can be pulled `latency_us` later. All under the switch's lock.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "compat.hpp"
#include "rule.hpp"

/// An item or action list of the application's, copied whole.
template <typename T>
struct CopiedList {
  std::vector<uint8_t> storage;
  const T* list() const { return reinterpret_cast<const T*>(storage.data()); }
};

struct rte_flow_pattern_template {
  rte_flow_pattern_template_attr attr;
  CopiedList<rte_flow_item> items;
  unsigned users = 0;  // tables
};

struct rte_flow_actions_template {
  rte_flow_actions_template_attr attr;
  CopiedList<rte_flow_action> actions, masks;
  unsigned users = 0;
};

struct rte_flow_template_table {
  rte_flow_template_table_attr attr;
  std::vector<rte_flow_pattern_template*> patterns;
  std::vector<rte_flow_actions_template*> actions;
  uint32_t flows = 0;  // created and not yet destroyed
};

namespace eswitch {

struct FlowQueue {
  struct Result {
    rte_flow_op_result result;
    uint64_t due_cycles;  // not to be pulled before this TSC value
  };
  uint32_t size = 0;
  std::deque<std::pair<std::function<bool()>, void*>> postponed;  // the operation and its user data
  std::deque<Result> results;
};

/// What rte_flow_configure made of a port.
struct FlowQueues {
  rte_flow_port_attr attr{};
  Objects objects;  // in use, of those that attr asks for
  std::vector<FlowQueue> queues;
  std::unordered_set<rte_flow_pattern_template*> patterns;
  std::unordered_set<rte_flow_actions_template*> actions;
  std::unordered_set<rte_flow_template_table*> tables;
  std::unordered_set<rte_flow*> unplaced;  // made, but not or no longer in a table: postponed or failed
};

void set_template_ops(rte_flow_ops& ops);
/// Takes objects of those that the port was configured for. False: there are not that many left. A port
/// without flow queues has as many as it likes, and so has one that was configured for none, but on net_mlx5.
bool take_objects(const Port& port, const Objects& wanted);
void give_objects(const Port& port, const Objects& taken);
/// Frees the rules that are in no table. Those in one are gone already.
void forget_unplaced(Port& port);
/// Frees a port's queues, templates and tables, whose rules are gone.
void forget_templates(Port& port);

// template_rules.cpp: a rule of a table from values.

/// The pattern and actions of one rule, merged of template and values. The lists live as long as this.
struct MergedRule {
  std::vector<rte_flow_item> items;
  std::vector<rte_flow_action> actions;
};
bool merge_pattern(const rte_flow_pattern_template& tmpl, const rte_flow_item values[], MergedRule& merged,
                   rte_flow_error* error);
bool merge_actions(const rte_flow_actions_template& tmpl, const rte_flow_action values[], MergedRule& merged,
                   rte_flow_error* error);

// template_queue.cpp: the operations.
void set_queue_ops(rte_flow_ops& ops);
#if ESWITCH_HAS_FLOW_FP_OPS
extern const rte_flow_fp_ops fast_path_ops;
#endif

}  // namespace eswitch
