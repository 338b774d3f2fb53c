// Replays a mirror's recording, and compares with what the recorded mirror told.
#pragma once

#include <unistd.h>

#include "mirror_lab.hpp"
#include "netlink/recorder.hpp"
#include "replay/replay.hpp"

namespace culvert::mirror {

// A file that goes with it.
struct RecordingPath {
  const std::string path = fmt::format("/tmp/culvert-replay-test.{}", ::getpid());
  ~RecordingPath() { std::filesystem::remove(path); }
  netlink::Open opener(netlink::Open open = netlink::Socket::open_channel) const {
    auto recorded = netlink::record(path, std::move(open));
    EXPECT_TRUE(recorded) << recorded.error().message;
    return std::move(*recorded);
  }
};

// The recorded mirror, ended here, had `replica` as a listener from its beginning: the replayed one tells the
// same, in the same order, and ends as it did. `at_leisure` false: the recorded one was interrupted while it
// applied what it had read, which is no matter of the kernel's and not recorded; only the end is the same.
inline void expect_replays(const RecordingPath& recorded, std::unique_ptr<Mirror> mirror,
                           const Replica& replica, Options options = {}, bool at_leisure = true) {
  const auto state = lines(*mirror);
  const Stats stats = mirror->stats();
  mirror.reset();
  const auto recording = netlink::Recording::read(recorded.path);
  ASSERT_TRUE(recording) << recording.error().message;
  replay::Replay replay(*recording);
  options.open = replay.opener();
  Replica seen;
  seen.allows_twins = replica.allows_twins;
  const auto replayed = Mirror::create(options);
  ASSERT_TRUE(replayed) << replayed.error().message;
  (*replayed)->subscribe(seen);
  while (replay.step(**replayed)) {
  }
  EXPECT_EQ(lines(**replayed), state);
  expect_replica(**replayed, seen);
  if (!at_leisure) return;
  EXPECT_TRUE(seen.deltas == replica.deltas) << seen.deltas.size() << " and " << replica.deltas.size();
  const Stats other = (*replayed)->stats();
  EXPECT_EQ(std::tie(other.epoch, other.resyncs, other.overruns, other.malformed, other.checks,
                     other.corrections, other.consistent),
            std::tie(stats.epoch, stats.resyncs, stats.overruns, stats.malformed, stats.checks,
                     stats.corrections, stats.consistent));
}

}  // namespace culvert::mirror
