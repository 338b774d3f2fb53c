// The kinds of argument in a syntax: what an upper-case word stands for.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/api.hpp"

namespace culvert::shell {

struct Kind {
  std::string_view word;  // as in the syntax
  std::string_view what;  // "the name of a tunnel"
  // Whether a word can be meant so; whether it is right is for the command to say, with a reason. Null: any
  // but `json`, which is no argument ever.
  bool (*accepts)(std::string_view word) = nullptr;
  // Words that may stand here, after the complete words `before`. Null: none are known.
  std::vector<std::string> (*choices)(control::Api& api, std::span<const std::string> before) = nullptr;
};

// Null: there is no such kind, the word stands for itself.
const Kind* find_kind(std::string_view word);

}  // namespace culvert::shell
