// One client of the shell. Control lcore only.
//
// A session works on one request at a time and takes the next when the answer to the last is sent: what it
// keeps is bounded by a line and an answer, and a client that does not read, or sends half a line, waits for
// itself alone.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/c_handle.hpp"
#include "control/event_loop.hpp"
#include "shell/engine.hpp"

namespace culvert::shell {

// What all sessions of a server share; outlives them.
struct SessionContext {
  control::EventLoop& loop;
  Engine& engine;
  size_t max_output_bytes;  // of all sessions together; a longer answer becomes an error
  size_t output_bytes = 0;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  // `closed` is called once, from within a callback of the loop, when the client has gone.
  Session(SessionContext& context, UniqueFd socket, std::function<void(const Session&)> closed);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // To be called once, after the session is in a shared_ptr.
  void start();

 private:
  void on_event(uint32_t events);
  bool read_some();
  bool flush();
  bool has_request() const { return input_.find('\n') != std::string::npos; }
  void run_next();
  void run(std::string_view request);
  void answer(const Answer& answer);
  void put(const Answer& answer);
  void start_stream(std::shared_ptr<control::Stream> stream);
  void put_from_stream();
  void end_stream(const Answer& last);
  void wait_for_more();
  void close();

  SessionContext& context_;
  UniqueFd socket_;  // none: closed
  std::function<void(const Session&)> closed_;
  std::string input_;
  bool input_cut_ = false;  // the beginning of a line that is too long was dropped
  std::string output_;
  size_t sent_ = 0;                          // of output_
  std::shared_ptr<control::Stream> stream_;  // of an answer that goes on
  bool running_ = false;                     // a command has not answered yet
};

}  // namespace culvert::shell
