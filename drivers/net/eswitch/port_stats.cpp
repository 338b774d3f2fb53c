// What a port counts: what the application sent and received (basic statistics), what its wire and its rules
// saw (extended statistics).
#include <algorithm>

#include "port.hpp"
#include "switch.hpp"

namespace eswitch {
namespace {

constexpr const char* kNames[kPortCounterCount] = {
    "transfer_hits",     "transfer_misses",   "ingress_hits",       "ingress_misses",      "egress_hits",
    "egress_misses",     "drop_by_rule",      "drop_miss_in_group", "drop_isolated",       "drop_mac_address",
    "drop_port_stopped", "drop_port_removed", "drop_action_failed", "drop_too_many_jumps", "drop_no_memory",
};
constexpr const char* kWireNames[] = {"wire_rx_packets", "wire_rx_bytes", "wire_tx_packets", "wire_tx_bytes",
                                      "wire_tx_drops"};
constexpr unsigned kWireCount = std::size(kWireNames);
constexpr unsigned kXstatCount = kPortCounterCount + kWireCount;
static_assert(kXstatCount == kMaxXstats);

uint64_t wire_value(const Wire& wire, unsigned index) {
  const Tally* const tallies[kWireCount] = {&wire.rx_packets, &wire.rx_bytes, &wire.tx_packets,
                                            &wire.tx_bytes, &wire.tx_drops};
  return tallies[index]->get();
}

/// Everything since the queues were set up.
rte_eth_stats raw_stats(const rte_eth_dev* dev) {
  rte_eth_stats stats{};
  for (uint16_t i = 0; i < dev->data->nb_rx_queues; ++i) {
    const auto* queue = static_cast<const RxQueue*>(dev->data->rx_queues[i]);
    if (queue == nullptr) continue;
    stats.ipackets += queue->packets.get();
    stats.ibytes += queue->bytes.get();
    stats.imissed += queue->missed.get();
    stats.rx_nombuf += queue->no_mbuf.get();
    stats.ierrors += queue->too_long.get();
    if (i >= RTE_ETHDEV_QUEUE_STAT_CNTRS) continue;
    stats.q_ipackets[i] = queue->packets.get();
    stats.q_ibytes[i] = queue->bytes.get();
  }
  for (uint16_t i = 0; i < dev->data->nb_tx_queues; ++i) {
    const auto* queue = static_cast<const TxQueue*>(dev->data->tx_queues[i]);
    if (queue == nullptr) continue;
    stats.opackets += queue->packets.get();
    stats.obytes += queue->bytes.get();
    stats.oerrors += queue->errors.get();
    if (i >= RTE_ETHDEV_QUEUE_STAT_CNTRS) continue;
    stats.q_opackets[i] = queue->packets.get();
    stats.q_obytes[i] = queue->bytes.get();
  }
  return stats;
}

}  // namespace

int stats_get(rte_eth_dev* dev, rte_eth_stats* stats) {
  const rte_eth_stats &base = port_of(dev).base, now = raw_stats(dev);
  stats->ipackets = now.ipackets - base.ipackets;
  stats->ibytes = now.ibytes - base.ibytes;
  stats->imissed = now.imissed - base.imissed;
  stats->ierrors = now.ierrors - base.ierrors;
  stats->opackets = now.opackets - base.opackets;
  stats->obytes = now.obytes - base.obytes;
  stats->oerrors = now.oerrors - base.oerrors;
  // ethdev takes this one from its own data.
  dev->data->rx_mbuf_alloc_failed = stats->rx_nombuf = now.rx_nombuf - base.rx_nombuf;
  for (unsigned i = 0; i < RTE_ETHDEV_QUEUE_STAT_CNTRS; ++i) {
    stats->q_ipackets[i] = now.q_ipackets[i] - base.q_ipackets[i];
    stats->q_ibytes[i] = now.q_ibytes[i] - base.q_ibytes[i];
    stats->q_opackets[i] = now.q_opackets[i] - base.q_opackets[i];
    stats->q_obytes[i] = now.q_obytes[i] - base.q_obytes[i];
  }
  return 0;
}

int stats_reset(rte_eth_dev* dev) {
  port_of(dev).base = raw_stats(dev);
  return 0;
}

void keep_stats(Port& port, uint16_t index, const RxQueue& queue) {
  // Below 0 the base wraps, and comes right when it is subtracted.
  rte_eth_stats& base = port.base;
  base.ipackets -= queue.packets.get();
  base.ibytes -= queue.bytes.get();
  base.imissed -= queue.missed.get();
  base.rx_nombuf -= queue.no_mbuf.get();
  base.ierrors -= queue.too_long.get();
  if (index >= RTE_ETHDEV_QUEUE_STAT_CNTRS) return;
  base.q_ipackets[index] -= queue.packets.get();
  base.q_ibytes[index] -= queue.bytes.get();
}

void keep_stats(Port& port, uint16_t index, const TxQueue& queue) {
  rte_eth_stats& base = port.base;
  base.opackets -= queue.packets.get();
  base.obytes -= queue.bytes.get();
  base.oerrors -= queue.errors.get();
  if (index >= RTE_ETHDEV_QUEUE_STAT_CNTRS) return;
  base.q_opackets[index] -= queue.packets.get();
  base.q_obytes[index] -= queue.bytes.get();
}

int xstats_get_names(rte_eth_dev*, rte_eth_xstat_name* names, unsigned count) {
  if (names == nullptr || count < kXstatCount) return kXstatCount;
  for (unsigned i = 0; i < kXstatCount; ++i)
    std::snprintf(names[i].name, sizeof(names[i].name), "%s",
                  i < kPortCounterCount ? kNames[i] : kWireNames[i - kPortCounterCount]);
  return kXstatCount;
}

int xstats_get(rte_eth_dev* dev, rte_eth_xstat* stats, unsigned count) {
  if (stats == nullptr || count < kXstatCount) return kXstatCount;
  const Port& port = port_of(dev);
  const Wire& wire = *port.sw().wires[port.vport()];
  for (unsigned i = 0; i < kXstatCount; ++i) {
    stats[i].id = i;
    stats[i].value = i < kPortCounterCount ? port.counter(static_cast<PortCounter>(i)).get()
                                           : wire_value(wire, i - kPortCounterCount);
    stats[i].value -= port.stat_bases[i];
  }
  return kXstatCount;
}

int xstats_reset(rte_eth_dev* dev) {
  Port& port = port_of(dev);
  port.stat_bases.fill(0);
  std::array<rte_eth_xstat, kXstatCount> now;
  xstats_get(dev, now.data(), kXstatCount);
  for (unsigned i = 0; i < kXstatCount; ++i) port.stat_bases[i] = now[i].value;
  return 0;
}

}  // namespace eswitch
