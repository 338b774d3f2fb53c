#include "shell_client/lines.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "shell_client/protocol.hpp"

namespace culvert::shell {
namespace {

// A descriptor that polls as writable takes at least this much without blocking: a pipe's PIPE_BUF, and the
// room that a terminal keeps.
constexpr size_t kWriteBytes = 256;
constexpr size_t kReadBytes = 4096;

}  // namespace

bool wait_ready(int fd, short events, int session) {
  pollfd fds[] = {{fd, events, 0}, {session, 0, 0}};  // a hang-up is always reported
  while (true) {
    const int count = ::poll(fds, 2, -1);
    if (count < 0 && errno != EINTR) return false;
    if (count <= 0) continue;
    if (fds[1].revents != 0) return false;
    if (fds[0].revents != 0) return true;
  }
}

bool is_hung_up(int session) {
  pollfd fd{session, 0, 0};
  return ::poll(&fd, 1, 0) == 1;
}

void write_text(int fd, std::string_view text, int session) {
  while (!text.empty() && wait_ready(fd, POLLOUT, session)) {
    const ssize_t written = ::write(fd, text.data(), std::min(text.size(), kWriteBytes));
    if (written < 0 && errno != EINTR && errno != EAGAIN) return;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
}

std::optional<std::string> LineReader::next() {
  std::string line;
  while (true) {
    const size_t end = input_.find('\n');
    line.append(input_, 0, end);
    line.resize(std::min(line.size(), kMaxLineBytes + 1));
    input_.erase(0, end == std::string::npos ? end : end + 1);
    if (end != std::string::npos) return line;
    if (!fill()) return line.empty() ? std::nullopt : std::optional(line);
  }
}

bool LineReader::fill() {
  while (!ended_ && wait_ready(fd_, POLLIN, session_)) {
    input_.resize(kReadBytes);
    const ssize_t got = ::read(fd_, input_.data(), kReadBytes);
    const bool again = got < 0 && (errno == EINTR || errno == EAGAIN);
    input_.resize(got > 0 ? static_cast<size_t>(got) : 0);
    if (got > 0) return true;
    if (!again) ended_ = true;
  }
  ended_ = true;
  return false;
}

}  // namespace culvert::shell
