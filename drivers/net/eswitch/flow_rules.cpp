#include "flow_rules.hpp"

#include <algorithm>

#include "action_compile.hpp"
#include "ageing.hpp"
#include "flow_error.hpp"
#include "mlx5_profile.hpp"
#include "port.hpp"
#include "switch.hpp"

namespace eswitch {
namespace {

bool check_attributes(const Port& port, const rte_flow_attr& attr, rte_flow_error* error) {
  if (attr.ingress + attr.egress + attr.transfer != 1) {
    refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ATTR, nullptr,
           "must specify exactly one of ingress, egress or transfer");
    return false;
  }
  if (attr.transfer && !port.sw().has_transfer()) {
    refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, nullptr);
    return false;
  }
  return true;
}

/// Whether a transfer rule can match what applications send.
bool matches_applications(const Match& match) {
  return match.mask.origin[0] != 0 && match.value.origin[0] == static_cast<uint8_t>(Origin::kApplication);
}

/// The rule's own AGE action, not an indirect one; null: it has none.
std::shared_ptr<AgeTimer> own_age(const rte_flow& rule) {
  const ActionList* actions = rule.actions.load(std::memory_order_relaxed);
  for (const HandleUse& handle : rule.handles)
    if (handle->age == actions->age) return nullptr;
  return actions->age;
}
void watch_own_age(rte_flow& rule) {
  if (auto age = own_age(rule)) watch_age(rule.port->sw(), *rule.port, std::move(age));
}
void unwatch_own_age(rte_flow& rule) {
  if (const auto age = own_age(rule)) forget_age(rule.port->sw(), age);
}

/// A transfer rule that names no source is for wires: for any, or, if it is one of net_mlx5's classic ones,
/// for that of the port it is made on.
void complete_origin(Match& match, const Port& port, bool queued) {
  if (match.names_origin) return;
  const bool own = port.sw().profile == Profile::kMlx5 && !queued;
  set_origin(match.value, Origin::kWire, own ? port.vport() : 0);
  match.mask.origin[0] = 0xff;
  if (own) put_be16(match.mask.origin + 2, 0xffff);
}

}  // namespace

std::unique_ptr<rte_flow> compile_rule(Port& port, const RuleRequest& request, rte_flow_error* error) {
  Switch& sw = port.sw();
  if (!check_attributes(port, request.attr, error)) return nullptr;
  if (sw.profile == Profile::kMlx5 && !mlx5_accepts(port, request, error)) return nullptr;
  if (sw.profile == Profile::kMlx5 && request.queued && !mlx5_accepts_queued(request.items, error))
    return nullptr;
  auto rule = std::make_unique<rte_flow>();
  rule->port = &port;
  rule->attr = request.attr;
  rule->match = std::make_unique<Match>();
  const PatternContext context{[&sw](uint16_t id) { return sw.vport_of(id); }, port.vport(),
                               request.attr.transfer != 0};
  if (!compile_pattern(request.items, context, *rule->match, error)) return nullptr;
  if (request.attr.transfer) complete_origin(*rule->match, port, request.queued);
  if (sw.profile == Profile::kMlx5 && !mlx5_accepts_match(request, *rule->match, error)) return nullptr;
  auto actions = compile_actions(request.actions, {sw, port, request.attr}, rule->handles, error);
  if (!actions) return nullptr;
  if (actions->age && actions->age->context == nullptr) actions->age->context = rule.get();
  rule->actions.store(actions.release(), std::memory_order_relaxed);
  rule->from_applications = request.attr.transfer && matches_applications(*rule->match);
  rule->vxlan_port = rule->match->vxlan_port;
  for (const rte_flow_item* item = request.items; item->type != RTE_FLOW_ITEM_TYPE_END; ++item)
    rule->items.push_back(item->type);
  rule->precedence.rank = sw.profile == Profile::kMlx5
                              ? mlx5_rank(request.attr.priority, *rule->match, request.queued)
                              : request.attr.priority;
  return rule;
}

