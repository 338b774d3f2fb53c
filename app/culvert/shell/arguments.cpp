#include "shell/arguments.hpp"

#include <algorithm>
#include <set>
#include <sstream>

#include "config/flow_keys.hpp"
#include "config/route_tables.hpp"
#include "config/tunnel_keys.hpp"
#include "shell/command.hpp"
#include "shell/names.hpp"

namespace culvert::shell {
namespace {

using Before = std::span<const std::string>;

bool is_digits(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool looks_like_address(std::string_view word) { return word.find_first_of(".:/") != std::string_view::npos; }

// Not the word that ends the keys of `flow add`.
bool can_be_key(std::string_view word) { return word != "tunnel" && word != "json"; }

std::vector<std::string> tunnel_names(control::Api& api, Before) { return names_of(api.tunnels()); }
std::vector<std::string> port_names(control::Api& api, Before) { return names_of(api.ports()); }

// Only what may be deleted is offered to `flow del`.
std::vector<std::string> flow_names(control::Api& api, Before before) {
  auto flows = api.flows();
  if (before.size() > 1 && before[1] == "del")
    std::erase_if(flows, [](const auto& flow) { return flow.source != "shell"; });
  return names_of(flows);
}

std::vector<std::string> network_names(control::Api& api, Before) { return api.networks(); }

// Only what may be deleted is offered to `path del NETWORK`.
std::vector<std::string> macs(control::Api& api, Before before) {
  std::vector<std::string> macs;
  if (before.size() < 3 || before[1] != "del") return macs;
  for (const control::PathView& path : api.paths())
    if (path.network == before[2] && path.origin == "static") macs.push_back(path.mac.to_string());
  return macs;
}

std::vector<std::string> table_names(control::Api&, Before) {
  std::vector<std::string> names;
  for (const auto& [number, name] : config::route_tables()) names.push_back(name);
  return names;
}

constexpr size_t kTunnelKeysBegin = 3;  // tunnel add NAME KEY VALUE ...
constexpr size_t kFlowKeysBegin = 6;    // flow add NAME port PORT match KEY VALUE ...

// The keys that were not given yet.
template <typename T>
std::vector<std::string> keys_left(std::span<const config::Key<T>> keys, Before before, size_t begin) {
  std::set<std::string_view> given{"name"};
  for (size_t i = begin; i < before.size(); i += 2) given.insert(before[i]);
  std::vector<std::string> names;
  for (const auto& key : keys)
    if (key.set && !given.contains(key.name)) names.emplace_back(key.name);
  return names;
}

template <typename T>
std::vector<std::string> words_of(std::span<const config::Key<T>> keys, std::string_view name) {
  const auto* key = config::find_key(keys, name);
  std::istringstream words{std::string(key ? key->words : "")};
  std::vector<std::string> result;
  for (std::string word; words >> word;) result.push_back(word);
  return result;
}

std::vector<std::string> key_names(control::Api&, Before before) {
  if (before[0] == "flow") return keys_left(config::match_keys(), before, kFlowKeysBegin);
  return keys_left(config::tunnel_keys(), before, kTunnelKeysBegin);
}

std::vector<std::string> key_words(control::Api& api, Before before) {
  if (before[0] == "flow") return words_of(config::match_keys(), before.back());
  if (before.back() == "table") return table_names(api, before);
  return words_of(config::tunnel_keys(), before.back());
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
    {"PORT", "the name of a port", nullptr, port_names},
    {"FLOW", "the name of a flow", nullptr, flow_names},
    {"NETWORK", "the name of a network", nullptr, network_names},
    {"MAC", "such as 02:00:00:00:00:01", nullptr, macs},
    {"NAME", "a new name"},
    {"N", "a number from 0 to 65535"},
    {"VID", "a VLAN, 1 to 4094"},
    {"KEY", "a key of doc/config.md", can_be_key, key_names},
    {"VALUE", "the key's value", nullptr, key_words},
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
