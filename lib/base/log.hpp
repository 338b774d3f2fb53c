// Logging through rte_log, one log type a module: `--log-level=culvert.mirror:debug`. Works before EAL
// starts, from any thread.
#pragma once

#include <fmt/format.h>
#include <rte_log.h>

#include <string_view>
#include <utility>

namespace culvert {

class Log {
 public:
  // `module` as in "mirror"; the log type is "culvert.mirror". Make one static object a module.
  explicit Log(const char* module);

  template <typename... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    write(RTE_LOG_ERR, format, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) const {
    write(RTE_LOG_WARNING, format, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    write(RTE_LOG_INFO, format, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    write(RTE_LOG_DEBUG, format, std::forward<Args>(args)...);
  }

 private:
  template <typename... Args>
  void write(int level, fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(level)) put(level, fmt::format(format, std::forward<Args>(args)...));
  }
  bool enabled(int level) const;
  void put(int level, std::string_view line) const;

  const char* module_;
  int type_;
};

}  // namespace culvert