Objects own_objects(const rte_flow& rule) {
  const ActionList* actions = rule.actions.load(std::memory_order_relaxed);
  Objects own{actions->counter != nullptr, own_age(rule) != nullptr};
  for (const HandleUse& handle : rule.handles)
    if (handle->counter == actions->counter) own.counters = 0;
  return own;
}

int insert_rule(rte_flow& rule) {
  Switch& sw = rule.port->sw();
  if (sw.rule_count >= sw.faults.max_rules()) return ENOSPC;
  ++sw.rule_count;
  rule.precedence.sequence = sw.next_sequence++;
  if (rule.vxlan_port) sw.vxlan_ports.add(*rule.vxlan_port);
  rule.place = rule.port->flows.insert(rule.port->flows.end(), &rule);
  watch_own_age(rule);
  rule.table = &sw.domain(*rule.port, rule.attr).group(rule.attr.group);
  rule.table->insert(rule, *rule.match);
  rule.match.reset();
  // Release: who sees the number finds the rule.
  if (rule.from_applications) sw.application_rules.fetch_add(1, std::memory_order_release);
  return 0;
}

void remove_rule(rte_flow& rule) {
  Switch& sw = rule.port->sw();
  if (rule.from_applications) sw.application_rules.fetch_sub(1, std::memory_order_relaxed);
  rule.table->remove(rule);
  rule.table = nullptr;
  rule.port->flows.erase(rule.place);
  if (rule.vxlan_port) sw.vxlan_ports.remove(*rule.vxlan_port);
  unwatch_own_age(rule);
  --sw.rule_count;
}

void retire_rule(std::unique_ptr<rte_flow> rule) {
  Rcu& rcu = rule->port->sw().rcu;
  rule->handles.clear();  // the application may destroy them now
  rcu.retire(std::move(rule));
  rcu.reclaim();
}

#if ESWITCH_HAS_ACTIONS_UPDATE
void replace_actions(rte_flow& rule, std::unique_ptr<ActionList> actions, std::vector<HandleUse> handles) {
  Switch& sw = rule.port->sw();
  unwatch_own_age(rule);
  rule.handles = std::move(handles);
  const ActionList* old = rule.actions.exchange(actions.release(), std::memory_order_acq_rel);
  watch_own_age(rule);
  sw.rcu.retire(std::unique_ptr<Retirable>(const_cast<ActionList*>(old)));
  sw.rcu.reclaim();
}
#endif

bool query_action(const Switch& sw, HitCounter* counter, AgeTimer* age, const rte_flow_action& action,
                  void* data, rte_flow_error* error) {
  if (action.type == RTE_FLOW_ACTION_TYPE_COUNT && counter != nullptr) {
    auto* answer = static_cast<rte_flow_query_count*>(data);
    const uint64_t packets = counter->packets.get(), bytes = counter->bytes.get();
    answer->hits_set = answer->bytes_set = 1;
    answer->hits = packets - counter->packets_base;
    answer->bytes = bytes - counter->bytes_base;
    if (answer->reset) {
      counter->packets_base = packets;
      counter->bytes_base = bytes;
    }
    return true;
  }
  if (action.type == RTE_FLOW_ACTION_TYPE_AGE && age != nullptr) {
    auto* answer = static_cast<rte_flow_query_age*>(data);
    const uint64_t idle_s = idle_seconds(*age);
    answer->aged = is_aged(sw, *age) ? 1 : 0;
    answer->sec_since_last_hit_valid = 1;
    answer->sec_since_last_hit = static_cast<uint32_t>(std::min<uint64_t>(idle_s, 0xffffff)) & 0xffffff;
    return true;
  }
  const char* message = action.type == RTE_FLOW_ACTION_TYPE_COUNT ? "counter are not available"
                        : action.type == RTE_FLOW_ACTION_TYPE_AGE ? "age data not available"
                                                                  : "action not supported";
  refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, message);
  return false;
}

}  // namespace eswitch
