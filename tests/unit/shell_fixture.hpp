// A shell server on a fake Api, with a socket of its own, and clients of it. The loop runs on the test's
// thread, turn by turn, unless the test gives it one.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "fake_api.hpp"
#include "shell/server.hpp"
#include "shell_client/client.hpp"

namespace culvert::shell {

using namespace std::chrono_literals;

// A client that never blocks: what it gets is looked at between turns of the loop.
class RawClient {
 public:
  explicit RawClient(UniqueFd fd) : fd_(std::move(fd)) {}

  bool send(const std::string& text) {
    return ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(text.size());
  }
  // What has come so far. `closed` when the server has hung up.
  const std::string& received() {
    char bytes[65536];
    ssize_t got;
    while ((got = ::recv(fd_.get(), bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
      received_.append(bytes, static_cast<size_t>(got));
    closed = closed || got == 0;
    return received_;
  }
  // The answers that have come in full; they are taken.
  std::vector<Answer> answers() {
    received();
    std::vector<Answer> result;
    for (size_t head; (head = received_.find('\n')) != std::string::npos;) {
      const size_t space = received_.find(' ');
      const size_t bytes = std::stoul(received_.substr(space + 1));
      if (received_.size() < head + 1 + bytes) break;
      Outcome outcome = Outcome::error;
      for (const Outcome known : {Outcome::ok, Outcome::bye})
        if (received_.substr(0, space) == outcome_word(known)) outcome = known;
      result.push_back({outcome, received_.substr(head + 1, bytes)});
      received_.erase(0, head + 1 + bytes);
    }
    return result;
  }
  void hang_up() { fd_ = UniqueFd(); }

  bool closed = false;

 private:
  UniqueFd fd_;
  std::string received_;
};

class ShellTest : public testing::Test {
 protected:
  explicit ShellTest(const Limits& limits = {})
      : path_(testing::TempDir() + fmt::format("culvert_shell_{}.sock", getpid())) {
    auto made = Server::create(loop_, api_, path_, limits);
    if (!made) throw std::runtime_error(made.error().message);
    server_ = *std::move(made);
  }

  RawClient attach(std::function<void()> left = nullptr) {
    return RawClient(*server_->attach(std::move(left)));
  }

  // Turns the loop until `done`; not for ever.
  bool turn_until(const std::function<bool()>& done) {
    const TimePoint end = Clock::now() + 30s;
    while (!done()) {
      if (Clock::now() > end) return false;
      loop_.turn(5ms);
    }
    return true;
  }

  Answer ask(RawClient& client, const std::string& request) {
    EXPECT_TRUE(client.send(request + "\n"));
    std::vector<Answer> answers;
    EXPECT_TRUE(turn_until([&] { return !(answers = client.answers()).empty() || client.closed; }))
        << request;
    EXPECT_EQ(answers.size(), 1u) << request;
    return answers.empty() ? Answer{Outcome::error, "no answer"} : answers[0];
  }
  Answer run(const std::string& line) {
    RawClient client = attach();
    return ask(client, "run " + line);
  }
  nlohmann::ordered_json run_json(const std::string& line) {
    const Answer answer = run(line);
    EXPECT_EQ(answer.outcome, Outcome::ok) << line << ": " << answer.text;
    return nlohmann::ordered_json::parse(answer.text);
  }

  control::EventLoop loop_;
  control::FakeApi api_;
  std::string path_;
  std::unique_ptr<Server> server_;
};

}  // namespace culvert::shell
