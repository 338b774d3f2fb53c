#include "devargs.hpp"

#include <rte_kvargs.h>

#include <cstring>

#include "log.hpp"

namespace eswitch {
namespace {

int take_argument(const char* key, const char* value, void* opaque) {
  auto& arguments = *static_cast<DeviceArguments*>(opaque);
  const std::string text = value != nullptr ? value : "";
  if (std::strcmp(key, "uplink") == 0) {
    if (!arguments.uplink.empty()) {
      ESWITCH_LOG(ERR, "uplink= is given twice");
      return -1;
    }
    arguments.uplink = text;
  } else if (std::strcmp(key, "rep") == 0) {
    arguments.representors.push_back(text);
  } else if (std::strcmp(key, "profile") == 0) {
    if (text != "mlx5" && text != "generic") {
      ESWITCH_LOG(ERR, "profile=%s: known are generic and mlx5", text.c_str());
      return -1;
    }
    arguments.profile = text == "mlx5" ? Profile::kMlx5 : Profile::kGeneric;
  } else {
    arguments.faults.emplace_back(key, text);
  }
  return 0;
}

}  // namespace

std::optional<DeviceArguments> parse_arguments(const char* text) {
  static const char* const keys[] = {"uplink",      "rep",  "rules",   "latency_us",
                                     "tx_delay_us", "fail", "profile", nullptr};
  rte_kvargs* list = rte_kvargs_parse(text != nullptr ? text : "", keys);
  if (list == nullptr) {
    ESWITCH_LOG(
        ERR,
        "arguments are uplink=ETHDEV[,rep=ETHDEV...][,rules=N][,latency_us=N][,tx_delay_us=N][,fail=EXPR]"
        "[,profile=mlx5]");
    return std::nullopt;
  }
  DeviceArguments arguments;
  const int result = rte_kvargs_process(list, nullptr, take_argument, &arguments);
  rte_kvargs_free(list);
  if (result != 0) return std::nullopt;
  if (arguments.uplink.empty()) {
    ESWITCH_LOG(ERR, "uplink= is missing");
    return std::nullopt;
  }
  return arguments;
}

}  // namespace eswitch
