// What a command of the shell is: its syntax, its help and the function that runs it. All on the control
// lcore.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/api.hpp"
#include "shell_client/protocol.hpp"

namespace culvert::shell {

// The words of a line beside the words of the syntax that they stand for: "vx100" for "TUNNEL".
struct Args {
  std::vector<std::pair<std::string_view, std::string>> words;

  bool has(std::string_view name) const { return get(name).has_value(); }
  std::optional<std::string> get(std::string_view name) const {
    const auto found =
        std::find_if(words.begin(), words.end(), [&](const auto& word) { return word.first == name; });
    return found == words.end() ? std::nullopt : std::optional(found->second);
  }
  // KEY VALUE, KEY VALUE, ...
  std::vector<std::pair<std::string, std::string>> pairs() const {
    std::vector<std::pair<std::string, std::string>> result;
    for (const auto& [name, word] : words) {
      if (name == "KEY") result.emplace_back(word, "");
      if (name == "VALUE") result.back().second = word;
    }
    return result;
  }
};

// Called once, now or later, with the answer of a command.
using Reply = std::function<void(Answer)>;

struct Command {
  // Lower-case words stand for themselves, upper-case ones for arguments (grammar.cpp lists them), [...] may
  // be left out, [... ...] be repeated.
  std::string_view syntax;
  std::string_view summary;      // one line of `help`
  std::string_view explanation;  // `help COMMAND` prints it below the syntax
  void (*run)(control::Api& api, const Args& args, const Reply& reply);
};

// Makes a handler of a function that has its answer at once.
template <Answer (*function)(control::Api& api, const Args& args)>
void at_once(control::Api& api, const Args& args, const Reply& reply) {
  reply(function(api, args));
}

template <typename... Args>
Answer failure(fmt::format_string<Args...> format, Args&&... args) {
  return {Outcome::error, fmt::format(format, std::forward<Args>(args)...)};
}

inline Answer answer(const Status& status) {
  return status ? Answer{} : Answer{Outcome::error, status.error().message};
}

// The families, one file each.
std::span<const Command> port_commands();
std::span<const Command> mirror_commands();
std::span<const Command> tunnel_commands();
std::span<const Command> flow_commands();
std::span<const Command> path_commands();
std::span<const Command> gid_commands();
std::span<const Command> control_commands();

// All of them, in the order of `help`.
const std::vector<Command>& all_commands();

}  // namespace culvert::shell
