#include "rcu/hash.hpp"

#include <rte_errno.h>
#include <rte_memory.h>

#include <atomic>

namespace culvert::rcu::detail {

Result<rte_hash*> create_hash(const std::string& name, size_t capacity, size_t key_bytes, Domain& domain) {
  static std::atomic<unsigned> serial{0};
  const std::string unique = fmt::format("{}.{}", name, serial.fetch_add(1, std::memory_order_relaxed));
  rte_hash_parameters parameters{};
  parameters.name = unique.c_str();
  parameters.entries = static_cast<uint32_t>(capacity);
  parameters.key_len = static_cast<uint32_t>(key_bytes);
  parameters.socket_id = SOCKET_ID_ANY;
  parameters.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF;
  rte_hash* hash = rte_hash_create(&parameters);
  if (hash == nullptr)
    return error("cannot create the hash '{}' of {} keys: {}", name, capacity, errno_text(rte_errno));

  // Deferred queue: an erase never waits; an add that finds no place free reclaims what is ripe.
  rte_hash_rcu_config rcu{};
  rcu.v = domain.handle();
  rcu.mode = RTE_HASH_QSBR_MODE_DQ;
  if (rte_hash_rcu_qsbr_add(hash, &rcu) != 0) {
    rte_hash_free(hash);
    return error("cannot attach RCU to the hash '{}': {}", name, errno_text(rte_errno));
  }
  return hash;
}

}  // namespace culvert::rcu::detail
