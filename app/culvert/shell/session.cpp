#include "shell/session.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace culvert::shell {
namespace {

constexpr size_t kReadBytes = 16384;                     // in one turn of the loop
constexpr size_t kWriteBytes = 262144;                   // in one turn of the loop
constexpr size_t kMaxRequestBytes = kMaxLineBytes + 16;  // with its verb
constexpr std::string_view kRun = "run", kComplete = "complete";

bool would_block() { return errno == EAGAIN || errno == EINTR; }

std::string text_of(const Completion& completion) {
  std::string text = completion.append + "\n";
  for (const std::string& choice : completion.choices) text += choice + "\n";
  return text;
}

}  // namespace

Session::Session(SessionContext& context, UniqueFd socket, std::function<void(const Session&)> closed)
    : context_(context), socket_(std::move(socket)), closed_(std::move(closed)) {}

Session::~Session() {
  if (stream_) context_.loop.remove_fd(stream_->fd());
  if (socket_) context_.loop.remove_fd(socket_.get());
  context_.output_bytes -= output_.size();
}

void Session::start() {
  context_.loop.add_fd(socket_.get(), EPOLLIN, [weak = weak_from_this()](uint32_t events) {
    if (const auto session = weak.lock()) session->on_event(events);
  });
}

void Session::on_event(uint32_t events) {
  if (running_) {  // nothing is waited for: only a hang-up is told
    if (events & (EPOLLHUP | EPOLLERR)) close();
    return;
  }
  if (!output_.empty()) {
    if (!flush()) return close();
  } else if (stream_) {  // any line ends it
    if (!read_some()) return close();
    if (has_request()) input_.erase(0, input_.find('\n') + 1), end_stream({});
  } else {
    if (!has_request() && !read_some()) return close();
    if (has_request()) run_next();
  }
  wait_for_more();
}

// False: the client has gone.
bool Session::read_some() {
  char bytes[kReadBytes];
  const ssize_t got = ::recv(socket_.get(), bytes, sizeof(bytes), 0);
  if (got <= 0) return got < 0 && would_block();
  input_.append(bytes, static_cast<size_t>(got));
  if (!has_request() && input_.size() > kMaxRequestBytes) {
    input_.clear();
    input_cut_ = true;
  }
  return true;
}

// False: the client has gone.
bool Session::flush() {
  const size_t bytes = std::min(output_.size() - sent_, kWriteBytes);
  const ssize_t sent = ::send(socket_.get(), output_.data() + sent_, bytes, MSG_NOSIGNAL);
  if (sent < 0) return would_block();
  sent_ += static_cast<size_t>(sent);
  if (sent_ < output_.size()) return true;
  context_.output_bytes -= output_.size();
  output_ = {};  // gives the memory of a long answer back
  sent_ = 0;
  return true;
}

void Session::run_next() {
  const size_t end = input_.find('\n');
  const std::string request = input_.substr(0, end);
  input_.erase(0, end + 1);
  running_ = true;
  if (!std::exchange(input_cut_, false)) return run(request);
  answer({Outcome::error, fmt::format("the line is too long; expected at most {} bytes", kMaxLineBytes)});
}

void Session::run(std::string_view request) {
  const std::string_view verb = request.substr(0, request.find(' '));
  const std::string_view line = request.substr(std::min(verb.size() + 1, request.size()));
  if (verb == kRun) {
    context_.engine.run(line, [weak = weak_from_this()](const Answer& result) {
      if (const auto session = weak.lock()) session->answer(result);
    });
  } else if (verb == kComplete) {
    answer({Outcome::ok, text_of(context_.engine.complete(line))});
  } else {
    answer({Outcome::error, "unknown request; expected 'run LINE' or 'complete LINE'"});
  }
}

void Session::answer(const Answer& answer) {
  running_ = false;
  if (!socket_) return;
  const size_t room = context_.max_output_bytes - std::min(context_.output_bytes, context_.max_output_bytes);
  if (answer.text.size() > room)
    put({Outcome::error,
         fmt::format("the answer has {} bytes, room is for {}; ask for less", answer.text.size(), room)});
  else
    put(answer);
  if (answer.stream) start_stream(answer.stream);
  if (!flush()) return close();
  wait_for_more();
}

void Session::start_stream(std::shared_ptr<control::Stream> stream) {
  stream_ = std::move(stream);
  context_.loop.add_fd(stream_->fd(), EPOLLIN, [weak = weak_from_this()](uint32_t) {
    if (const auto session = weak.lock()) session->put_from_stream();
  });
}

// Only what a client has read makes room for more: until then the stream's descriptor is not watched.
void Session::put_from_stream() {
  const Answer part{Outcome::more, stream_->read()};
  if (!part.text.empty()) put(part);
  if (stream_->ended()) end_stream({Outcome::error, stream_->reason()});
  if (!flush()) return close();
  wait_for_more();
}

void Session::end_stream(const Answer& last) {
  context_.loop.remove_fd(stream_->fd());
  stream_ = nullptr;
  put(last);
}

void Session::put(const Answer& answer) {
  const std::string head = fmt::format("{} {}\n", outcome_word(answer.outcome), answer.text.size());
  output_ += head + answer.text;
  context_.output_bytes += head.size() + answer.text.size();
}

// A request that is already here is run in the next turn, so that others have theirs in between.
void Session::wait_for_more() {
  if (!socket_) return;
  if (stream_) context_.loop.change_fd(stream_->fd(), output_.empty() ? EPOLLIN : 0u);
  const uint32_t ready = !output_.empty() || has_request() ? EPOLLOUT : EPOLLIN;
  context_.loop.change_fd(socket_.get(), running_ ? 0u : ready);
}

void Session::close() {
  if (!socket_) return;
  if (stream_) context_.loop.remove_fd(stream_->fd());
  stream_ = nullptr;
  context_.loop.remove_fd(socket_.get());
  socket_ = {};
  if (const auto closed = std::exchange(closed_, nullptr)) closed(*this);
}

}  // namespace culvert::shell
