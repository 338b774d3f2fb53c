// "Did you mean ...?" for keys, names and commands.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace culvert {

// The candidate that `word` is most likely a slip of: at most two letters (one in a short word) wrong,
// missing, added or swapped. nullopt: none is near. Any thread.
std::optional<std::string> near_match(std::string_view word, const std::vector<std::string>& candidates);

// "did you mean 'tunnel'? " or nothing: to be put between what is wrong and what is known.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace culvert
