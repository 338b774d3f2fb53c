#include "shell/server.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/log.hpp"

namespace culvert::shell {
namespace {

const Log kLog("shell");
constexpr auto kAcceptPause = std::chrono::seconds(1);

}  // namespace

Result<std::unique_ptr<Server>> Server::create(control::EventLoop& loop, control::Api& api,
                                               const std::string& path, const Limits& limits) {
  auto socket = UnixSocket::listen(path);
  if (!socket) return tl::make_unexpected(socket.error());
  return std::unique_ptr<Server>(new Server(loop, api, *std::move(socket), limits));
}

Server::Server(control::EventLoop& loop, control::Api& api, UnixSocket socket, const Limits& limits)
    : loop_(loop),
      limits_(limits),
      socket_(std::move(socket)),
      engine_(api),
      context_{loop, engine_, limits.output_bytes} {
  loop_.add_fd(socket_.fd(), EPOLLIN, [this](uint32_t) { accept_one(); });
}

Server::~Server() {
  loop_.cancel(accept_again_);
  loop_.remove_fd(socket_.fd());
}

void Server::accept_one() {
  UniqueFd client(::accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!client) {
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) pause_accepting();
    return;
  }
  if (sessions_.size() < limits_.sessions) return add(std::move(client), nullptr);
  const std::string text = fmt::format("there are {} sessions already; leave one of them", limits_.sessions);
  const std::string reply = fmt::format("{} {}\n{}", outcome_word(Outcome::error), text.size(), text);
  ::send(client.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
}

// Out of descriptors: the loop would call again at once, for ever.
void Server::pause_accepting() {
  kLog.warning("cannot accept a session: {}", errno_text(errno));
  loop_.change_fd(socket_.fd(), 0);
  accept_again_ = loop_.at(Clock::now() + kAcceptPause, [this] { loop_.change_fd(socket_.fd(), EPOLLIN); });
}

void Server::add(UniqueFd socket, std::function<void()> left) {
  const auto session = std::make_shared<Session>(context_, std::move(socket),
                                                 [this, left = std::move(left)](const Session& closed) {
                                                   sessions_.erase(&closed);
                                                   if (left) left();
                                                 });
  sessions_.emplace(session.get(), session);
  session->start();
}

Result<UniqueFd> Server::attach(std::function<void()> left) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return error("cannot make a session of the shell: {}", errno_text(errno));
  UniqueFd ours(ends[0]), theirs(ends[1]);
  if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0)
    return error("cannot make a session of the shell: {}", errno_text(errno));
  add(std::move(ours), std::move(left));
  return theirs;
}

}  // namespace culvert::shell
