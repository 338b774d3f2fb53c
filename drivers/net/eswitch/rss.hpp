// Receive-side scaling: the Toeplitz hash over what the types ask for.
#pragma once

#include <rte_ethdev.h>

#include "action.hpp"

namespace eswitch {

inline constexpr uint32_t kRssKeyBytes = 40;
inline constexpr uint64_t kRssTypes = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;

const std::vector<uint8_t>& default_rss_key();

/// The hash of a packet under `spec`; 0 where none of its types applies.
uint32_t rss_hash(const Key& key, const RssSpec& spec);

}  // namespace eswitch
