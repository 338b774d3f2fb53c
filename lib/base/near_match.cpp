#include "base/near_match.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace culvert {
namespace {

constexpr size_t kLongestWord = 64;  // what is longer is no slip of the keyboard, and would cost its square

// Edit distance where two swapped neighbours count as one (optimal string alignment), three rows at a time.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  std::iota(row.begin(), row.end(), 0u);
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        next[j] = std::min(next[j], before[j - 2] + 1);
    }
    before.swap(row);
    row.swap(next);
  }
  return row[b.size()];
}

}  // namespace

std::optional<std::string> near_match(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.size() > kLongestWord) return std::nullopt;
  const std::string* best = nullptr;
  size_t least = word.size() < 4 ? 2 : 3;  // one more than may be wrong
  for (const std::string& candidate : candidates) {
    const size_t wrong = distance(word, candidate);
    if (wrong >= least || wrong >= candidate.size()) continue;
    least = wrong;
    best = &candidate;
  }
  return best ? std::optional(*best) : std::nullopt;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const auto match = near_match(word, candidates);
  return match ? fmt::format("did you mean '{}'? ", *match) : "";
}

}  // namespace culvert
