// Making, inserting and removing rules: what the classic and the queue calls share. All under the switch's
// lock.
#pragma once

#include "compat.hpp"
#include "rule.hpp"

namespace eswitch {

class Switch;

/// What a rule is asked to be.
struct RuleRequest {
  rte_flow_attr attr;
  const rte_flow_item* items;
  const rte_flow_action* actions;
  bool queued = false;  // by the template API
};

/// Checks and compiles; the result is in no table yet. Null: refused, `error` tells.
std::unique_ptr<rte_flow> compile_rule(Port& port, const RuleRequest& request, rte_flow_error* error);

/// The counter and age timer that the rule has for itself: not those of indirect actions.
Objects own_objects(const rte_flow& rule);

/// Puts a compiled rule in its table, where packets meet it from now on. 0, or a positive errno: the switch
/// is full.
int insert_rule(rte_flow& rule);
/// Takes it out; packets in flight may still be under it until the grace period is over. The rule is still
/// there.
void remove_rule(rte_flow& rule);
/// Gives back what a rule that is in no table holds, and frees it after the grace period.
void retire_rule(std::unique_ptr<rte_flow> rule);
#if ESWITCH_HAS_ACTIONS_UPDATE
/// Swaps the actions of a rule that is in a table, for all packets at once.
void replace_actions(rte_flow& rule, std::unique_ptr<ActionList> actions, std::vector<HandleUse> handles);
#endif

/// Answers a query for COUNT or AGE. False: refused.
bool query_action(const Switch& sw, HitCounter* counter, AgeTimer* age, const rte_flow_action& action,
                  void* data, rte_flow_error* error);

}  // namespace eswitch
