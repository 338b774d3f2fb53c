// profile=mlx5: what the real net_mlx5 of DPDK 22.11 refuses (dv_flow_en=1, and of the template API
// dv_flow_en=2), in its own words, and how it orders rules. Seen by running the driver itself without a NIC.
#pragma once

#include "flow_rules.hpp"

namespace eswitch {

/// Whether net_mlx5 would take the rule, as far as items and actions alone tell. False: refused as it does.
bool mlx5_accepts(const Port& port, const RuleRequest& request, rte_flow_error* error);
/// What it says once the source port and ranges are known.
bool mlx5_accepts_match(const RuleRequest& request, const Match& match, rte_flow_error* error);
bool mlx5_accepts_indirect(const Port& port, const rte_flow_action& action, rte_flow_error* error);
bool mlx5_accepts_template(const Port& port, const rte_flow_action actions[], const rte_flow_action masks[],
                           rte_flow_error* error);
/// Whether a table takes a pattern template: hardware steering looks at so many words and no more.
bool mlx5_accepts_pattern(const rte_flow_item items[], rte_flow_error* error);
/// Whether a table of `attr` takes an actions template: hardware steering has one order of actions, and some
/// only in one direction.
bool mlx5_accepts_order(const rte_flow_attr& attr, const rte_flow_action actions[],
                        const rte_flow_action masks[], rte_flow_error* error);
/// Of a queued rule: where net_mlx5 has no check and no answer either.
bool mlx5_accepts_queued(const rte_flow_item items[], rte_flow_error* error);

/// The order within a group: three classes within each priority, by the layer that the pattern ends with.
/// Rules of template tables have their table's priority alone.
uint32_t mlx5_rank(uint32_t priority, const Match& match, bool queued);

}  // namespace eswitch
