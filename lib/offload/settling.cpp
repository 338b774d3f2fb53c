// When a node is settled: all of it is in the NIC, out of it or refused; and what waits for that.
#include <algorithm>
#include <bit>

#include "offload/engine.hpp"

namespace culvert::offload {

void Engine::settle(Node& node, uint64_t since) {
  const bool settled = node.is_settled();
  if (!settled) return settle_later(node, since);
  if (node.doomed && node.flow != nullptr) look_whether_gone(*node.flow);
  const uint64_t began = node.settling;
  if (node.flow != nullptr && node.flow->replaces != nullptr) perhaps_succeeds(*node.flow, began);
  if (began == 0) return;
  set_moment(node, 0);
  EncapRow* const row = node.encap;
  if (row == nullptr || --row->unsettled != 0 || !std::exchange(row->timed, false)) return;
  const auto us =
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - row->now.since).count();
  const auto bucket = std::min<size_t>(std::bit_width(static_cast<uint64_t>(us) >> 4), Latency::kBuckets - 1);
  const std::lock_guard lock(events_mutex_);
  ++latency_.buckets[bucket];
}

// What it took the place of goes.
void Engine::perhaps_succeeds(Flow& flow, uint64_t since) {
  if (std::ranges::all_of(flow.nodes, [](const auto& node) { return node->is_settled(); }))
    remove(*std::exchange(flow.replaces, nullptr), since);
}

// `since`: the moment of what unsettled it, which the barriers after that wait for; 0: now.
void Engine::settle_later(Node& node, uint64_t since) {
  if (node.settling == 0) {
    set_moment(node, since != 0 ? since : moment_);
    if (node.encap != nullptr) ++node.encap->unsettled;
  } else if (since != 0 && since < node.settling) {
    set_moment(node, since);
  }
}

void Engine::set_moment(Node& node, uint64_t moment) {
  if (moment != 0) ++settling_[moment];
  if (node.settling != 0)
    if (const auto before = settling_.find(node.settling); --before->second == 0) settling_.erase(before);
  node.settling = moment;
}

}  // namespace culvert::offload
