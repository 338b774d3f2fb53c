#include "dataplane/state.hpp"

#include <algorithm>
#include <utility>

namespace culvert::dataplane {

Status Dataplane::State::publish_snapshot() {
  auto snapshot = make_snapshot(ports, port_has_flows, networks, routes, terminations);
  if (!snapshot) return tl::make_unexpected(snapshot.error());
  shared.snapshot.replace(std::make_unique<const Snapshot>(std::move(*snapshot)), retired);
  return {};
}

void Dataplane::State::publish_pulse() {
  if (++pulse.epoch == 0) ++pulse.epoch;
  shared.pulse.store(pulse.pack(), std::memory_order_release);  // see Shared::pulse
}

// Seconds since the first poll(), from 1 on: see Pulse.
uint32_t Dataplane::State::seconds(TimePoint now) const {
  if (!started) return pulse.now_s;
  return 1 + static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now - *started).count());
}

bool Dataplane::State::set_time(TimePoint now) {
  if (!started) {
    started = now;
    next_round_s = pulse.now_s + period_s;
  }
  const uint32_t before = std::exchange(pulse.now_s, seconds(now));
  return pulse.now_s != before;
}

bool Dataplane::State::is_member(NetworkId id, Where where) const {
  const Network* const network = shared.snapshot.load()->network(id);
  return network != nullptr && network->has(where);
}

Dataplane::State::Learned Dataplane::State::learn(size_t budget) {
  Learned result;
  const size_t share = std::max<size_t>(1, budget / workers.size());
  for (size_t i = 0; i < workers.size(); ++i) {
    LearnRing& ring = workers[(next_ring + i) % workers.size()]->learning();
    size_t left = share;
    for (; left != 0; --left) {
      const auto request = ring.pop();
      if (!request) break;
      // Asked before the network changed, perhaps.
      const Network* const network = shared.snapshot.load()->network(request->station.network());
      if (network == nullptr || !network->learning || !network->has(request->where)) continue;
      const Fdb::Limits limits{network->max_macs, network->max_macs_per_member};
      const auto verdict = fdb->learn(request->station, request->where, limits, pulse.now_s);
      ++verdicts[static_cast<size_t>(verdict)];
      result.moved |= verdict == Fdb::Verdict::moved;
    }
    result.more |= left == 0;
  }
  ++next_ring;
  return result;
}

// A shorter period is due that much earlier.
void Dataplane::State::set_collector_period(uint32_t wanted_s) {
  next_round_s = std::min(next_round_s, pulse.now_s + wanted_s);
  period_s = wanted_s;
}

size_t Dataplane::State::collect(size_t budget) {
  if (!collecting) {
    if (pulse.now_s < next_round_s) return 0;
    next_round_s = pulse.now_s + period_s;
    collector_row = 0;
    collecting = true;
  }
  const size_t gone = fdb->collect(collector_row, budget, pulse.now_s, 2 * period_s);
  collecting = collector_row < fdb->extent();
  aged += gone;
  return gone;
}

Status Dataplane::State::make_bindings() {
  if (bindings != nullptr) return {};
  auto hash = BindingHash::create("culvert_bindings", Bindings::kMost + Bindings::kMost / 8, *shared.domain);
  if (!hash) return tl::make_unexpected(hash.error());
  shared.bindings = std::move(*hash);
  bindings = std::make_unique<Bindings>(*shared.bindings);
  return {};
}

void Dataplane::State::hear_bindings(bool sweep, size_t budget) {
  if (bindings == nullptr) return;
  const size_t share = std::max<size_t>(1, budget / workers.size());
  for (const auto& worker : workers)
    for (size_t left = share; left != 0; --left) {
      const auto heard = worker->bindings_heard().pop();
      if (!heard) break;
      if (suppresses(heard->key.network)) bindings->hear(*heard, pulse.now_s);
    }
  if (!sweep) return;
  bindings->sweep(
      budget, pulse.now_s, [this](StationKey station) { return fdb->origin_of(station).has_value(); },
      [this](NetworkId network) { return suppresses(network); });
}

bool Dataplane::State::suppresses(NetworkId id) const {
  const Network* const network = shared.snapshot.load()->network(id);
  return network != nullptr && network->suppress;
}

void Dataplane::State::forget_strangers() {
  const size_t gone = fdb->remove_if(
      [&](StationKey station, Where where, Origin) { return !is_member(station.network(), where); });
  if (gone != 0) publish_pulse();
}

EncapCounters Dataplane::State::sum_encap(EncapId id) const {
  EncapCounters sum;
  for (const auto& worker : workers) {
    sum.packets += worker->counters().encaps[id].packets.read();
    sum.bytes += worker->counters().encaps[id].bytes.read();
  }
  return sum;
}

}  // namespace culvert::dataplane
