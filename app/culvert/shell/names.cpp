#include "shell/names.hpp"

#include <algorithm>

#include "base/near_match.hpp"

namespace culvert::shell {
namespace {

constexpr size_t kMostNames = 10;  // in one message

}  // namespace

Status check_tunnel_name(const std::vector<control::TunnelView>& tunnels, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& tunnel : tunnels) names.push_back(tunnel.name);
  if (std::find(names.begin(), names.end(), name) != names.end()) return {};
  const std::string nearest = did_you_mean(name, names);
  const bool more = names.size() > kMostNames;
  names.resize(std::min(names.size(), kMostNames));
  return error("there is no tunnel '{}'; {}known tunnels: {}{}", name, nearest,
               names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")), more ? ", ..." : "");
}

}  // namespace culvert::shell
