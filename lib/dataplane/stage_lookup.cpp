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
  const std::span<Frame> all = frames.all();
  for (size_t i = 0; i < all.size(); ++i) {
    if (i != 0 && same_stations(all[i], all[i - 1])) continue;
    paths_.prefetch(all[i].source);
    paths_.prefetch(all[i].destination);
  }
  for (size_t i = 0; i < all.size(); ++i) {
    Frame& frame = all[i];
    if (i != 0 && same_stations(frame, all[i - 1])) {
      frame.to = all[i - 1].to;
      continue;
    }
    if (look_up(frame.source) != frame.from) [[unlikely]]
      ask_to_learn(frame);
    frame.to = frame.destination.is_group() ? Where{} : look_up(frame.destination);
  }
}

Where Worker::look_up(StationKey station) {
  const Where where = paths_.find(station, pulse_.epoch);
  if (!where.is_nowhere()) [[likely]]
    return where;
  return look_up_fdb(station);
}

// The first use in this epoch: the FDB's answer is kept, and its row is marked as used.
Where Worker::look_up_fdb(StationKey station) {
  const auto value = shared_.fdb->find(station);
  if (!value) return {};
  const FdbValue found = FdbValue::unpack(*value);
  stamps_[found.row].store(pulse_.now_s, std::memory_order_relaxed);
  paths_.insert(station, found.where, pulse_.epoch);
  return found.where;
}

void Worker::ask_to_learn(const Frame& frame) {
  const Network* const network = snapshot_->network(frame.source.network());
  if (network == nullptr || !network->learning) return;
  const LearnRequest request{frame.source, frame.from};
  if (!filter_.admit(request, rte_rdtsc())) return;
  if (!learning_.push(request)) counters_.learn_dropped.add();
}

}  // namespace culvert::dataplane
