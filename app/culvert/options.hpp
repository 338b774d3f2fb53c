// culvert's command line: EAL's arguments, `--`, and our own.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace culvert {

struct Options {
  enum class Action { run, check, version, help };
  Action action = Action::run;
  std::vector<std::string> eal;  // argv[0] and everything before `--`
  std::string config = "/etc/culvert/culvert.yaml";
  std::string cmdline_file;  // empty: none
  std::string socket;        // empty: /run/culvert/<EAL file prefix>.sock
  std::string record;        // empty: nothing is recorded
  bool interactive = false;
};

// An error names the argument and says what would be right.
Result<Options> parse_command_line(const std::vector<std::string>& argv);

// The socket's path: the option, or the default for EAL's --file-prefix (its own default is "rte").
std::string socket_path(const Options& options);

std::string usage();

}  // namespace culvert
