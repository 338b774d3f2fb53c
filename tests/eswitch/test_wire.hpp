// An ethdev whose wire is two queues of this process, and a mempool driver with a lock: both are compiled
// here, with the sanitizers of the test, where DPDK's own would hide from them how mbufs pass between
// threads.
#pragma once

#include <cstdint>
#include <string>

#include "compat.hpp"
#include "ring.hpp"

namespace eswitch_test {

struct TestWire {
  eswitch::SpscRing<rte_mbuf*> to_switch{4096}, from_switch{4096};
  rte_ether_addr mac{};
};

/// The name of the mempool driver, for EAL's --mbuf-pool-ops-name.
inline constexpr const char* kPoolOps = "eswitch_test";

/// Makes an ethdev of that name. The wire must outlive it; rte_eth_dev_close ends it.
uint16_t make_test_wire(const std::string& name, TestWire& wire);

}  // namespace eswitch_test
