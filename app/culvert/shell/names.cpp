#include "shell/names.hpp"

#include <algorithm>
#include <span>

#include "base/near_match.hpp"

namespace culvert::shell {
namespace {

constexpr size_t kMostNames = 10;  // in one message

}  // namespace

Status check_name(std::string_view what, const std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) != names.end()) return {};
  const std::span shown(names.data(), std::min(names.size(), kMostNames));
  return error("there is no {} '{}'; {}known {}s: {}{}", what, name, did_you_mean(name, names), what,
               names.empty() ? "none" : fmt::format("{}", fmt::join(shown, ", ")),
               names.size() > kMostNames ? ", ..." : "");
}

}  // namespace culvert::shell
