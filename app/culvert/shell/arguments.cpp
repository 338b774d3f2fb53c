#include "shell/arguments.hpp"

#include <algorithm>
#include <set>
#include <sstream>

#include "config/route_tables.hpp"
#include "config/tunnel_keys.hpp"
#include "shell/command.hpp"

namespace culvert::shell {
namespace {

using Before = std::span<const std::string>;

bool is_digits(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool looks_like_address(std::string_view word) { return word.find_first_of(".:/") != std::string_view::npos; }

std::vector<std::string> tunnel_names(control::Api& api, Before) {
  std::vector<std::string> names;
  for (const auto& tunnel : api.tunnels()) names.push_back(tunnel.name);
  return names;
}

std::vector<std::string> table_names(control::Api&, Before) {
  std::vector<std::string> names;
  for (const auto& [number, name] : config::route_tables()) names.push_back(name);
  return names;
}

// The keys that were not given yet: `tunnel add NAME KEY VALUE ...`.
std::vector<std::string> tunnel_key_names(control::Api&, Before before) {
  std::set<std::string_view> given{"name"};
  for (size_t i = 3; i < before.size(); i += 2) given.insert(before[i]);
  std::vector<std::string> names;
  for (const auto& key : config::tunnel_keys())
    if (key.set && !given.contains(key.name)) names.emplace_back(key.name);
  return names;
}

std::vector<std::string> tunnel_key_words(control::Api& api, Before before) {
  const auto* key = before.empty() ? nullptr : config::find_key(config::tunnel_keys(), before.back());
  if (!key) return {};
  if (key->name == "table") return table_names(api, before);
  std::istringstream words{std::string(key->words)};
  std::vector<std::string> result;
  for (std::string word; words >> word;) result.push_back(word);
  return result;
}

// The next word of the commands that begin with what stands after `help`.
std::vector<std::string> command_words(control::Api&, Before before) {
  std::set<std::string> next;
  for (const Command& command : all_commands()) {
    std::istringstream words{std::string(command.syntax)};
    std::string word;
    bool same = true;
    for (size_t i = 1; i < before.size() && same; ++i) same = words >> word && word == before[i];
    if (same && words >> word && word[0] >= 'a' && word[0] <= 'z') next.insert(word);
  }
  return {next.begin(), next.end()};
}

constexpr Kind kKinds[] = {
    {"TUNNEL", "the name of a tunnel", nullptr, tunnel_names},
    {"NAME", "a new name"},
    {"KEY", "a key of doc/config.md", nullptr, tunnel_key_names},
    {"VALUE", "the key's value", nullptr, tunnel_key_words},
    {"SECONDS", "a number", is_digits},
    {"TABLE", "a routing table's name or number", nullptr, table_names},
    {"PREFIX|ADDRESS", "such as 10.0.0.0/8 or 10.0.0.1", looks_like_address},
    {"COMMAND", "the words of a command", nullptr, command_words},
};

}  // namespace

const Kind* find_kind(std::string_view word) {
  const auto found =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& kind) { return kind.word == word; });
  return found == std::end(kKinds) ? nullptr : found;
}

}  // namespace culvert::shell
