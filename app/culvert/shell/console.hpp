// The shell on culvert's own stdin and stdout: `--cmdline-file` and `-i`. A client like any other, on a plain
// thread of its own, so that a terminal that stalls stops this thread and nothing else.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <thread>

#include "base/c_handle.hpp"
#include "base/result.hpp"

namespace culvert::shell {

struct ConsoleOptions {
  std::string cmdline_file;  // run first; empty: none
  bool interactive = false;  // then stdin
};

class Console {
 public:
  // `session` is from Server::attach; the thread closes it when it is through with the file and, if
  // interactive, when the user quits or stdin ends. All signals are blocked in it. Error: the file cannot be
  // read.
  static Result<std::unique_ptr<Console>> start(UniqueFd session, const ConsoleOptions& options);
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;
  // Ends the session and the thread, and leaves the terminal as it was. The loop need not run any more.
  ~Console();

 private:
  struct Work;
  explicit Console(std::shared_ptr<Work> work);

  std::shared_ptr<Work> work_;  // shared with the thread, which may outlive this when its terminal stalls
  std::future<void> ended_;
  std::thread thread_;
};

}  // namespace culvert::shell
