#include "queue.hpp"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <algorithm>

#include "port.hpp"
#include "switch.hpp"

namespace eswitch {

RxQueue::~RxQueue() {
  for (uint32_t i = 0; i < ring.ready(); ++i) rte_pktmbuf_free(ring.at(i));
}

TxQueue::~TxQueue() {
  for (uint32_t i = 0; i < ring.ready(); ++i) rte_pktmbuf_free(ring.at(i).mbuf);
}

void RxQueue::deliver(const rte_mbuf* source) {
  const uint32_t length = rte_pktmbuf_pkt_len(source);
  if (!scatter && length > uint32_t{rte_pktmbuf_data_room_size(pool)} - RTE_PKTMBUF_HEADROOM) {
    too_long.add(1);
    return;
  }
  rte_mbuf* copy = rte_pktmbuf_copy(source, pool, 0, UINT32_MAX);
  if (copy == nullptr) {
    no_mbuf.add(1);
    return;
  }
  if (!ring.push(copy)) {
    rte_pktmbuf_free(copy);
    missed.add(1);
    return;
  }
  packets.add(1);
  bytes.add(length);
}

uint16_t receive_burst(void* queue, rte_mbuf** packets, uint16_t count) {
  auto& ring = static_cast<RxQueue*>(queue)->ring;
  const auto taken = static_cast<uint16_t>(std::min<uint32_t>(count, ring.ready()));
  for (uint16_t i = 0; i < taken; ++i) packets[i] = ring.at(i);
  ring.release(taken);
  return taken;
}

uint16_t send_burst(void* queue, rte_mbuf** packets, uint16_t count) {
  auto* self = static_cast<TxQueue*>(queue);
  const uint64_t due = self->port.sw().faults.tx_due_cycles();
  uint16_t taken = 0;
  while (taken < count && self->ring.push({packets[taken], due})) ++taken;
  if (taken > 0) self->port.sw().wake();
  return taken;
}

int rx_descriptor_status(void* queue, uint16_t offset) {
  auto& ring = static_cast<RxQueue*>(queue)->ring;
  if (offset >= ring.capacity()) return -EINVAL;
  return offset < ring.used() ? RTE_ETH_RX_DESC_DONE : RTE_ETH_RX_DESC_AVAIL;
}

int tx_descriptor_status(void* queue, uint16_t offset) {
  auto& ring = static_cast<TxQueue*>(queue)->ring;
  if (offset >= ring.capacity()) return -EINVAL;
  if (static_cast<TxQueue*>(queue)->port.sw().profile ==
      Profile::kMlx5)  // counts from the oldest one in work
    return offset < ring.used() ? RTE_ETH_TX_DESC_FULL : RTE_ETH_TX_DESC_DONE;
  // Offset 0 is where the next packet goes, so the descriptors still in work are the last `used` before it:
  // those that come up again only after capacity - used others.
  return offset >= ring.capacity() - ring.used() ? RTE_ETH_TX_DESC_FULL : RTE_ETH_TX_DESC_DONE;
}

}  // namespace eswitch
