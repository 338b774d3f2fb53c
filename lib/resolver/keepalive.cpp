#include "resolver/keepalive.hpp"

#include <algorithm>

namespace culvert::resolver {

using namespace std::chrono_literals;

namespace {
constexpr Duration kShortest = 100ms;  // the NIC's counters are no fresher
}  // namespace

void Keepalive::set(EncapId id, const std::optional<NeighbourKey>& key, TimePoint now) {
  if (const auto before = of_encap_.find(id); before != of_encap_.end()) {
    if (key && before->second == *key) return;
    watches_.at(before->second).seen.erase(id);  // run() drops a watch without encaps
    of_encap_.erase(before);
  }
  if (!key) return;
  of_encap_.emplace(id, *key);
  auto [watch, is_new] = watches_.try_emplace(*key);
  watch->second.seen[id] = world_.packets(id);
  if (is_new) due_.emplace(now + period(*key), *key);
}

void Keepalive::run(TimePoint now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const NeighbourKey key = due_.extract(due_.begin()).mapped();
    const auto watch = watches_.find(key);
    if (watch->second.seen.empty()) {
      watches_.erase(watch);
      continue;
    }
    look(key, watch->second);
    due_.emplace(now + period(key), key);
  }
}

Duration Keepalive::period(const NeighbourKey& key) const {
  return std::max<Duration>(world_.delay_probe(key) / 2, kShortest);
}

void Keepalive::look(const NeighbourKey& key, Watch& watch) {
  std::optional<EncapId> moved;
  for (auto& [id, seen] : watch.seen) {
    const uint64_t packets = world_.packets(id);
    if (packets != std::exchange(seen, packets)) moved = id;
  }
  if (moved) world_.used(key, *moved);
}

}  // namespace culvert::resolver
