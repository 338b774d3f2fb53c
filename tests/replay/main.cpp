// culvert-replay FILE: feeds a recording of `culvert --record` to the mirror of this build, and prints what
// `monitor` would have told, each line with the seconds since the recording began; at the end the state of
// the mirror. The mirror's own log goes to stderr. Exit status 1: the file is no recording, or the mirror
// does not end consistent.
#include <cstdio>
#include <string>

#include "control/monitor.hpp"
#include "replay/replay.hpp"

namespace culvert {
namespace {

int fail(const std::string& message) {
  std::fprintf(stderr, "culvert-replay: %s\n", message.c_str());
  return 1;
}

void print(const std::string& lines, Duration elapsed) {
  const double seconds = std::chrono::duration<double>(elapsed).count();
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = lines.find('\n', begin);
    std::printf("%12.6f  %s\n", seconds, lines.substr(begin, end - begin).c_str());
    begin = end + 1;
  }
}

int run(const char* path) {
  const auto recording = netlink::Recording::read(path);
  if (!recording) return fail(recording.error().message);
  replay::Replay replay(*recording);
  const auto mirror = mirror::Mirror::create({.open = replay.opener()});
  if (!mirror) return fail(mirror.error().message);
  const std::map<uint32_t, std::string> table_names{{253, "default"}, {254, "main"}, {255, "local"}};
  const auto monitor = control::Monitor::create(**mirror, table_names);
  if (!monitor) return fail(monitor.error().message);
  while (replay.step(**mirror))
    for (std::string lines; !(lines = (*monitor)->read()).empty();) print(lines, replay.elapsed());

  const mirror::Stats stats = (*mirror)->stats();
  std::printf("# %s\n# epoch %lu, %lu resyncs, %lu overruns, %lu checks, %lu corrections, %lu malformed\n",
              stats.state.c_str(), stats.epoch, stats.resyncs, stats.overruns, stats.checks,
              stats.corrections, stats.malformed);
  std::printf("# %zu links, %zu addresses, %zu neighbours, %zu nexthops, %zu rules, %zu routes\n",
              stats.links, stats.addresses, stats.neighbours, stats.nexthops, stats.rules, stats.routes);
  return stats.consistent ? 0 : 1;
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  if (argc == 2) return culvert::run(argv[1]);
  std::fprintf(stderr, "usage: %s FILE\n", argv[0]);
  return 2;
}
