// Runs and completes lines of the shell, wherever they come from. Control lcore only; nothing here blocks.
#pragma once

#include <string>
#include <string_view>

#include "shell/command.hpp"
#include "shell/grammar.hpp"

namespace culvert::shell {

class Engine {
 public:
  // `api` must outlive it.
  explicit Engine(control::Api& api);

  // Calls `reply` once: before it returns or, for `wait` and its like, later. A blank line or a comment
  // answers ok with nothing. A line that is wrong changes nothing.
  void run(std::string_view line, const Reply& reply);

  // `line` is what stands before the cursor.
  Completion complete(std::string_view line);

 private:
  control::Api& api_;
  Grammar grammar_;
};

}  // namespace culvert::shell
