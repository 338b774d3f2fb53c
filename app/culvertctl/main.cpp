// culvertctl: the shell of a running culvert, from outside.
#include <getopt.h>

#include <cstdio>
#include <string>

#include "shell_client/interactive.hpp"

namespace {

using namespace culvert::shell;

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

constexpr const char* kUsage = R"(usage: culvertctl [--socket PATH] [COMMAND ...]

Runs one command of culvert's shell, prints its answer and exits 0, or prints the error on stderr and exits 1.
Without a command: an interactive shell, or, when stdin is no terminal, the lines of stdin (exit 1 if one failed).
`culvertctl help` lists the commands.

  -s, --socket PATH   the socket of culvert's shell (default %s: /run/culvert/<EAL file prefix>.sock)
  -h, --help
  -V, --version
)";

int fail(const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return kExitFailed;
}

int run_one(Client& client, const std::string& line) {
  const auto answer = client.run(line, printer(client));
  if (!answer) return fail(answer.error().message);
  return print_answer(*answer, "", -1) ? 0 : kExitFailed;
}

int run_many(Client& client) {
  const Outcomes outcomes = run_interactive(client, true);
  if (outcomes.ending == Ending::lost) return fail("culvert has closed the session; is it still running?");
  // At a terminal the person has seen the errors.
  return outcomes.failed > 0 && !outcomes.by_hand ? kExitFailed : 0;
}

}  // namespace

int main(int argc, char** argv) {
  static const option kOptions[] = {{"socket", required_argument, nullptr, 's'},
                                    {"help", no_argument, nullptr, 'h'},
                                    {"version", no_argument, nullptr, 'V'},
                                    {}};
  std::string socket = kDefaultSocket;
  for (int option; (option = getopt_long(argc, argv, "+s:hV", kOptions, nullptr)) != -1;) {
    switch (option) {
      case 's':
        socket = optarg;
        break;
      case 'h':
        std::printf(kUsage, kDefaultSocket);
        return 0;
      case 'V':
        std::puts("culvertctl " CULVERT_VERSION);
        return 0;
      default:
        std::fputs("try culvertctl --help\n", stderr);
        return kExitUsage;
    }
  }

  std::string line;
  for (int i = optind; i < argc; ++i) line += (line.empty() ? "" : " ") + std::string(argv[i]);
  auto client = Client::connect(socket);
  if (!client) return fail(client.error().message);
  return optind < argc ? run_one(*client, line) : run_many(*client);
}
