// An object from the shell's words, KEY VALUE KEY VALUE ..., by its table of keys.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/key.hpp"

namespace culvert::config {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Sets what `pairs` say; `given` has the keys that were set before and gets the others. `what` names the
// object in messages: "a tunnel". The error names the first thing that is wrong and what would be right.
template <typename T>
Status set_pairs(const Pairs& pairs, std::string_view what, std::span<const Key<T>> keys,
                 std::set<std::string_view>& given, T& object) {
  for (const auto& [name, value] : pairs) {
    const auto* key = find_key(keys, name);
    if (!key) return error("{}", unknown_key(name, what, keys));
    if (!key->set) return error("{}: not supported yet", name);
    if (!given.insert(key->name).second) return error("{} is given twice; expected it once", name);
    if (const auto status = key->set(value, object); !status)
      return error("{}: {}", name, status.error().message);
  }
  return {};
}

}  // namespace culvert::config
