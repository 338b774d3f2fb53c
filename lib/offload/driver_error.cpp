#include "offload/driver_error.hpp"

#include <cstdlib>

namespace culvert::offload {

const char* error_type_name(rte_flow_error_type type) {
  switch (type) {
    case RTE_FLOW_ERROR_TYPE_HANDLE:
      return "rule";
    case RTE_FLOW_ERROR_TYPE_ATTR_GROUP:
      return "group";
    case RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY:
      return "priority";
    case RTE_FLOW_ERROR_TYPE_ATTR_INGRESS:
      return "ingress attribute";
    case RTE_FLOW_ERROR_TYPE_ATTR_EGRESS:
      return "egress attribute";
    case RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER:
      return "transfer attribute";
    case RTE_FLOW_ERROR_TYPE_ATTR:
      return "attributes";
    case RTE_FLOW_ERROR_TYPE_ITEM_NUM:
      return "number of items";
    case RTE_FLOW_ERROR_TYPE_ITEM_SPEC:
      return "an item's spec";
    case RTE_FLOW_ERROR_TYPE_ITEM_LAST:
      return "an item's range";
    case RTE_FLOW_ERROR_TYPE_ITEM_MASK:
      return "an item's mask";
    case RTE_FLOW_ERROR_TYPE_ITEM:
      return "an item";
    case RTE_FLOW_ERROR_TYPE_ACTION_NUM:
      return "number of actions";
    case RTE_FLOW_ERROR_TYPE_ACTION_CONF:
      return "an action's configuration";
    case RTE_FLOW_ERROR_TYPE_ACTION:
      return "an action";
    default:
      return "";
  }
}

DriverError DriverError::of(const rte_flow_error& error, int code) {
  code = std::abs(code);
  return {code != 0 ? code : EIO, error.message != nullptr ? error.message : "", error.type};
}

std::string DriverError::to_string() const {
  const std::string reason = errno_text(code);
  if (words.empty()) return fmt::format("{} (the driver gives no words)", reason);
  if (words == reason) return words;
  const char* about = error_type_name(type);
  return *about == '\0' ? fmt::format("{} ({})", words, reason)
                        : fmt::format("{} ({}: {})", words, about, reason);
}

}  // namespace culvert::offload
