// Has the NIC sent what this worker posted before a fence? A queue sends in order, so it has once no more
// descriptors are unfinished than packets were posted since (a packet takes one at least).
#include <rte_ethdev.h>

#include "dataplane/worker.hpp"

namespace culvert::dataplane {

// At the beginning of a turn. A fence asked for meanwhile waits for the one at hand, so that each ends.
void Worker::answer_fence(uint64_t asked) {
  if (fence_ == 0) {
    fence_ = asked;
    for (size_t port = 0; port < tx_.size(); ++port)
      if (const uint64_t posted = tx_[port].queue.posted->load(std::memory_order_relaxed); posted != 0)
        unsent_.push_back({static_cast<PortIndex>(port), posted});
  }
  std::erase_if(unsent_, [this](const Unsent& unsent) { return is_sent(unsent); });
  if (!unsent_.empty()) return;
  // Release: who acts on the answer comes after all that was sent.
  answered_fence_.store(fence_, std::memory_order_release);
  fence_ = 0;
}

bool Worker::is_sent(const Unsent& unsent) const {
  if (shared_.snapshot.load()->ports[unsent.port].removed) return true;
  const TxBurst& tx = tx_[unsent.port];
  // The driver tells only who may send.
  if (tx.queue.lock != nullptr) rte_spinlock_lock(tx.queue.lock);
  const uint64_t since = tx.queue.posted->load(std::memory_order_relaxed) - unsent.posted;
  uint64_t unfinished = 0;
  // Offset 0 is where the next packet goes: from the latest posted backwards.
  for (uint16_t offset = tx.queue.descriptors; offset != 0 && unfinished <= since;) {
    const int status = rte_eth_tx_descriptor_status(tx.port_id, tx.queue.id, --offset);
    if (status < 0) break;  // the driver cannot tell
    if (status == RTE_ETH_TX_DESC_FULL) ++unfinished;
  }
  if (tx.queue.lock != nullptr) rte_spinlock_unlock(tx.queue.lock);
  return unfinished <= since;
}

}  // namespace culvert::dataplane
