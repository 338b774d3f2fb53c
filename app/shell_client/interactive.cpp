#include "shell_client/interactive.hpp"

#include <unistd.h>

#include <functional>
#include <optional>

#include "shell_client/line_editor.hpp"
#include "shell_client/lines.hpp"

namespace culvert::shell {
namespace {

using NextLine = std::function<std::optional<std::string>()>;

// `enter`: where a person ends an answer that goes on.
Outcomes run_all(Client& client, const std::string& file, const NextLine& next, int enter) {
  Outcomes outcomes;
  for (size_t number = 1;; ++number) {
    const auto line = next();
    if (!line) {
      if (is_hung_up(client.fd())) outcomes.ending = Ending::lost;
      return outcomes;
    }
    const std::string prefix = file.empty() ? "" : fmt::format("{}:{}: ", file, number);
    const auto answer = client.run(*line, printer(client), enter);
    if (!answer) {
      outcomes.ending = Ending::lost;
      return outcomes;
    }
    if (!print_answer(*answer, prefix, client.fd())) ++outcomes.failed;
    if (answer->outcome == Outcome::bye) {
      outcomes.ending = Ending::quit;
      return outcomes;
    }
  }
}

}  // namespace

Client::Print printer(const Client& client) {
  return [fd = client.fd()](const Answer& part) { write_text(STDOUT_FILENO, part.text, fd); };
}

bool print_answer(const Answer& answer, const std::string& prefix, int session) {
  const bool good = answer.outcome != Outcome::error;
  if (good)
    write_text(STDOUT_FILENO, answer.text, session);
  else
    write_text(STDERR_FILENO, fmt::format("{}error: {}\n", prefix, answer.text), session);
  return good;
}

Outcomes run_lines(Client& client, int fd, const std::string& file) {
  LineReader reader(fd, client.fd());
  return run_all(
      client, file, [&] { return reader.next(); }, -1);
}

Outcomes run_interactive(Client& client, bool owns_process) {
  if (!::isatty(STDIN_FILENO) || !::isatty(STDOUT_FILENO)) return run_lines(client, STDIN_FILENO, "");
  LineEditor editor(client, "culvert> ", owns_process);
  Outcomes outcomes = run_all(
      client, "", [&] { return editor.read(); }, STDIN_FILENO);
  outcomes.by_hand = true;
  if (outcomes.ending == Ending::end_of_input) write_text(STDOUT_FILENO, "\n", -1);
  return outcomes;
}

}  // namespace culvert::shell
