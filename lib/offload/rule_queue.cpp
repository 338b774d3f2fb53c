#include "offload/rule_queue.hpp"

#include <rte_errno.h>

#include <cassert>

#include "base/log.hpp"

namespace culvert::offload {

namespace {

const Log kLog("offload.rule");

}  // namespace

void RuleQueue::create(const Rule& rule, void* cookie) {
  assert(rule.port_id() == port_id_);
  kLog.debug("{}", rule);
  post_create(rule, cookie);
}

Result<Counters> RuleQueue::query(rte_flow* rule) const {
  const rte_flow_action actions[] = {{RTE_FLOW_ACTION_TYPE_COUNT, nullptr},
                                     {RTE_FLOW_ACTION_TYPE_END, nullptr}};
  rte_flow_query_count counts{};
  rte_flow_error error{};
  if (const int rc = rte_flow_query(port_id_, rule, actions, &counts, &error); rc != 0)
    return tl::make_unexpected(DriverError::of(error, rc).to_error());
  return Counters{counts.hits, counts.bytes};
}

Result<rte_flow_action_handle*> RuleQueue::make_counter(Domain domain) {
  rte_flow_indir_action_conf conf{};
  conf.ingress = domain == Domain::ingress;
  conf.egress = domain == Domain::egress;
  conf.transfer = domain == Domain::transfer;
  const rte_flow_action_count count{};
  const rte_flow_action action{RTE_FLOW_ACTION_TYPE_COUNT, &count};
  rte_flow_error error{};
  rte_flow_action_handle* handle = rte_flow_action_handle_create(port_id_, &conf, &action, &error);
  if (handle == nullptr) return tl::make_unexpected(DriverError::of(error, rte_errno).to_error());
  return handle;
}

Status RuleQueue::destroy_counter(rte_flow_action_handle* counter) {
  rte_flow_error error{};
  if (const int rc = rte_flow_action_handle_destroy(port_id_, counter, &error); rc != 0)
    return tl::make_unexpected(DriverError::of(error, rc).to_error());
  return {};
}

Result<Counters> RuleQueue::query_counter(const rte_flow_action_handle* counter) const {
  rte_flow_query_count counts{};
  rte_flow_error error{};
  if (const int rc = rte_flow_action_handle_query(port_id_, counter, &counts, &error); rc != 0)
    return tl::make_unexpected(DriverError::of(error, rc).to_error());
  return Counters{counts.hits, counts.bytes};
}

}  // namespace culvert::offload
