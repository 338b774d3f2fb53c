// Receive-side scaling: what an action asks for, and the Toeplitz hash over what the types ask for.
#pragma once

#include <rte_ethdev.h>

#include "action.hpp"

namespace eswitch {

class Port;

inline constexpr uint32_t kRssKeyBytes = 40;
inline constexpr uint64_t kRssTypes = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;

const std::vector<uint8_t>& default_rss_key();

/// What an RSS action on `port` asks for. False: refused.
bool compile_rss(const rte_flow_action& action, const Port& port, RssSpec& spec, rte_flow_error* error);

/// The hash of a packet under `spec`; 0 where none of its types applies.
uint32_t rss_hash(const Key& key, const RssSpec& spec);

}  // namespace eswitch
