#include "shell_client/client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

namespace culvert::shell {
namespace {

constexpr size_t kChunkBytes = 65536;

tl::unexpected<Error> lost() { return error("culvert has closed the session; is it still running?"); }

// What makes of one line two requests, or ends it early.
bool has_line_end(std::string_view line) {
  return line.find_first_of(std::string_view("\n\0", 2)) != line.npos;
}

}  // namespace

Result<Client> Client::connect(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return error("'{}' is no path of a socket; expected 1 to {} bytes", path, sizeof(address.sun_path) - 1);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return error("cannot make a socket: {}", errno_text(errno));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return error("cannot reach culvert at {}: {}; is it running, and with that --socket or EAL file prefix?",
                 path, errno_text(errno));
  return Client(std::move(socket));
}

Result<Answer> Client::run(std::string_view line, const Print& print, int enter) {
  if (has_line_end(line))
    return Answer{Outcome::error, "the command has a line end in it; expected one line"};
  auto answer = request("run", line);
  return answer && answer->outcome == Outcome::more ? receive_parts(std::move(*answer), print, enter)
                                                    : answer;
}

Result<Answer> Client::receive_parts(Answer first, const Print& print, int enter) {
  Result<Answer> answer = std::move(first);
  while (answer && answer->outcome == Outcome::more) {
    if (print) print(*answer);
    pollfd fds[] = {{socket_.get(), POLLIN, 0}, {enter, POLLIN, 0}};
    if (input_.empty() && ::poll(fds, 2, -1) > 0 && fds[1].revents != 0) {
      char line[256];
      if (::read(enter, line, sizeof(line)) >= 0) {
        if (const auto sent = send_all("end\n"); !sent) return tl::make_unexpected(sent.error());
      }
      enter = -1;
    }
    answer = receive_answer();
  }
  return answer;
}

Suggestions Client::complete(std::string_view line) {
  Suggestions suggestions;
  const auto answer = has_line_end(line) ? Answer{} : request("complete", line);
  if (!answer || answer->outcome != Outcome::ok) return suggestions;
  std::string_view rest = answer->text;
  for (bool first = true; !rest.empty(); first = false) {
    const size_t end = rest.find('\n');
    const std::string_view text = rest.substr(0, end);
    if (first)
      suggestions.append = text;
    else
      suggestions.choices.emplace_back(text);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  }
  return suggestions;
}

Result<Answer> Client::request(std::string_view verb, std::string_view line) {
  const auto sent = send_all(fmt::format("{} {}\n", verb, line));
  // Even when the send failed there may be an answer that says why.
  auto answer = receive_answer();
  return answer || sent ? answer : tl::make_unexpected(sent.error());
}

Status Client::send_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return lost();
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

Status Client::receive_until(size_t bytes) {
  while (input_.size() < bytes) {
    const size_t before = input_.size();
    input_.resize(before + kChunkBytes);
    const ssize_t got = ::recv(socket_.get(), input_.data() + before, kChunkBytes, 0);
    const bool again = got < 0 && errno == EINTR;
    input_.resize(before + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got <= 0 && !again) return lost();
  }
  return {};
}

Result<Answer> Client::receive_answer() {
  size_t head;
  while ((head = input_.find('\n')) == std::string::npos)
    if (const auto status = receive_until(input_.size() + 1); !status)
      return tl::make_unexpected(status.error());

  const std::string_view line(input_.data(), head);
  for (const Outcome outcome : {Outcome::ok, Outcome::error, Outcome::more, Outcome::bye}) {
    const std::string word = fmt::format("{} ", outcome_word(outcome));
    size_t bytes = 0;
    if (!line.starts_with(word)) continue;
    const auto [stop, code] = std::from_chars(line.data() + word.size(), line.data() + line.size(), bytes);
    if (code != std::errc{} || stop != line.data() + line.size()) break;
    if (const auto status = receive_until(head + 1 + bytes); !status)
      return tl::make_unexpected(status.error());
    Answer answer{outcome, input_.substr(head + 1, bytes)};
    input_.erase(0, head + 1 + bytes);
    return answer;
  }
  return error("what answers there does not speak the protocol of culvert's shell");
}

}  // namespace culvert::shell
