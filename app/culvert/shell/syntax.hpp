// Writes a command's syntax out into its forms.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace culvert::shell {

// "show tunnels [TUNNEL] [json]" has four forms. A group that ends with "..." is repeated up to kMaxRepeats
// times.
inline constexpr int kMaxRepeats = 24;
std::vector<std::vector<std::string>> expand_syntax(std::string_view syntax);

}  // namespace culvert::shell
