// Errors as rte_flow gives them: a type, what caused it and words. Thrown nowhere: a function that can refuse
// returns false or null after `refuse`.
#pragma once

#include <rte_errno.h>
#include <rte_flow.h>

namespace eswitch {

/// Fills `error` (may be null), sets rte_errno to `code` (positive) and returns -code. `message` must live
/// forever.
inline int refuse(rte_flow_error* error, int code, rte_flow_error_type type, const void* cause,
                  const char* message) {
  return rte_flow_error_set(error, code, type, cause, message);
}

inline bool refuse_item(rte_flow_error* error, int code, const rte_flow_item* item, const char* message) {
  refuse(error, code, RTE_FLOW_ERROR_TYPE_ITEM, item, message);
  return false;
}

inline bool refuse_action(rte_flow_error* error, int code, const rte_flow_action* action,
                          const char* message) {
  refuse(error, code, RTE_FLOW_ERROR_TYPE_ACTION, action, message);
  return false;
}

}  // namespace eswitch
