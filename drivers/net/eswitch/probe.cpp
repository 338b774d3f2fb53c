// The vdev driver: a device comes, a device goes.
#include "compat.hpp"
#include "log.hpp"
#include "registry.hpp"
#include "switch.hpp"
#include "templates.hpp"

namespace eswitch {

RTE_LOG_REGISTER(log_type, pmd.net.eswitch, NOTICE)

namespace {

/// An ethdev for a port of the switch. Null: none is free.
rte_eth_dev* make_ethdev(rte_vdev_device* device, Switch& sw, uint16_t vport) {
  std::string name = sw.name;
  if (vport > 0) name += "_rep" + std::to_string(vport - 1);
  rte_eth_dev* dev = rte_eth_dev_allocate(name.c_str());
  if (dev == nullptr) return nullptr;
  auto port = std::make_unique<Port>(sw, vport, *dev);
  dev->device = &device->device;
  dev->dev_ops = &port_ops;
#if ESWITCH_HAS_FLOW_FP_OPS
  dev->flow_fp_ops = &fast_path_ops;
#endif
  dev->rx_pkt_burst = receive_burst;
  dev->tx_pkt_burst = send_burst;
  dev->rx_queue_count = [](void* queue) { return static_cast<RxQueue*>(queue)->ring.used(); };
  dev->rx_descriptor_status = rx_descriptor_status;
  dev->tx_descriptor_status = tx_descriptor_status;
  rte_eth_dev_data& data = *dev->data;
  data.dev_private = port.get();
  data.mac_addrs = port->mac_table;
  data.numa_node = device->device.numa_node;
  data.dev_flags |=
      RTE_ETH_DEV_FLOW_OPS_THREAD_SAFE | RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS | RTE_ETH_DEV_INTR_RMV;
  if (rte_eth_macaddr_get(sw.wires[vport]->ethdev(), &port->mac_table[0]) != 0 ||
      rte_is_zero_ether_addr(&port->mac_table[0]))
    rte_eth_random_addr(port->mac_table[0].addr_bytes);
  port->macs[0].store(mac_number(port->mac_table[0].addr_bytes), std::memory_order_relaxed);
  rte_eth_dev_get_mtu(sw.wires[vport]->ethdev(), &data.mtu);
  if (vport > 0) {
    data.dev_flags |= RTE_ETH_DEV_REPRESENTOR;
    data.representor_id = static_cast<uint16_t>(vport - 1);
    data.backer_port_id = sw.ports[0]->data().port_id;
  }
  sw.ports.push_back(std::move(port));
  return dev;
}

int probe(rte_vdev_device* device) {
  const char* name = rte_vdev_device_name(device);
  if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
    ESWITCH_LOG(ERR, "%s: only a primary process can have a switch", name);
    return -ENOTSUP;
  }
  const auto arguments = parse_arguments(rte_vdev_device_args(device));
  if (!arguments) return -EINVAL;
  auto sw = Switch::open(name, *arguments);
  if (sw == nullptr) return -EINVAL;
  std::vector<rte_eth_dev*> devs;
  for (uint16_t vport = 0; vport < sw->wires.size(); ++vport) {
    rte_eth_dev* dev = make_ethdev(device, *sw, vport);
    if (dev == nullptr) break;
    devs.push_back(dev);
  }
  if (devs.size() < sw->wires.size() || !sw->start_thread()) {
    ESWITCH_LOG(ERR, "%s: no ethdev is free, or no thread", name);
    for (rte_eth_dev* dev : devs) {
      dev->data->mac_addrs = nullptr;
      dev->data->dev_private = nullptr;
      rte_eth_dev_release_port(dev);
    }
    return -ENOMEM;
  }
  sw->open_ports = static_cast<unsigned>(devs.size());
  remember_switch(std::move(sw));
  for (rte_eth_dev* dev : devs) rte_eth_dev_probing_finish(dev);
  return 0;
}

int remove(rte_vdev_device* device) {
  std::vector<uint16_t> open;
  with_switch(rte_vdev_device_name(device), [&](Switch& sw) {
    for (const auto& port : sw.ports)
      if (!port->closed) open.push_back(port->data().port_id);
  });
  for (const uint16_t port : open) {  // the last one takes the switch along
    rte_eth_dev_stop(port);
    rte_eth_dev_close(port);
  }
  return 0;
}

// Constant, not made by code: DPDK's constructor that registers it may run before any of ours.
constinit rte_vdev_driver driver = {.next = {},
                                    .driver = {},
                                    .probe = probe,
                                    .remove = remove,
                                    .dma_map = nullptr,
                                    .dma_unmap = nullptr,
                                    .drv_flags = 0};

}  // namespace
}  // namespace eswitch

using eswitch::driver;
RTE_PMD_REGISTER_VDEV(net_eswitch, driver);
RTE_PMD_REGISTER_PARAM_STRING(net_eswitch,
                              "uplink=<ethdev> "
                              "rep=<ethdev> "
                              "rules=<int> "
                              "latency_us=<int> "
                              "tx_delay_us=<int> "
                              "fail=<string> "
                              "profile=generic|mlx5");
