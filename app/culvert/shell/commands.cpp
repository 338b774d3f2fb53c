#include "shell/command.hpp"

namespace culvert::shell {
const std::vector<Command>& all_commands() {
  static const std::vector<Command> commands = [] {
    std::vector<Command> all;
    for (const auto family : {port_commands(), mirror_commands(), tunnel_commands(), flow_commands(),
                              path_commands(), gid_commands(), control_commands()})
      all.insert(all.end(), family.begin(), family.end());
    return all;
  }();
  return commands;
}

}  // namespace culvert::shell
