// Rules in words, as testpmd's `flow` command spells items and actions.
#pragma once

#include <cstdio>

#include "rule.hpp"

namespace eswitch {

/// One line: direction, group, priority, items, actions, and hits where the rule counts.
void dump_rule(const rte_flow& rule, FILE* file);

}  // namespace eswitch
