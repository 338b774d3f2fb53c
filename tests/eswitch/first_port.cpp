// dpdk-test-flow-perf takes the first ethdevs, owned or not, and a switch's wires must exist before it. This
// plugin holds the first ethdev ids (--vdev first_port_hold, first_port_hold1, ...: one each) until the wires
// have theirs, and then gives them back (--vdev first_port_release), so that the switch gets them.
#include <string>
#include <utility>
#include <vector>

#include "compat.hpp"

namespace {

std::vector<rte_eth_dev*> held;

int hold(const std::string& name) {
  rte_eth_dev* dev = rte_eth_dev_allocate(name.c_str());
  if (dev == nullptr) return -ENOMEM;
  held.push_back(dev);
  return 0;
}

int release() {
  for (rte_eth_dev* dev : held) rte_eth_dev_release_port(dev);
  return std::exchange(held, {}).empty() ? -ENODEV : 0;
}

int probe(rte_vdev_device* device) {
  const std::string name = rte_vdev_device_name(device);
  return name == "first_port_release" ? release() : hold(name);
}
int remove(rte_vdev_device*) { return 0; }

constinit rte_vdev_driver first_port_driver = {.next = {},
                                               .driver = {},
                                               .probe = probe,
                                               .remove = remove,
                                               .dma_map = nullptr,
                                               .dma_unmap = nullptr,
                                               .drv_flags = 0};

}  // namespace

RTE_PMD_REGISTER_VDEV(first_port, first_port_driver);
