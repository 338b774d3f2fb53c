// Where a frame's source and destination are: path table first, FDB behind it.
#include <rte_cycles.h>

#include "dataplane/worker.hpp"

namespace culvert::dataplane {

namespace {

// Two frames between the same stations, from the same place, get the same answers.
bool same_stations(const Frame& a, const Frame& b) {
  return a.source == b.source && a.destination == b.destination && a.from == b.from;
}

}  // namespace

void Worker::find_destinations(Frames& frames) {
  static_assert(PathLookup::kMost >= 2 * kBurst);
  const std::span<Frame> all = frames.all();
  std::array<StationKey, 2 * kBurst> stations;
  std::array<Where, 2 * kBurst> where;
  size_t count = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i != 0 && same_stations(all[i], all[i - 1])) continue;
    stations[count++] = all[i].source;
    stations[count++] = all[i].destination;
  }
  paths_.find({stations.data(), count}, *fdb_, stamps_.get(), pulse_, where);
  size_t next = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    Frame& frame = all[i];
    if (i != 0 && same_stations(frame, all[i - 1])) {
      frame.to = all[i - 1].to;
      continue;
    }
    if (where[next++] != frame.from) [[unlikely]]
      ask_to_learn(frame);
    const Where to = where[next++];
    frame.to = frame.destination.is_group() ? Where{} : to;
  }
}

void Worker::ask_to_learn(const Frame& frame) {
  const Network* const network = snapshot_->network(frame.source.network());
  if (network == nullptr || !network->learning) return;
  const LearnRequest request{frame.source, frame.from, pulse_.epoch};
  if (!filter_.admit(request, rte_rdtsc())) return;
  if (!learning_.push(request)) counters_.learn_dropped.add();
}

}  // namespace culvert::dataplane
