#include "dataplane/worker.hpp"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "dataplane/idle.hpp"

namespace culvert::dataplane {

Worker::Worker(Shared& shared, std::span<const PortSetup> ports, unsigned index, unsigned lcore,
               size_t fdb_rows)
    : shared_(shared),
      lcore_(lcore),
      tx_(ports.size()),
      paths_(shared.path_buckets.load(std::memory_order_relaxed)),
      counters_(ports.size()),
      stamps_(make_stamps(fdb_rows)),
      hop_stamps_(make_stamps(kMaxHops)) {
  for (size_t i = 0; i < ports.size(); ++i) {
    tx_[i].pool = ports[i].port->pool();
    tx_[i].port_id = ports[i].port->id();
    tx_[i].queue = ports[i].port->tx_queue(index);
  }
  dirty_.reserve(ports.size());
  shared_.domain->add(lcore_);
}

Worker::~Worker() { shared_.domain->remove(lcore_); }

void Worker::run() {
  Idle idle;
  shared_.domain->online(lcore_);
  window_tsc_ = rte_get_tsc_hz();
  uint64_t before = window_start_tsc_ = rte_rdtsc();
  // Relaxed: nothing else is read on the strength of it.
  while (shared_.running.load(std::memory_order_relaxed)) {
    const bool busy = turn() != 0;
    const uint64_t now = rte_rdtsc();
    if (busy) {
      window_busy_tsc_ += now - before;
      idle.busy();
    } else {
      idle.rest(*shared_.domain, lcore_);
    }
    before = now;
    if (now - window_start_tsc_ >= window_tsc_) finish_window(now);
  }
  shared_.domain->offline(lcore_);
  // Release, for ended(): all that this thread wrote is seen by who sees that it ended.
  ended_.store(true, std::memory_order_release);
}

void Worker::finish_window(uint64_t now_tsc) {
  counters_.busy_permille.set(window_busy_tsc_ * 1000 / (now_tsc - window_start_tsc_));
  window_start_tsc_ = now_tsc;
  window_busy_tsc_ = 0;
}

unsigned Worker::turn() {
  // Before anything that is published is loaded, and with nothing of the last turn left unsent. Acquire: see
  // Dataplane::fence().
  const uint64_t fence = shared_.fence.load(std::memory_order_acquire);
  if (fence != answered_fence_.load(std::memory_order_relaxed)) [[unlikely]]
    answer_fence(fence);
  pulse_ = Pulse::unpack(shared_.pulse.load(std::memory_order_acquire));  // see Shared::pulse
  snapshot_ = shared_.snapshot.load();
  fdb_ = shared_.fdb.load();
  paths_.set_buckets(shared_.path_buckets.load(std::memory_order_relaxed));
  unsigned received = 0;
  for (const RxQueue& queue : queues_) received += poll(queue);
  shared_.domain->quiescent(lcore_);  // from here on nothing that was loaded above is used
  return received;
}

unsigned Worker::poll(const RxQueue& queue) {
  if (snapshot_->ports[queue.port].removed) [[unlikely]]
    return 0;
  std::array<rte_mbuf*, kBurst> packets;
  const uint16_t count = rte_eth_rx_burst(queue.port_id, queue.queue, packets.data(), kBurst);
  if (count == 0) return 0;
  counters_.rx.add(count);
  const std::span<rte_mbuf*> burst(packets.data(), count);
  if (!shared_.forwarding.load(std::memory_order_relaxed)) {
    for (rte_mbuf* mbuf : burst) drop(queue.port, mbuf, DropReason::stopped);
    return count;
  }
  frames_.count = routed_.count = 0;
  const PortRole& role = snapshot_->ports[queue.port];
  if (role.tenant) {
    Frames& frames = role.routed ? routed_ : frames_;
    take_tenant_frames(queue.port, burst, frames);
    take_flows(queue.port, frames);
    if (!role.vlans.empty()) sort_vlans(queue.port, frames);
  } else {
    terminate_tunnels(queue.port, burst, frames_);
  }
  if (routed_.count != 0) route(routed_);
  find_destinations(frames_);
  if (snapshot_->suppresses) suppress(frames_);
  deliver(frames_);
  transmit();
  return count;
}

void Worker::count_drop(PortIndex port, DropReason reason) {
  counters_.drops[static_cast<size_t>(reason)].add();
  counters_.port_drops[port].add();
}

void Worker::drop(PortIndex port, rte_mbuf* mbuf, DropReason reason) {
  count_drop(port, reason);
  rte_pktmbuf_free(mbuf);
}

}  // namespace culvert::dataplane
