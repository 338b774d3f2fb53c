// rte_flow's items and actions in the words of dpdk-testpmd.
#pragma once

#include <rte_flow.h>

#include <span>
#include <string>

namespace culvert::offload {

// "udp dst is 53", "set_tag index 1 data 7 mask 0xffffffff"; "item type 77" for what no Rule has. Any thread.
std::string to_string(const rte_flow_item& item);
std::string to_string(const rte_flow_action& action);

// "set raw_encap 0 eth ... / ipv4 ... / udp ... / vxlan ... / end_set" for the bytes of tunnel::Header: after
// it the action `raw_encap index 0` writes the same bytes.
std::string raw_encap_line(std::span<const uint8_t> header);

}  // namespace culvert::offload
