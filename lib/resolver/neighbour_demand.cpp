#include "resolver/neighbour_demand.hpp"

#include <algorithm>

namespace culvert::resolver {

void NeighbourDemand::add(const NeighbourKey& key, TimePoint now) {
  auto [entry, inserted] = waits_.try_emplace(key, Wait{0, kFirstRetry, {}});
  ++entry->second.encaps;
  if (!inserted) return;
  schedule(key, entry->second, now + kFirstRetry);
  ask_(key);
}

void NeighbourDemand::remove(const NeighbourKey& key) {
  const auto entry = waits_.find(key);
  if (entry == waits_.end() || --entry->second.encaps > 0) return;
  unschedule(key, entry->second);
  waits_.erase(entry);
}

std::optional<TimePoint> NeighbourDemand::next() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

void NeighbourDemand::run(TimePoint now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const NeighbourKey key = due_.begin()->second;
    Wait& wait = waits_.at(key);
    unschedule(key, wait);
    wait.retry = std::min(2 * wait.retry, kLastRetry);
    schedule(key, wait, now + wait.retry);
    ask_(key);
  }
}

void NeighbourDemand::schedule(const NeighbourKey& key, Wait& wait, TimePoint due) {
  wait.due = due;
  due_.emplace(due, key);
}

void NeighbourDemand::unschedule(const NeighbourKey& key, const Wait& wait) {
  const auto [first, last] = due_.equal_range(wait.due);
  due_.erase(std::find_if(first, last, [&key](const auto& entry) { return entry.second == key; }));
}

}  // namespace culvert::resolver
