// For the tests of lib/config.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace culvert::config {

inline std::string text_of(const std::vector<Diagnostic>& errors) {
  std::string text;
  for (const Diagnostic& error : errors) text += error.to_string() + "\n";
  return text;
}

}  // namespace culvert::config
