// What the NIC has counted, brought to where readers see it: a bounded number of queries a turn, round and
// round.
#include <algorithm>

#include "offload/engine.hpp"

namespace culvert::offload {

namespace {
using namespace std::chrono_literals;
constexpr Duration kCounterPeriod = 100ms;
constexpr size_t kCounterBudget = 4096;  // queries a period
constexpr size_t kCounterTurn = 256;     // and in one turn
}  // namespace

void Engine::read_counters(TimePoint now) {
  if (now >= next_counters_) {
    next_counters_ = now + kCounterPeriod;
    counting_left_ = kCounterBudget;
  }
  counting_left_ = std::min(counting_left_, counting_.size());
  for (size_t i = std::min(kCounterTurn, counting_left_); i > 0; --i, --counting_left_) {
    if (next_counting_ >= counting_.size()) next_counting_ = 0;
    read_counter(*counting_[next_counting_++]);
  }
}

// Rules with counters of their own start from zero when they are replaced: what the old one had is kept.
void Engine::read_counter(Node& node) {
  Counts now = node.past;
  bool known = true;
  const auto add = [&](const Result<Counters>& counted, Counts& last) {
    if (counted)
      last = {counted->packets, counted->bytes};
    else
      known = false;
    now.packets += last.packets;
    now.bytes += last.bytes;
  };
  if (Counts shared; node.counter != nullptr) add(node.target->queue->query_counter(node.counter), shared);
  for (Entry& entry : node.entries)
    if (entry.in.own_counter) add(node.target->queue->query(entry.in.handle), entry.counted);
  if (!known || now.packets <= node.counted.packets) return;
  const Counts more{now.packets - node.counted.packets, now.bytes - node.counted.bytes};
  node.counted = now;
  credit(node, more);
}

// Before a rule goes that has a counter of its own. What hits it from now on is not counted.
void Engine::keep_count(Entry& entry, const Installed& rule) {
  const Counts last = std::exchange(entry.counted, {});
  Node& node = *entry.node;
  if (!rule.own_counter || node.doomed) return;  // of what is deleted nobody asks any more
  const auto counted = node.target->queue->query(rule.handle);
  node.past.packets += counted ? counted->packets : last.packets;
  node.past.bytes += counted ? counted->bytes : last.bytes;
}

void Engine::credit(Node& node, const Counts& more) {
  if (node.is_source()) return leave(StationUsed{node.network, *node.mac});  // counted where they go
  const auto add = [&more](auto& to) {
    to.packets.fetch_add(more.packets, std::memory_order_relaxed);
    to.bytes.fetch_add(more.bytes, std::memory_order_relaxed);
  };
  // An encap's packets: its slot's, or, where each flow has the header, theirs.
  // (A plain NIC's were counted by the worker that marked them.)
  // One that was deleted counts no more: its number may be another's.
  const EncapRow* const row = node.encap;
  const bool is_slot = node.kind == NodeKind::slot && node.entries[0].in.form.slot == row->slot_number;
  const bool by_flow = node.flow != nullptr && row != nullptr && !node.by_slot &&
                       std::ranges::any_of(node.entries, [&](const Entry& entry) {
                         return entry.in.form.generation >= row->first;
                       });
  if (row != nullptr && row->known && (is_slot || by_flow)) add(encap_states_[row->now.id]);
  if (node.flow == nullptr) return;
  add(*node.flow);
  if (node.mac) leave(StationUsed{node.network, *node.mac});
}

}  // namespace culvert::offload
