#include "shell/syntax.hpp"

namespace culvert::shell {
namespace {

using Words = std::vector<std::string>;

// Where the bracket at `open` is closed.
size_t closing(std::string_view syntax, size_t open) {
  int depth = 0;
  for (size_t i = open; i < syntax.size(); ++i) {
    if (syntax[i] == '[') ++depth;
    if (syntax[i] == ']' && --depth == 0) return i;
  }
  return syntax.size();
}

// Every form followed by every other.
std::vector<Words> joined(const std::vector<Words>& heads, const std::vector<Words>& tails) {
  std::vector<Words> result;
  for (const Words& head : heads) {
    for (const Words& tail : tails) {
      result.push_back(head);
      result.back().insert(result.back().end(), tail.begin(), tail.end());
    }
  }
  return result;
}

std::vector<Words> group_forms(std::string_view inside) {
  const bool repeats = inside.ends_with(" ...");
  if (repeats) inside.remove_suffix(4);
  const auto once = expand_syntax(inside);
  std::vector<Words> all{{}}, last{{}};
  for (int i = 0; i < (repeats ? kMaxRepeats : 1); ++i) {
    last = joined(last, once);
    all.insert(all.end(), last.begin(), last.end());
  }
  return all;
}

}  // namespace

std::vector<std::vector<std::string>> expand_syntax(std::string_view syntax) {
  std::vector<Words> forms{{}};
  for (size_t at = 0; at < syntax.size();) {
    if (syntax[at] == ' ') {
      ++at;
    } else if (syntax[at] == '[') {
      const size_t end = closing(syntax, at);
      forms = joined(forms, group_forms(syntax.substr(at + 1, end - at - 1)));
      at = end + 1;
    } else {
      const size_t end = std::min(syntax.find(' ', at), syntax.size());
      forms = joined(forms, {{std::string(syntax.substr(at, end - at))}});
      at = end;
    }
  }
  return forms;
}

}  // namespace culvert::shell
