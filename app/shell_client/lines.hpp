// Lines from and text to a file descriptor, given up when a session hangs up. Any thread, one at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace culvert::shell {

// Waits until `fd` is ready for `events` (POLLIN, POLLOUT). False: `session`, a socket, was hung up before.
bool wait_ready(int fd, short events, int session);

bool is_hung_up(int session);

// Writes all of it; gives up silently on an error or when the session hangs up. A reader that stalls blocks
// the caller until then.
void write_text(int fd, std::string_view text, int session);

class LineReader {
 public:
  // Owns neither.
  LineReader(int fd, int session) : fd_(fd), session_(session) {}

  // The next line without its end; the last one needs none. nullopt: no more, or the session was hung up. Of
  // a line longer than the shell takes only so much is kept that this still shows.
  std::optional<std::string> next();

 private:
  bool fill();

  int fd_, session_;
  std::string input_;
  bool ended_ = false;
};

}  // namespace culvert::shell
