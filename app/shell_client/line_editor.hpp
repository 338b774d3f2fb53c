// Line editing, history and completion on the terminal at stdin and stdout, by libedit. One thread.
#pragma once

#include <histedit.h>

#include <functional>
#include <optional>
#include <string>

#include "base/c_handle.hpp"
#include "shell_client/client.hpp"

namespace culvert::shell {

class LineEditor {
 public:
  // Completes through `client` and gives up when its session hangs up; `client` must outlive it.
  // `owns_process`: handle signals, so that a deadly one leaves the terminal as it was; not where others
  // handle them.
  LineEditor(Client& client, const char* prompt, bool owns_process);
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The next line without its end. nullopt: end of input or hang-up.
  std::optional<std::string> read();

 private:
  static int read_character(EditLine* edit, wchar_t* character);
  static unsigned char complete(EditLine* edit, int key);
  static char* prompt(EditLine* edit);
  static LineEditor& self(EditLine* edit);

  Client& client_;
  std::string prompt_;
  CHandle<EditLine, el_end> edit_;
  CHandle<History, history_end> history_;
};

}  // namespace culvert::shell
