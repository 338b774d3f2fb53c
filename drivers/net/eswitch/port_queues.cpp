// How an ethdev's queues come, tell of themselves and go.
#include "port.hpp"

namespace eswitch {
namespace {

int rx_queue_setup(rte_eth_dev* dev, uint16_t index, uint16_t count, unsigned, const rte_eth_rxconf* conf,
                   rte_mempool* pool) {
  auto* queue = new RxQueue(pool, count);
  queue->scatter = ((dev->data->dev_conf.rxmode.offloads | conf->offloads) & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
  dev->data->rx_queues[index] = queue;
  return 0;
}

int tx_queue_setup(rte_eth_dev* dev, uint16_t index, uint16_t count, unsigned, const rte_eth_txconf*) {
  dev->data->tx_queues[index] = new TxQueue(port_of(dev), count);
  return 0;
}

void rx_queue_release(rte_eth_dev* dev, uint16_t index) {
  const std::unique_ptr<RxQueue> queue(
      static_cast<RxQueue*>(std::exchange(dev->data->rx_queues[index], nullptr)));
  if (queue) keep_stats(port_of(dev), index, *queue);
}
void tx_queue_release(rte_eth_dev* dev, uint16_t index) {
  const std::unique_ptr<TxQueue> queue(
      static_cast<TxQueue*>(std::exchange(dev->data->tx_queues[index], nullptr)));
  if (queue) keep_stats(port_of(dev), index, *queue);
}

void rx_queue_info(rte_eth_dev* dev, uint16_t index, rte_eth_rxq_info* info) {
  const auto& queue = *static_cast<const RxQueue*>(dev->data->rx_queues[index]);
  info->mp = queue.pool;
  info->scattered_rx = queue.scatter;
  info->nb_desc = static_cast<uint16_t>(queue.ring.capacity());
}
void tx_queue_info(rte_eth_dev* dev, uint16_t index, rte_eth_txq_info* info) {
  info->nb_desc =
      static_cast<uint16_t>(static_cast<const TxQueue*>(dev->data->tx_queues[index])->ring.capacity());
}

}  // namespace

void set_queue_setup_ops(eth_dev_ops& ops) {
  ops.rx_queue_setup = rx_queue_setup;
  ops.tx_queue_setup = tx_queue_setup;
  ops.rx_queue_release = rx_queue_release;
  ops.tx_queue_release = tx_queue_release;
  ops.rxq_info_get = rx_queue_info;
  ops.txq_info_get = tx_queue_info;
}

}  // namespace eswitch
