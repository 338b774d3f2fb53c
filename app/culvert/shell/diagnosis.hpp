// What is wrong with a line that fits no form, and what would be right.
#pragma once

#include <span>
#include <string>

#include "shell/grammar.hpp"

namespace culvert::shell {

// One line. `words` is not empty.
std::string diagnose(const Grammar& grammar, std::span<const std::string> words);

}  // namespace culvert::shell
