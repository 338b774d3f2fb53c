// What a driver said when it refused something.
#pragma once

#include <rte_flow.h>

#include <string>

#include "base/result.hpp"

namespace culvert::offload {

struct DriverError {
  int code = 0;                                         // errno, positive
  std::string words;                                    // the driver's own; empty: it gave none
  rte_flow_error_type type = RTE_FLOW_ERROR_TYPE_NONE;  // what it complains of

  // `code` as an rte_flow function returned it or left it in rte_errno, of either sign. Takes a copy of the
  // words. Any thread.
  static DriverError of(const rte_flow_error& error, int code);

  // "mark action not supported for egress (egress attribute: Operation not supported)".
  std::string to_string() const;
  Error to_error() const { return {to_string()}; }
};

// "transfer attribute"; for the types that rte_flow.h names. Never null.
const char* error_type_name(rte_flow_error_type type);

}  // namespace culvert::offload
