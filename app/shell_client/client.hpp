// A session with culvert's shell, from the client's side. One thread; calls block until culvert answers.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/c_handle.hpp"
#include "base/result.hpp"
#include "shell_client/protocol.hpp"

namespace culvert::shell {

struct Suggestions {
  std::string append;  // goes on for sure
  std::vector<std::string> choices;
};

class Client {
 public:
  // A connected stream socket.
  explicit Client(UniqueFd socket) : socket_(std::move(socket)) {}
  // The error names the path and what to do.
  static Result<Client> connect(const std::string& path);

  // Runs a line. Error: the session is lost; what the command itself has to complain of is in the answer.
  // An answer that goes on (Outcome::more) is handed to `print` part by part; it ends when a line can be read
  // from `enter` (-1: never), which is read.
  using Print = std::function<void(const Answer& part)>;
  Result<Answer> run(std::string_view line, const Print& print = {}, int enter = -1);
  // Nothing when the session is lost.
  Suggestions complete(std::string_view line);

  // To poll for a hang-up while waiting for something else.
  int fd() const { return socket_.get(); }

 private:
  Result<Answer> request(std::string_view verb, std::string_view line);
  Status send_all(std::string_view bytes);
  Result<Answer> receive_parts(Answer first, const Print& print, int enter);
  Status receive_until(size_t bytes);
  Result<Answer> receive_answer();

  UniqueFd socket_;
  std::string input_;  // received and not taken yet
};

}  // namespace culvert::shell
