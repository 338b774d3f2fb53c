#include "dataplane/dataplane.hpp"

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include <algorithm>
#include <bit>

#include "dataplane/fdb.hpp"
#include "dataplane/state.hpp"
#include "dataplane/worker.hpp"

namespace culvert::dataplane {

namespace {

// Queues are dealt out in one round over all ports, so that two workers share two ports of one queue each,
// and a port's several queues go to several workers.
void deal_queues(std::span<const PortSetup> ports, std::span<const std::unique_ptr<Worker>> workers) {
  size_t next = 0;
  for (size_t index = 0; index < ports.size(); ++index)
    for (uint16_t queue = 0; queue < ports[index].port->rx_queue_count(); ++queue)
      workers[next++ % workers.size()]->add_queue(
          {static_cast<PortIndex>(index), ports[index].port->id(), queue});
}

Status check(const Setup& setup) {
  if (setup.domain == nullptr) return error("the packet path needs an RCU domain");
  if (setup.ports.size() > kMaxPorts)
    return error("{} ports are more than {}", setup.ports.size(), kMaxPorts);
  if (setup.lcores.empty()) return error("no lcore for a worker: give EAL two at least, e.g. -l 0,1");
  for (const unsigned lcore : setup.lcores)
    if (lcore >= RTE_MAX_LCORE || std::ranges::count(setup.lcores, lcore) != 1)
      return error("lcore {} cannot be a worker's: it is named twice or beyond {}", lcore, RTE_MAX_LCORE - 1);
  if (setup.fdb_capacity == 0 || setup.fdb_capacity > Fdb::kMaxRows)
    return error("an FDB of {} MACs: give 1 to {}", setup.fdb_capacity, Fdb::kMaxRows);
  return {};
}

int run_worker(void* worker) {
  static_cast<Worker*>(worker)->run();
  return 0;
}

}  // namespace

Dataplane::Dataplane(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Dataplane>> Dataplane::create(const Setup& setup) {
  if (auto status = check(setup); !status) return tl::make_unexpected(status.error());
  auto state = std::make_unique<State>(*setup.domain, setup.ports);
  state->shared.domain = setup.domain;
  for (size_t i = 0; i < state->ports.size(); ++i)
    state->shared.neighbours.push_back(std::make_unique<fib::Families>(state->routes_retired));
  std::vector<const std::atomic<uint32_t>*> stamps;
  for (unsigned i = 0; i < setup.lcores.size(); ++i) {
    auto& worker = state->workers.emplace_back(
        std::make_unique<Worker>(state->shared, state->ports, i, setup.lcores[i], setup.fdb_capacity));
    stamps.push_back(worker->stamps().get());
  }
  deal_queues(state->ports, state->workers);
  auto fdb =
      Fdb::create(state->shared.fdb, state->retired, *setup.domain, setup.fdb_capacity, std::move(stamps));
  if (!fdb) return tl::make_unexpected(fdb.error());
  state->fdb = std::move(*fdb);
  if (auto status = state->publish_snapshot(); !status) return tl::make_unexpected(status.error());
  return std::unique_ptr<Dataplane>(new Dataplane(std::move(state)));
}

Dataplane::~Dataplane() { shutdown(); }

Status Dataplane::launch() {
  for (const auto& worker : state_->workers) {
    const unsigned lcore = worker->lcore();
    if (rte_lcore_is_enabled(lcore) == 0 || lcore == rte_get_main_lcore())
      return error("lcore {} cannot run a worker: it is the main lcore or not in EAL's list", lcore);
    if (const int rc = rte_eal_remote_launch(run_worker, worker.get(), lcore); rc != 0)
      return error("lcore {} cannot run a worker: {}", lcore, errno_text(rc));
    state_->launched.push_back(worker.get());
  }
  return {};
}

void Dataplane::set_forwarding(bool on) { state_->shared.forwarding.store(on, std::memory_order_relaxed); }

void Dataplane::shutdown() {
  state_->shared.running.store(false, std::memory_order_relaxed);
  for (const Worker* worker : state_->launched) {
    while (!worker->ended()) rte_pause();
    rte_eal_wait_lcore(worker->lcore());  // the lcore may be launched again
  }
  state_->launched.clear();
}

Status Dataplane::set_encap(EncapId id, const tunnel::Tunnel& tunnel, const tunnel::EncapRule* rule,
                            Unresolved why, uint32_t mark) {
  if (id >= kMaxEncaps) return error("tunnel '{}': encap ids end at {}", tunnel.name, kMaxEncaps - 1);
  EncapSlot slot;  // unresolved
  Status status;
  if (why == Unresolved::neighbour) slot.unresolved_reason = DropReason::neighbour_unresolved;
  if (rule != nullptr) {
    if (auto made = make_encap_slot(tunnel, *rule); !made)
      status = tl::make_unexpected(made.error());
    else if (rule->port >= state_->ports.size())
      status = error("tunnel '{}': there is no port {}", tunnel.name, rule->port);
    else
      slot = *made;
    slot.mark = mark;
  }
  state_->shared.encaps[id].replace(std::make_unique<const EncapSlot>(slot), state_->retired);
  return status;
}

void Dataplane::remove_encap(EncapId id) {
  if (id >= kMaxEncaps) return;
  state_->shared.encaps[id].replace(nullptr, state_->retired);
  const EncapCounters now = state_->sum_encap(id);
  if (now.packets != 0) state_->encap_base[id] = now;
}

Status Dataplane::set_networks(std::vector<NetworkSpec> networks,
                               std::optional<std::vector<Termination>> terminations) {
  if (std::ranges::any_of(networks, &NetworkSpec::suppress))
    if (auto made = state_->make_bindings(); !made) return made;
  const auto swap = [&] {
    std::swap(state_->networks, networks);
    if (terminations) std::swap(state_->terminations, *terminations);
  };
  swap();
  for (const NetworkSpec& network : state_->networks)
    if (network.routed) make_routes(network.id);
  const Status status = state_->publish_snapshot();
  if (status)
    state_->forget_strangers();
  else
    swap();
  state_->retire_routes();
  return status;
}

Status Dataplane::set_terminations(std::vector<Termination> terminations) {
  std::swap(state_->terminations, terminations);
  auto status = state_->publish_snapshot();
  if (!status) std::swap(state_->terminations, terminations);
  return status;
}

void Dataplane::set_own_macs(PortIndex port, std::vector<net::Mac> macs) {
  if (port >= state_->ports.size() || state_->ports[port].own_macs == macs) return;
  state_->ports[port].own_macs = std::move(macs);
  // Ports, networks and terminations were good before, and still are.
  (void)state_->publish_snapshot();
}

void Dataplane::remove_port(PortIndex port) {
  state_->ports[port].removed = true;
  // Ports, networks and terminations were good before, and still are.
  (void)state_->publish_snapshot();
}

Status Dataplane::add_path(NetworkId network, const net::Mac& mac, Where where, Origin origin) {
  if (!state_->is_member(network, where))
    return error("{}: neither a port nor an encap of network {}", mac, network);
  const auto verdict = state_->fdb->put({network, mac}, where, origin, state_->pulse.now_s);
  if (verdict == Fdb::Verdict::full) return error("{}: the FDB is full", mac);
  if (verdict == Fdb::Verdict::moved) state_->publish_pulse();
  return {};
}

Status Dataplane::set_binding(NetworkId network, const net::IpAddr& ip, const net::Mac& mac, bool router) {
  if (!state_->suppresses(network)) return error("network {} does not suppress ARP and ND", network);
  if (!state_->bindings->set({ip, 0, network}, {mac.bits(), router}))
    return error("{}: {} addresses are the most", ip, Bindings::kMost);
  return {};
}

void Dataplane::remove_binding(NetworkId network, const net::IpAddr& ip) {
  if (state_->bindings != nullptr) state_->bindings->remove({ip, 0, network});
}

bool Dataplane::remove_path(NetworkId network, const net::Mac& mac, Origin origin) {
  if (!state_->fdb->remove({network, mac}, origin)) return false;
  state_->publish_pulse();
  return true;
}

size_t Dataplane::flush_paths(NetworkId network) {
  const size_t gone = state_->fdb->remove_if([&](StationKey station, Where, Origin origin) {
    return station.network() == network && origin == Origin::learned;
  });
  if (gone != 0) state_->publish_pulse();
  return gone;
}

std::optional<Origin> Dataplane::path_origin(NetworkId network, const net::Mac& mac) const {
  return state_->fdb->origin_of({network, mac});
}

void Dataplane::set_path_listener(PathListener listener) { state_->fdb->set_listener(std::move(listener)); }

void Dataplane::set_collector_period(std::chrono::seconds period) {
  using std::chrono::seconds;
  period = std::clamp(period, seconds(1), seconds(std::chrono::years(1)));
  state_->set_collector_period(static_cast<uint32_t>(period.count()));
}

void Dataplane::set_path_buckets(size_t count) {
  count = std::bit_ceil(std::clamp(count, kMinPathBuckets, kMaxPathBuckets));
  state_->shared.path_buckets.store(count, std::memory_order_relaxed);
}

void Dataplane::touch(NetworkId network, const net::Mac& mac) {
  state_->fdb->touch({network, mac}, state_->pulse.now_s);
}

bool Dataplane::poll(TimePoint now, size_t budget) {
  const bool tick = state_->set_time(now);
  const State::Learned learned = state_->learn(budget);
  const size_t aged = state_->collect(budget);
  const bool grows = state_->fdb->grow(4 * budget, state_->pulse.now_s);
  if (tick || learned.moved || aged != 0) state_->publish_pulse();
  state_->hear_bindings(tick, budget);
  state_->tell_wanted_neighbours();
  const size_t freed = state_->retired.reclaim(budget);
  const size_t freed_routes = state_->routes_retired.reclaim(4 * budget);
  return learned.more || freed == budget || freed_routes == 4 * budget || state_->collecting || grows;
}

Fence Dataplane::fence() {
  const uint64_t number = state_->shared.fence.load(std::memory_order_relaxed) + 1;
  // Release: a worker that sees the number sees all that was published before it.
  state_->shared.fence.store(number, std::memory_order_release);
  return {number, state_->shared.domain->start()};
}

bool Dataplane::passed(const Fence& fence) const {
  // The grace period first: what the workers sent by the old is then counted in what they answer by.
  return state_->shared.domain->passed(fence.grace) &&
         std::ranges::all_of(state_->workers,
                             [&](const auto& worker) { return worker->has_sent(fence.number); });
}

size_t Dataplane::worker_count() const { return state_->workers.size(); }
Worker& Dataplane::worker(size_t index) { return *state_->workers[index]; }

}  // namespace culvert::dataplane
