// What the stages before left for each port, handed to its driver.
#include <rte_ethdev.h>

#include "dataplane/worker.hpp"

namespace culvert::dataplane {

void Worker::transmit() {
  for (const PortIndex port : dirty_) {
    if (tx_[port].count != 0) flush(port);
    tx_[port].dirty = false;
  }
  dirty_.clear();
}

// A driver that takes nothing more is full: what is left is dropped, for waiting would stall every other
// port.
void Worker::flush(PortIndex port) {
  TxBurst& burst = tx_[port];
  if (snapshot_->ports[port].removed) [[unlikely]]
    return lose(port, 0, DropReason::port_removed);
  if (burst.queue.lock != nullptr) rte_spinlock_lock(burst.queue.lock);
  uint16_t sent = 0;
  while (sent < burst.count) {
    const uint16_t taken = rte_eth_tx_burst(burst.port_id, burst.queue.id, burst.packets.data() + sent,
                                            static_cast<uint16_t>(burst.count - sent));
    if (taken == 0) break;
    sent = static_cast<uint16_t>(sent + taken);
  }
  // A plain load and store: this worker alone writes it now.
  burst.queue.posted->store(burst.queue.posted->load(std::memory_order_relaxed) + sent,
                            std::memory_order_relaxed);
  if (burst.queue.lock != nullptr) rte_spinlock_unlock(burst.queue.lock);
  counters_.tx.add(sent);
  lose(port, sent, DropReason::tx_full);
}

// The burst's packets from the `first` on.
void Worker::lose(PortIndex port, uint16_t first, DropReason reason) {
  TxBurst& burst = tx_[port];
  for (uint16_t i = first; i < burst.count; ++i) drop(port, burst.packets[i], reason);
  burst.count = 0;
}

}  // namespace culvert::dataplane
