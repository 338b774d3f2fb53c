#include "shell_client/line_editor.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <new>

#include "shell_client/lines.hpp"

namespace culvert::shell {
namespace {

constexpr int kHistoryLines = 1000;

}  // namespace

LineEditor::LineEditor(Client& client, const char* prompt, bool owns_process)
    : client_(client),
      prompt_(prompt),
      edit_(el_init("culvert", stdin, stdout, stderr)),
      history_(history_init()) {
  if (!edit_ || !history_) throw std::bad_alloc();
  HistEvent ignored;
  history(history_.get(), &ignored, H_SETSIZE, kHistoryLines);
  history(history_.get(), &ignored, H_SETUNIQUE, 1);
  el_set(edit_.get(), EL_CLIENTDATA, this);
  el_set(edit_.get(), EL_PROMPT, &LineEditor::prompt);
  el_set(edit_.get(), EL_EDITOR, "emacs");
  el_set(edit_.get(), EL_SIGNAL, owns_process ? 1 : 0);
  el_set(edit_.get(), EL_HIST, history, history_.get());
  el_set(edit_.get(), EL_GETCFN, &LineEditor::read_character);
  el_set(edit_.get(), EL_ADDFN, "culvert-complete", "Complete the word", &LineEditor::complete);
  el_set(edit_.get(), EL_BIND, "^I", "culvert-complete", nullptr);
  el_set(edit_.get(), EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

std::optional<std::string> LineEditor::read() {
  int count = 0;
  const char* text = el_gets(edit_.get(), &count);
  if (!text || count <= 0) return std::nullopt;
  std::string line(text, static_cast<size_t>(count));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  HistEvent ignored;
  if (line.find_first_not_of(" \t") != std::string::npos)
    history(history_.get(), &ignored, H_ENTER, line.c_str());
  return line;
}

LineEditor& LineEditor::self(EditLine* edit) {
  void* data = nullptr;
  el_get(edit, EL_CLIENTDATA, &data);
  return *static_cast<LineEditor*>(data);
}

char* LineEditor::prompt(EditLine* edit) { return self(edit).prompt_.data(); }

// Commands are ASCII: other bytes become question marks, which no command has.
int LineEditor::read_character(EditLine* edit, wchar_t* character) {
  if (!wait_ready(STDIN_FILENO, POLLIN, self(edit).client_.fd())) return 0;
  unsigned char byte = 0;
  ssize_t got;
  do got = ::read(STDIN_FILENO, &byte, 1);
  while (got < 0 && errno == EINTR);
  *character = byte < 0x80 ? byte : L'?';
  return got == 1 ? 1 : 0;
}

unsigned char LineEditor::complete(EditLine* edit, int) {
  const LineInfo* line = el_line(edit);
  const std::string before(line->buffer, line->cursor);
  const Suggestions suggestions = self(edit).client_.complete(before);
  if (!suggestions.append.empty())
    return el_insertstr(edit, suggestions.append.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  if (suggestions.choices.empty()) return CC_REFRESH_BEEP;
  std::string list = "\n";
  for (const std::string& choice : suggestions.choices) list += choice + "  ";
  list += suggestions.choices.size() == kMaxChoices ? "...\n" : "\n";
  std::fflush(stdout);
  write_text(STDOUT_FILENO, list, self(edit).client_.fd());
  return CC_REDISPLAY;
}

}  // namespace culvert::shell
