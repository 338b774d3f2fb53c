// Runs lines through a session and prints the answers: from a file or a pipe, or from a person at a terminal.
// Blocks its thread, and nothing else.
#pragma once

#include <string>

#include "shell_client/client.hpp"

namespace culvert::shell {

enum class Ending : uint8_t {
  quit,  // the user said so
  end_of_input,
  lost,  // culvert hung up
};

struct Outcomes {
  Ending ending = Ending::end_of_input;
  size_t failed = 0;     // lines that were answered with an error
  bool by_hand = false;  // a person typed them
};

// Prints the answer on stdout, or on stderr `prefix` and "error: ...". False: it is an error.
bool print_answer(const Answer& answer, const std::string& prefix, int session);

// Prints the parts of an answer that goes on.
Client::Print printer(const Client& client);

// Every line of `fd`. `file` is named in errors ("FILE:LINE: error: ..."); empty: they are not placed.
Outcomes run_lines(Client& client, int fd, const std::string& file);

// stdin and stdout: with prompt, editing and completion if both are a terminal, else as plain lines.
// `owns_process` as in LineEditor.
Outcomes run_interactive(Client& client, bool owns_process);

}  // namespace culvert::shell
