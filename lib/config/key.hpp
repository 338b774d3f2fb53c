// A table of keys describes one kind of map in the configuration: how each key is read, from YAML and from
// the shell's KEY VALUE pairs alike.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/near_match.hpp"
#include "base/result.hpp"

namespace culvert::config {

enum class Shape : uint8_t {
  scalar,
  range,  // two numbers: [FIRST, LAST] or FIRST-LAST; the setter sees the latter
  list,   // any number of scalars; the setter is called once for each
  map,    // with keys of its own, read by whoever knows them; the setter sees no text
  maps,   // a list of such maps
};

template <typename T>
struct Key {
  std::string_view name;
  Status (*set)(std::string_view text, T& object) = nullptr;  // null: a later version's, refused until then
  bool required = false;
  Shape shape = Shape::scalar;
  std::string_view words = {};  // for completion: values that are words, separated by blanks
};

template <typename T>
const Key<T>* find_key(std::span<const Key<T>> keys, std::string_view name) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const Key<T>& key) { return key.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

// "unknown key 'tunel' in tunnels[0]; did you mean 'tunnel'? known keys: ..."
template <typename K>
std::string unknown_key(std::string_view name, std::string_view where, std::span<const K> keys) {
  std::vector<std::string> known, all;
  for (const K& key : keys) {
    all.emplace_back(key.name);
    if (key.set) known.emplace_back(key.name);
  }
  return fmt::format("unknown key '{}' in {}; {}known keys: {}", name, where, did_you_mean(name, all),
                     fmt::join(known, ", "));
}

}  // namespace culvert::config
