// culvert: command line, EAL, the control lcore, the shell. Exit status: 0 after a clean stop, 1 when a
// device or the kernel fails, 2 when the command line or the configuration is wrong.

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sys/signalfd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/c_handle.hpp"
#include "base/log.hpp"
#include "config/config.hpp"
#include "control/control.hpp"
#include "control/event_loop.hpp"
#include "netlink/recorder.hpp"
#include "netlink/socket.hpp"
#include "options.hpp"
#include "shell/console.hpp"
#include "shell/server.hpp"

namespace culvert {
namespace {

constexpr int kFailed = 1;
constexpr int kWrong = 2;

const Log kLog("main");

int complain(int status, const std::string& message) {
  std::fprintf(stderr, "culvert: %s\n", message.c_str());
  return status;
}

// The configuration, or nullopt when its errors have been printed.
std::optional<config::Config> load_config(const std::string& path) {
  config::Parsed parsed = config::load(path);
  for (const config::Diagnostic& diagnostic : parsed.errors)
    std::fprintf(stderr, "%s\n", diagnostic.to_string().c_str());
  for (const config::Diagnostic& warning : parsed.warnings)
    std::fprintf(stderr, "%s\n", warning.to_string().c_str());
  if (!parsed.errors.empty()) return std::nullopt;
  return std::move(parsed.config);
}

// EAL takes argv for itself and may reorder it: it gets copies that live as long as the process.
int start_eal(std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  return rte_eal_init(static_cast<int>(arguments.size()), argv.data());
}

UniqueFd block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // inherited by every thread that EAL starts
  std::signal(SIGPIPE, SIG_IGN);
  return UniqueFd(::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
}

// `control` is null while culvert starts.
void on_signal(control::EventLoop& loop, int fd, control::Control* control) {
  signalfd_siginfo info;
  while (::read(fd, &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo != SIGHUP) {
      loop.stop();
    } else if (control == nullptr) {
      kLog.warning("SIGHUP: culvert is only starting; send it again when it is ready");
    } else {
      control->reload([](const Status& reloaded) {
        if (!reloaded) kLog.error("SIGHUP: {}", reloaded.error().message);
      });
    }
  }
}

int run(const Options& options, const config::Config& config, const netlink::Open& kernel, int signals) {
  std::vector<unsigned> workers;
  unsigned lcore;
  RTE_LCORE_FOREACH_WORKER(lcore) workers.push_back(lcore);
  if (workers.empty())
    return complain(kWrong,
                    "one lcore controls and at least one forwards: give EAL two, as -l 0,1 or, on one core, "
                    "--lcores 0@0,1@0");

  control::EventLoop loop;
  control::Control* ready = nullptr;
  loop.add_fd(signals, EPOLLIN, [&](uint32_t) { on_signal(loop, signals, ready); });
  auto control = control::Control::create(loop, config, options.config, workers, kernel);
  if (!control) return complain(kFailed, control.error().message);
  ready = control->get();
  auto server = shell::Server::create(loop, **control, socket_path(options));
  if (!server) return complain(kFailed, server.error().message);

  std::printf("culvert: ready\n");
  std::fflush(stdout);
  std::unique_ptr<shell::Console> console;
  if (options.interactive || !options.cmdline_file.empty()) {
    auto session = (*server)->attach([&] {
      if (options.interactive) loop.stop();
    });
    if (!session) return complain(kFailed, session.error().message);
    auto started = shell::Console::start(
        std::move(*session), {.cmdline_file = options.cmdline_file, .interactive = options.interactive});
    if (!started) return complain(kWrong, started.error().message);
    console = std::move(*started);
  }
  loop.run();
  return 0;
}

}  // namespace

int main(const std::vector<std::string>& argv) {
  const auto options = parse_command_line(argv);
  if (!options) return complain(kWrong, options.error().message);
  switch (options->action) {
    case Options::Action::version:
      std::printf("culvert %s\n", CULVERT_VERSION);
      return 0;
    case Options::Action::help:
      std::fputs(usage().c_str(), stdout);
      return 0;
    case Options::Action::check:
      return load_config(options->config) ? 0 : kWrong;
    case Options::Action::run:
      break;
  }
  const auto config = load_config(options->config);
  if (!config) return kWrong;

  netlink::Open kernel = netlink::Socket::open_channel;
  if (!options->record.empty()) {
    auto recorded = netlink::record(options->record, kernel);
    if (!recorded) return complain(kWrong, recorded.error().message);
    kernel = std::move(*recorded);
  }

  const UniqueFd signals = block_signals();
  std::vector<std::string> eal = options->eal;
  if (start_eal(eal) < 0)
    return complain(rte_errno == EINVAL ? kWrong : kFailed,
                    "EAL did not start: " + errno_text(rte_errno) + "; its messages above say why");
  const int status = run(*options, *config, kernel, signals.get());
  rte_eal_cleanup();
  return status;
}

}  // namespace culvert

int main(int argc, char** argv) { return culvert::main(std::vector<std::string>(argv, argv + argc)); }
