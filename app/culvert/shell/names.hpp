// Names in commands that must be those of something.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace culvert::shell {

// Ok if `name` is one of `names`; else the error says which there are. `what`: "tunnel".
Status check_name(std::string_view what, const std::vector<std::string>& names, const std::string& name);

// The names of views.
template <typename View>
std::vector<std::string> names_of(const std::vector<View>& views) {
  std::vector<std::string> names;
  names.reserve(views.size());
  for (const View& view : views) names.push_back(view.name);
  return names;
}

template <typename View>
Status check_name(std::string_view what, const std::vector<View>& views, const std::string& name) {
  return check_name(what, names_of(views), name);
}

}  // namespace culvert::shell
