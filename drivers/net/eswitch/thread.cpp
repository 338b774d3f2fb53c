// The switch's own thread: polls the wires and the ports' Tx queues, sleeps when nothing comes.
#include <poll.h>
#include <rte_cycles.h>
#include <rte_pause.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "ageing.hpp"
#include "log.hpp"
#include "switch.hpp"

namespace eswitch {
namespace {

constexpr uint16_t kBurst = 32;
/// Empty rounds before the thread sleeps at all, and before it sleeps long.
constexpr unsigned kSpinRounds = 256, kShortSleepRounds = 512;
constexpr long kShortSleepNs = 50'000, kLongSleepNs = 500'000;

}  // namespace

uint64_t coarse_ms() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

bool Switch::start_thread() {
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  const auto main = [](void* self) -> compat::ControlResult {
    static_cast<Switch*>(self)->run();
    return {};
  };
  if (wake_fd_ < 0 || compat::start_control_thread(&thread_, "eswitch", main, this) != 0) {
    ESWITCH_LOG(ERR, "%s: its thread cannot be started", name.c_str());
    return false;
  }
  thread_runs_ = true;
  return true;
}

void Switch::run() {
  rcu.online();
  for (unsigned empty = 0; !stop_.load(std::memory_order_acquire);) {
    rcu.quiescent();
    empty = poll() ? 0 : empty + 1;
    if (empty > 0) idle(empty);
  }
  rcu.offline();
}

/// One round over everything. True: something came.
bool Switch::poll() {
  bool busy = false;
  datapath_.begin_burst();
  for (uint16_t vport = 0; vport < wires.size(); ++vport) {
    rte_mbuf* packets[Wire::kBurst];
    const uint16_t count = wires[vport]->receive(packets);
    for (uint16_t i = 0; i < count; ++i) datapath_.from_wire(vport, packets[i]);
    busy |= count > 0;
  }
  for (const auto& wire : wires) wire->flush();
  for (const auto& port : ports) {
    if (!port->started()) continue;
    for (TxQueue* queue : port->tx_queues()) busy |= poll_queue(*queue);
  }
  return busy;
}

/// Executes what is due on one Tx queue; its descriptors are done when the packets are with the wires.
bool Switch::poll_queue(TxQueue& queue) {
  const uint32_t ready = std::min<uint32_t>(queue.ring.ready(), kBurst);
  if (ready == 0) return false;
  const uint64_t now = rte_rdtsc();
  uint32_t count = 0;
  for (; count < ready; ++count) {
    const TxQueue::Descriptor& descriptor = queue.ring.at(count);
    if (descriptor.due_cycles > now) break;
    const uint32_t length = rte_pktmbuf_pkt_len(descriptor.mbuf);
    if (datapath_.from_application(queue.port, descriptor.mbuf)) {
      queue.packets.add(1);
      queue.bytes.add(length);
    } else {
      queue.errors.add(1);
    }
  }
  for (const auto& wire : wires) wire->flush();
  queue.ring.release(count);
  return true;  // what is not due yet keeps the thread awake
}

void Switch::idle(unsigned rounds) {
  if (rounds < kSpinRounds) return rte_pause();
  // Relaxed here and in wake: a wake-up that is missed costs no more than the rest of a sleep.
  asleep_.store(true, std::memory_order_relaxed);
  bool waiting = stop_.load(std::memory_order_relaxed);
  for (const auto& port : ports)
    if (port->started())
      for (TxQueue* queue : port->tx_queues()) waiting |= queue->ring.ready() > 0;
  rcu.offline();  // nobody waits for a sleeper; from here on nothing shared is looked at
  if (!waiting) {
    pollfd wake{wake_fd_, POLLIN, 0};
    const timespec timeout{0, rounds < kShortSleepRounds ? kShortSleepNs : kLongSleepNs};
    if (ppoll(&wake, 1, &timeout, nullptr) > 0) {
      uint64_t count;
      [[maybe_unused]] const ssize_t size = read(wake_fd_, &count, sizeof(count));
    }
  }
  asleep_.store(false, std::memory_order_relaxed);
  rcu.online();
}

void Switch::wake() {
  if (!asleep_.load(std::memory_order_relaxed)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = write(wake_fd_, &one, sizeof(one));
}

Switch::~Switch() {
  if (thread_runs_) {
    stop_.store(true, std::memory_order_release);
    wake();
    compat::join_control_thread(thread_);
  }
  if (wake_fd_ >= 0) close(wake_fd_);
  stop_ageing(*this);
  for (const auto& port : ports) flush_port(*port);
  for (rte_flow_action_handle* handle : handles) delete handle;
  wires.clear();
  if (pool != nullptr && rte_mempool_full(pool))
    rte_mempool_free(pool);  // else others still hold packets of it
  if (domain_id != RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID) rte_eth_switch_domain_free(domain_id);
}

}  // namespace eswitch
