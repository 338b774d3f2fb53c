// What two lists of named objects differ in.
#pragma once

#include <map>
#include <string_view>
#include <vector>

namespace culvert::control {

// Points into the two lists. In their order.
template <typename T>
struct Difference {
  std::vector<const T*> removed;         // only in the list before
  std::vector<const T*> added, changed;  // of the list after: new names; known ones with another value
};

// Names are unique within a list.
template <typename T>
Difference<T> difference(const std::vector<T>& before, const std::vector<T>& after) {
  std::map<std::string_view, const T*> old;
  for (const T& object : before) old[object.name] = &object;
  Difference<T> result;
  for (const T& object : after) {
    const auto known = old.find(object.name);
    if (known == old.end()) {
      result.added.push_back(&object);
      continue;
    }
    if (*known->second != object) result.changed.push_back(&object);
    old.erase(known);
  }
  for (const T& object : before)
    if (old.contains(object.name)) result.removed.push_back(&object);
  return result;
}

}  // namespace culvert::control
