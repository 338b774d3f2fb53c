// The queues between the application and the switch thread.
#pragma once

#include <rte_mbuf.h>

#include "counter.hpp"
#include "packet.hpp"
#include "ring.hpp"

namespace eswitch {

class Port;

/// Switch thread produces, the application's lcore consumes.
struct RxQueue {
  RxQueue(rte_mempool* pool, uint32_t descriptors) : pool(pool), ring(descriptors) {}
  ~RxQueue();

  /// Copies the packet, as DMA does, into an mbuf of the application's pool and posts that. Switch thread.
  /// Flags and metadata are `source`'s, which stays the caller's.
  void deliver(const rte_mbuf* source);

  rte_mempool* const pool;
  SpscRing<rte_mbuf*> ring;
  bool scatter = false;  // set before the port starts
  Tally packets, bytes, missed, no_mbuf, too_long;
};

/// The application's lcore produces, the switch thread consumes.
struct TxQueue {
  struct Descriptor {
    rte_mbuf* mbuf;
    uint64_t due_cycles;  // not executed before this TSC value
  };

  TxQueue(Port& port, uint32_t descriptors) : port(port), ring(descriptors) {}
  ~TxQueue();

  Port& port;
  SpscRing<Descriptor> ring;
  Tally packets, bytes, errors;
};

// The ethdev's fast path.
uint16_t receive_burst(void* queue, rte_mbuf** packets, uint16_t count);
uint16_t send_burst(void* queue, rte_mbuf** packets, uint16_t count);
int rx_descriptor_status(void* queue, uint16_t offset);
int tx_descriptor_status(void* queue, uint16_t offset);

}  // namespace eswitch
