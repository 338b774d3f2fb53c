#include "base/log.hpp"

#include <string>

namespace culvert {

Log::Log(const char* module) : module_(module), type_(-1) {
  const std::string name = std::string("culvert.") + module;
  const int type = rte_log_register_type_and_pick_level(name.c_str(), RTE_LOG_INFO);
  type_ = type < 0 ? RTE_LOGTYPE_USER1 : type;
}

bool Log::enabled(int level) const {
  return rte_log_can_log(static_cast<uint32_t>(type_), static_cast<uint32_t>(level));
}

void Log::put(int level, std::string_view line) const {
  rte_log(static_cast<uint32_t>(level), static_cast<uint32_t>(type_), "culvert: %s: %.*s\n", module_,
          static_cast<int>(line.size()), line.data());
}

}  // namespace culvert
