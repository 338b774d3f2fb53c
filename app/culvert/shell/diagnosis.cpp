#include "shell/diagnosis.hpp"

#include <algorithm>

#include "base/near_match.hpp"

namespace culvert::shell {
namespace {

constexpr size_t kShownBytes = 64;  // of a word that a message repeats

std::string shown(const std::string& word) {
  return word.size() <= kShownBytes ? word : word.substr(0, kShownBytes) + "...";
}

// How many words from the first on the form takes.
size_t words_taken(const Form& form, std::span<const std::string> words) {
  size_t count = 0;
  while (count < words.size() && count < form.tokens.size() && form.tokens[count]->accepts(words[count]))
    ++count;
  return count;
}

// What the forms that take the most words want next, each once.
struct Expected {
  size_t taken = 0;
  std::vector<const Token*> next;
};

Expected expected_after(const Grammar& grammar, std::span<const std::string> words) {
  Expected expected;
  for (const Form& form : grammar.forms())
    expected.taken = std::max(expected.taken, words_taken(form, words));
  for (const Form& form : grammar.forms()) {
    if (words_taken(form, words) != expected.taken || form.tokens.size() == expected.taken) continue;
    const Token* token = form.tokens[expected.taken];
    if (std::find(expected.next.begin(), expected.next.end(), token) == expected.next.end())
      expected.next.push_back(token);
  }
  return expected;
}

}  // namespace

std::string diagnose(const Grammar& grammar, std::span<const std::string> words) {
  const Expected expected = expected_after(grammar, words);
  std::vector<std::string> literals, wanted;
  for (const Token* token : expected.next) {
    if (!token->kind) literals.emplace_back(token->word);
    wanted.push_back(token->expects());
  }
  const bool complete = expected.taken == words.size();
  const std::string wrong = complete ? "" : words[expected.taken];
  if (expected.taken == 0)
    return fmt::format("unknown command '{}'; {}try help", shown(wrong), did_you_mean(wrong, literals));

  std::string before;
  for (const std::string& word : words.first(expected.taken)) before += (before.empty() ? "" : " ") + word;
  before = shown(before);
  if (complete) return fmt::format("'{}' is incomplete; expected {} next", before, fmt::join(wanted, " or "));
  if (wanted.empty())
    return fmt::format("'{}' is too much after '{}'; expected nothing more", shown(wrong), before);
  return fmt::format("'{}' does not fit after '{}'; {}expected {}", shown(wrong), before,
                     did_you_mean(wrong, literals), fmt::join(wanted, " or "));
}

}  // namespace culvert::shell
