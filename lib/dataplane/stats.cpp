// What the control lcore tells of the packet path.
#include "dataplane/dataplane.hpp"
#include "dataplane/state.hpp"
#include "dataplane/worker.hpp"

namespace culvert::dataplane {

std::vector<PathRow> Dataplane::paths(TimePoint now) const {
  return state_->fdb->rows(state_->seconds(now), 2 * state_->period_s);
}

Stats Dataplane::stats() const {
  Stats stats;
  for (const auto& worker : state_->workers) {
    const Counters& counters = worker->counters();
    stats.rx += counters.rx.read();
    stats.tx += counters.tx.read();
    stats.forwarded += counters.forwarded.read();
    stats.encapsulated += counters.encapsulated.read();
    stats.marked += counters.marked.read();
    stats.decapsulated += counters.decapsulated.read();
    stats.exceptions += counters.exceptions.read();
    stats.flooded += counters.flooded.read();
    stats.suppressed += counters.suppressed.read();
    stats.checksums_completed += counters.checksums_completed.read();
    stats.checksums_unfinished += counters.checksums_unfinished.read();
    stats.learn_dropped += counters.learn_dropped.read();
    for (size_t i = 0; i < kDropReasonCount; ++i) stats.drops[i] += counters.drops[i].read();
    stats.lcores.push_back({worker->lcore(), counters.rx.read(), counters.tx.read(),
                            static_cast<double>(counters.busy_permille.read()) / 10});
  }
  const auto verdicts = [&](Fdb::Verdict verdict) { return state_->verdicts[static_cast<size_t>(verdict)]; };
  stats.learned = verdicts(Fdb::Verdict::added);
  stats.moved = verdicts(Fdb::Verdict::moved);
  stats.aged = state_->aged;
  stats.learn_over_limit = verdicts(Fdb::Verdict::over_limit) + verdicts(Fdb::Verdict::full);
  stats.learn_over_member_limit = verdicts(Fdb::Verdict::over_member_limit);
  return stats;
}

EncapCounters Dataplane::encap_counters(EncapId id) const {
  if (id >= kMaxEncaps) return {};
  EncapCounters sum = state_->sum_encap(id);
  if (const auto base = state_->encap_base.find(id); base != state_->encap_base.end()) {
    sum.packets -= base->second.packets;
    sum.bytes -= base->second.bytes;
  }
  return sum;
}

uint64_t Dataplane::port_drops(PortIndex port) const {
  uint64_t sum = 0;
  if (port >= state_->ports.size()) return 0;
  for (const auto& worker : state_->workers) sum += worker->counters().port_drops[port].read();
  return sum;
}

}  // namespace culvert::dataplane
