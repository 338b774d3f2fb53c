// Indirect actions: COUNT, AGE and RSS that rules share.
#pragma once

#include "compat.hpp"
#include "rule.hpp"

namespace eswitch {

/// Under the switch's lock, all of them. Null or a negative errno: refused, `error` tells.
rte_flow_action_handle* make_indirect(Port& port, const rte_flow_indir_action_conf& conf,
                                      const rte_flow_action& action, rte_flow_error* error);
int destroy_indirect(Port& port, rte_flow_action_handle* handle, rte_flow_error* error);
/// `update` is an rte_flow_action of the handle's own type.
int update_indirect(Port& port, rte_flow_action_handle* handle, const void* update, rte_flow_error* error);
int query_indirect(Port& port, const rte_flow_action_handle* handle, void* data, rte_flow_error* error);
/// Destroys all of a port, whose rules are gone.
void forget_indirect(Port& port);

void set_indirect_ops(rte_flow_ops& ops);

}  // namespace eswitch
