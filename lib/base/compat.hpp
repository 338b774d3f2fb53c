// Where the versions of DPDK differ that culvert is built with: 22.11 (Debian 12) to 24.11 (Debian 13).
#pragma once

#include <rte_flow.h>
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

}  // namespace culvert::compat
