// Where the versions of DPDK differ that culvert is built with: 22.11 (Debian 12) to 24.11 (Debian 13).
#pragma once

#include <pthread.h>
#include <rte_flow.h>
#include <rte_ip.h>
#include <rte_lcore.h>
#include <rte_thread.h>
#include <rte_version.h>

#include <cstdint>
#include <cstring>

namespace culvert::compat {

// A MODIFY_FIELD action that writes all 32 bits of tag `index`.
inline rte_flow_action_modify_field modify_tag(uint8_t index, uint32_t data) {
  rte_flow_action_modify_field conf{};
  conf.operation = RTE_FLOW_MODIFY_SET;
  conf.dst.field = RTE_FLOW_FIELD_TAG;
#if RTE_VERSION >= RTE_VERSION_NUM(23, 7, 0, 0)
  conf.dst.tag_index = index;
#else
  conf.dst.level = index;
#endif
  conf.src.field = RTE_FLOW_FIELD_VALUE;
  std::memcpy(conf.src.value, &data, sizeof(data));
  conf.width = 32;
  return conf;
}

// How dpdk-testpmd calls the member that says which tag.
#if RTE_VERSION >= RTE_VERSION_NUM(23, 7, 0, 0)
inline constexpr const char* kTagIndexWord = "dst_tag_index";
#else
inline constexpr const char* kTagIndexWord = "dst_level";
#endif

// Addresses as rte_fib6 takes them, from their 16 bytes each: bytes, which its look-up only reads, or a type.
#if RTE_VERSION >= RTE_VERSION_NUM(24, 11, 0, 0)
inline const rte_ipv6_addr* fib6_address(const void* bytes) {
  return static_cast<const rte_ipv6_addr*>(bytes);
}
inline const rte_ipv6_addr* fib6_addresses(const void* bytes) { return fib6_address(bytes); }
#else
inline const uint8_t* fib6_address(const void* bytes) { return static_cast<const uint8_t*>(bytes); }
inline auto fib6_addresses(const void* bytes) {
  return static_cast<uint8_t(*)[16]>(const_cast<void*>(bytes));
}
#endif

// Which of it a template shares: all but the data. What is no number stands as it is in the action
// (net_mlx5).
inline rte_flow_action_modify_field modify_tag_mask() {
  rte_flow_action_modify_field mask{};
  std::memset(&mask, 0xff, sizeof(mask));
  mask.operation = RTE_FLOW_MODIFY_SET;
  mask.dst.field = RTE_FLOW_FIELD_TAG;
  mask.src.field = RTE_FLOW_FIELD_VALUE;
  std::memset(mask.src.value, 0, sizeof(mask.src.value));
  return mask;
}

// The index of the tag that such an action writes.
inline uint8_t modified_tag(const rte_flow_action_modify_field& conf) {
#if RTE_VERSION >= RTE_VERSION_NUM(23, 7, 0, 0)
  return conf.dst.tag_index;
#else
  return static_cast<uint8_t>(conf.dst.level);
#endif
}

// One of EAL's control threads: it runs on the processors that no lcore has, on the main lcore's if there are
// none.
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
using ControlThread = rte_thread_t;
// 0, or an error number. `name`: at most 15 characters.
inline int start_control_thread(ControlThread& thread, const char* name, uint32_t (*run)(void*),
                                void* argument) {
  return -rte_thread_create_control(&thread, name, run, argument);
}
inline void join_control_thread(ControlThread thread) { rte_thread_join(thread, nullptr); }
#else
using ControlThread = pthread_t;
inline int start_control_thread(ControlThread& thread, const char* name, uint32_t (*run)(void*),
                                void* argument) {
  struct Call {
    uint32_t (*run)(void*);
    void* argument;
  };
  auto* const call = new Call{run, argument};
  const auto begin = [](void* made) -> void* {
    const Call called = *static_cast<Call*>(made);
    delete static_cast<Call*>(made);
    called.run(called.argument);
    return nullptr;
  };
  const int rc = rte_ctrl_thread_create(&thread, name, nullptr, begin, call);
  if (rc != 0) delete call;
  return -rc;
}
inline void join_control_thread(ControlThread thread) { pthread_join(thread, nullptr); }
#endif

}  // namespace culvert::compat
