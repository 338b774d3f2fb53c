#include "shell/console.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>

#include "shell_client/client.hpp"
#include "shell_client/interactive.hpp"

namespace culvert::shell {
namespace {

// For the thread to leave a terminal that takes no more output.
constexpr auto kPatience = std::chrono::seconds(1);

Result<UniqueFd> open_file(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status;
  if (!file || ::fstat(file.get(), &status) != 0) return error("cannot read {}: {}", path, errno_text(errno));
  if (S_ISDIR(status.st_mode))
    return error("cannot read {}: it is a directory; expected a file of commands", path);
  return file;
}

}  // namespace

struct Console::Work {
  Client client;
  ConsoleOptions options;
  UniqueFd file;
  std::promise<void> ended;

  void run() {
    Outcomes outcomes;
    if (file) outcomes = run_lines(client, file.get(), options.cmdline_file);
    if (options.interactive && outcomes.ending != Ending::lost) run_interactive(client, false);
    hang_up();
    ended.set_value();
  }

  // Tells the other end, from either thread; the descriptor itself stays until nobody uses it.
  void hang_up() { ::shutdown(client.fd(), SHUT_RDWR); }
};

Result<std::unique_ptr<Console>> Console::start(UniqueFd session, const ConsoleOptions& options) {
  UniqueFd file;
  if (!options.cmdline_file.empty()) {
    auto opened = open_file(options.cmdline_file);
    if (!opened) return tl::make_unexpected(opened.error());
    file = *std::move(opened);
  }
  auto work = std::make_shared<Work>(Work{Client(std::move(session)), options, std::move(file), {}});
  return std::unique_ptr<Console>(new Console(std::move(work)));
}

Console::Console(std::shared_ptr<Work> work) : work_(std::move(work)), ended_(work_->ended.get_future()) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  thread_ = std::thread([work = work_] { work->run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Console::~Console() {
  work_->hang_up();
  if (ended_.wait_for(kPatience) == std::future_status::ready)
    thread_.join();
  else
    thread_.detach();
}

}  // namespace culvert::shell
