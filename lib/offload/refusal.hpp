// Which part of a refused rule the driver does not want, found by asking it for less and less of the rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "offload/driver_error.hpp"
#include "offload/rule.hpp"
#include "offload/template_lists.hpp"

namespace culvert::offload {

// How a port is asked whether it takes a rule, without making it.
enum class Asking : uint8_t {
  validate,  // rte_flow_validate, on classic ports; any thread
  templates  // templates and a table for one rule, on async ports; the thread that owns the port's rules
};

// nullopt: it does.
std::optional<DriverError> ask(const RuleParts& parts, Asking how);
std::optional<DriverError> ask(const Rule& rule, Asking how);

struct Culprit {
  enum class Part : uint8_t {
    none,  // the driver takes the rule when asked: it was its state (room, a fault), not the rule
    attributes,
    item,
    action
  };
  Part part = Part::none;
  size_t index = 0;    // of the item or action, from 0
  std::string text;    // as testpmd writes it: "tag index is 1 data is 7"
  DriverError answer;  // what the driver said to the smallest rule with that part

  // "action 2, set_tag index 1 data 7 mask 0xffffffff: action not supported (an action: ...)".
  std::string to_string() const;
};

// Bisects: first the attributes alone, then the items, then the actions. A handful of questions.
Culprit find_culprit(const Rule& rule, Asking how);

}  // namespace culvert::offload
