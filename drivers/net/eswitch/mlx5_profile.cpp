#include "mlx5_profile.hpp"

#include "flow_error.hpp"
#include "port.hpp"
#include "templates.hpp"

namespace eswitch {

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
    if (actions->type == RTE_FLOW_ACTION_TYPE_SET_TAG)
      return refuse_action(error, ENOTSUP, actions, "action not supported in template API");
    if (actions->type == RTE_FLOW_ACTION_TYPE_AGE && port.flow_queues->attr.nb_aging_objects == 0)
      return refuse_action(error, EINVAL, actions, "aging pool not initialized");
    if (actions->type != RTE_FLOW_ACTION_TYPE_MODIFY_FIELD || masks->conf == nullptr) continue;
    auto level = static_cast<const rte_flow_action_modify_field*>(masks->conf)->dst.level;
    if (level != static_cast<decltype(level)>(-1))
      return refuse_action(error, EINVAL, actions, "destination encapsulation level must be fully masked");
  }
  return true;
}

uint32_t mlx5_rank(uint32_t priority, const Match& match, bool queued) {
  if (queued) return priority;
  const uint32_t layer_class = match.last_layer == 3 ? 1 : match.last_layer == 2 ? 2 : 0;
  return 3 * priority + layer_class;
}

}  // namespace eswitch
