#include "test_wire.hpp"

#include <rte_mempool.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace eswitch_test {
namespace {

uint16_t receive(void* queue, rte_mbuf** mbufs, uint16_t count) {
  auto& ring = static_cast<TestWire*>(queue)->to_switch;
  const auto taken = static_cast<uint16_t>(std::min<uint32_t>(count, ring.ready()));
  for (uint16_t i = 0; i < taken; ++i) mbufs[i] = ring.at(i);
  ring.release(taken);
  return taken;
}

uint16_t send(void* queue, rte_mbuf** mbufs, uint16_t count) {
  uint16_t taken = 0;
  while (taken < count && static_cast<TestWire*>(queue)->from_switch.push(mbufs[taken])) ++taken;
  return taken;
}

int nothing(rte_eth_dev*) { return 0; }

int close(rte_eth_dev* dev) {
  dev->data->mac_addrs = nullptr;
  dev->data->dev_private = nullptr;
  return 0;
}

int info_get(rte_eth_dev*, rte_eth_dev_info* info) {
  info->max_rx_queues = info->max_tx_queues = 1;
  info->max_rx_pktlen = UINT16_MAX;
  info->max_mac_addrs = 1;
  info->max_mtu = 9000;
  return 0;
}

int rx_setup(rte_eth_dev* dev, uint16_t index, uint16_t, unsigned, const rte_eth_rxconf*, rte_mempool*) {
  dev->data->rx_queues[index] = dev->data->dev_private;
  return 0;
}
int tx_setup(rte_eth_dev* dev, uint16_t index, uint16_t, unsigned, const rte_eth_txconf*) {
  dev->data->tx_queues[index] = dev->data->dev_private;
  return 0;
}

const eth_dev_ops wire_ops = [] {
  eth_dev_ops ops{};
  ops.dev_configure = ops.dev_start = ops.dev_stop = nothing;
  ops.promiscuous_enable = ops.promiscuous_disable = nothing;
  ops.dev_close = close;
  ops.dev_infos_get = info_get;
  ops.rx_queue_setup = rx_setup;
  ops.tx_queue_setup = tx_setup;
  ops.link_update = [](rte_eth_dev*, int) { return 0; };
  ops.mtu_set = [](rte_eth_dev*, uint16_t) { return 0; };
  return ops;
}();

struct LockedPool {
  std::mutex lock;
  std::vector<void*> objects;
};

LockedPool& pool_of(const rte_mempool* pool) { return *static_cast<LockedPool*>(pool->pool_data); }

const rte_mempool_ops pool_ops = [] {
  rte_mempool_ops ops{};
  std::snprintf(ops.name, sizeof(ops.name), "%s", kPoolOps);
  ops.alloc = [](rte_mempool* pool) {
    pool->pool_data = new LockedPool;
    return 0;
  };
  ops.free = [](rte_mempool* pool) { delete static_cast<LockedPool*>(pool->pool_data); };
  ops.enqueue = [](rte_mempool* pool, void* const* objects, unsigned count) {
    const std::lock_guard guard(pool_of(pool).lock);
    pool_of(pool).objects.insert(pool_of(pool).objects.end(), objects, objects + count);
    return 0;
  };
  ops.dequeue = [](rte_mempool* pool, void** objects, unsigned count) {
    const std::lock_guard guard(pool_of(pool).lock);
    auto& held = pool_of(pool).objects;
    if (held.size() < count) return -ENOBUFS;
    std::copy(held.end() - count, held.end(), objects);
    held.resize(held.size() - count);
    return 0;
  };
  ops.get_count = [](const rte_mempool* pool) {
    const std::lock_guard guard(pool_of(pool).lock);
    return static_cast<unsigned>(pool_of(pool).objects.size());
  };
  return ops;
}();

[[maybe_unused]] const int registered = rte_mempool_register_ops(&pool_ops);

}  // namespace

uint16_t make_test_wire(const std::string& name, TestWire& wire) {
  rte_eth_dev* dev = rte_eth_dev_allocate(name.c_str());
  if (dev == nullptr) std::abort();
  rte_eth_random_addr(wire.mac.addr_bytes);
  static rte_driver driver{{}, "test_wire", nullptr};
  static rte_device device{{}, "test_wire", nullptr, &driver, nullptr, 0, nullptr};
  dev->device = &device;
  dev->dev_ops = &wire_ops;
  dev->rx_pkt_burst = receive;
  dev->tx_pkt_burst = send;
  dev->data->dev_private = &wire;
  dev->data->mac_addrs = &wire.mac;
  dev->data->mtu = RTE_ETHER_MTU;
  dev->data->dev_link.link_status = RTE_ETH_LINK_UP;
  rte_eth_dev_probing_finish(dev);
  return dev->data->port_id;
}

}  // namespace eswitch_test
