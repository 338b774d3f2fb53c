// From rte_flow actions to an ActionList: what each one needs, and how it is refused.
#pragma once

#include "rule.hpp"

namespace eswitch {

class Switch;

/// Whom the actions are compiled for.
struct ActionContext {
  Switch& sw;
  Port& port;
  rte_flow_attr attr;
};

/// Null: refused, `error` tells which action and why. `handles` gets the indirect actions used. Under the
/// switch's lock.
std::unique_ptr<ActionList> compile_actions(const rte_flow_action actions[], const ActionContext& context,
                                            std::vector<HandleUse>& handles, rte_flow_error* error);

}  // namespace eswitch
