// The shell as culvert offers it: a UNIX socket that speaks shell_client/protocol.hpp, any number of sessions
// at once.
//
//   auto server = shell::Server::create(loop, api, "/run/culvert/rte.sock");
//   auto console = shell::Console::start((*server)->attach([&] { api.shutdown(); }), {.interactive = true});
//
// Control lcore only; nothing here blocks. Destroy it on that lcore too, before the loop and the Api.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "control/api.hpp"
#include "control/event_loop.hpp"
#include "shell/engine.hpp"
#include "shell/session.hpp"
#include "shell/unix_socket.hpp"

namespace culvert::shell {

struct Limits {
  size_t sessions = 32;                     // on the socket; one more is told so and closed
  size_t output_bytes = size_t{512} << 20;  // answers not read yet, of all sessions together
};

class Server {
 public:
  // Error: the path is another's, or cannot be listened on.
  static Result<std::unique_ptr<Server>> create(control::EventLoop& loop, control::Api& api,
                                                const std::string& path, const Limits& limits = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // A session within this process: the client's end of it, for any thread. `left` is called on the control
  // lcore when that end is closed.
  Result<UniqueFd> attach(std::function<void()> left);

 private:
  Server(control::EventLoop& loop, control::Api& api, UnixSocket socket, const Limits& limits);
  void accept_one();
  void pause_accepting();
  void add(UniqueFd socket, std::function<void()> left);

  control::EventLoop& loop_;
  Limits limits_;
  UnixSocket socket_;
  Engine engine_;
  SessionContext context_;
  std::unordered_map<const Session*, std::shared_ptr<Session>> sessions_;
  control::EventLoop::TimerId accept_again_ = 0;
};

}  // namespace culvert::shell
