#include <array>

#include "shell/command.hpp"

namespace culvert::shell {
namespace {

// Commands that later versions bring, by their first words.
constexpr std::array<std::string_view, 1> kLater{"path"};

}  // namespace

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

std::optional<std::string> later_command(std::span<const std::string> words) {
  if (words.empty()) return std::nullopt;
  const std::string first = words[0], two = words.size() > 1 ? first + " " + words[1] : first;
  for (const std::string_view later : kLater)
    if (later == first || later == two) return std::string(later);
  return std::nullopt;
}

}  // namespace culvert::shell
