#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <algorithm>

#include "port/port.hpp"

namespace culvert::port {

namespace {
constexpr unsigned kCachePerLcore = 256;
constexpr unsigned kRingDescriptors = 1024;  // receive and send ring of one queue pair
constexpr unsigned kFewest = 8192;
}  // namespace

unsigned mbufs_needed(unsigned ports, unsigned workers) {
  // af_packet and the like keep none, a NIC fills its rings; a flood may copy a burst of 32 to every port.
  const unsigned queues = ports * std::max(workers, 1u);
  return std::max(kFewest, queues * (kRingDescriptors + 64) + workers * 2 * kCachePerLcore);
}

Result<Mempool> create_mempool(const std::string& name, unsigned mbufs, uint16_t data_bytes) {
  rte_mempool* pool =
      rte_pktmbuf_pool_create(name.c_str(), mbufs, kCachePerLcore, 0,
                              static_cast<uint16_t>(RTE_PKTMBUF_HEADROOM + data_bytes), SOCKET_ID_ANY);
  if (pool == nullptr)
    return error("no memory for {} packet buffers of {} bytes ({}): give EAL more with -m MEGABYTES", mbufs,
                 data_bytes, errno_text(rte_errno));
  return Mempool(pool);
}

}  // namespace culvert::port
