// dpdk-test-flow-perf takes the first ethdevs, owned or not, and a switch's wires must exist before it. This
// plugin holds the first ethdev id (--vdev first_port_hold) until the wires have theirs, and then gives it
// back
// (--vdev first_port_release), so that the switch gets it.
#include <string_view>

#include "compat.hpp"

namespace {

rte_eth_dev* held = nullptr;

int probe(rte_vdev_device* device) {
  const bool release = std::string_view(rte_vdev_device_name(device)) == "first_port_release";
  if (release) return held != nullptr ? rte_eth_dev_release_port(held) : -ENODEV;
  held = rte_eth_dev_allocate("first_port");
  return held != nullptr ? 0 : -ENOMEM;
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
