#include "shell/engine.hpp"

#include <algorithm>

#include "shell/diagnosis.hpp"

namespace culvert::shell {
namespace {

// What librte_cmdline would take for the end of a line, or a terminal for a command to itself.
bool is_control_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

std::string check_line(std::string_view line) {
  if (line.size() > kMaxLineBytes)
    return fmt::format("the line is too long; expected at most {} bytes", kMaxLineBytes);
  const auto control = std::find_if(line.begin(), line.end(), is_control_character);
  if (control == line.end()) return {};
  return fmt::format("the line has a control character at column {}; expected plain text",
                     control - line.begin() + 1);
}

}  // namespace

Engine::Engine(control::Api& api) : api_(api), grammar_(all_commands()) {}

void Engine::run(std::string_view line, const Reply& reply) {
  while (line.ends_with('\r') || line.ends_with('\n')) line.remove_suffix(1);
  if (const std::string fault = check_line(line); !fault.empty()) return reply({Outcome::error, fault});
  const auto words = split_words(line);
  if (words.empty()) return reply({});

  bool ambiguous = false;
  const Form* form = grammar_.match(std::string(line), ambiguous);
  if (ambiguous) return reply(failure("'{}' can be read in two ways; try help {}", line, words[0]));
  if (!form) return reply({Outcome::error, diagnose(grammar_, words)});
  Args args;
  for (size_t i = 0; i < words.size(); ++i) args.words.emplace_back(form->tokens[i]->word, words[i]);
  form->command->run(api_, args, reply);
}

Completion Engine::complete(std::string_view line) {
  const bool bad = !check_line(line).empty() || line.find('#') != std::string_view::npos;
  return bad ? Completion{} : grammar_.complete(api_, std::string(line));
}

}  // namespace culvert::shell
