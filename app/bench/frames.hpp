// The frames that the benchmarks replay, as a pcap file: UDP flows with random destinations in 10.0.0.0/8,
// plain (64 bytes) or in VXLAN (114 bytes).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/address.hpp"

namespace culvert::bench {

enum class Kind : uint8_t { inner, vxlan };

// Who is in the frames.
inline constexpr net::Mac kInnerDst{{2, 0, 0, 0, 0, 0xaa}};
inline constexpr net::Mac kInnerSrc{{2, 0, 0, 0, 0, 0xbb}};
inline constexpr uint32_t kVni = 100;
inline constexpr uint32_t kOuterSrc = 0xc0000202;  // 192.0.2.2, the far end
inline constexpr uint32_t kOuterDst = 0xc0000201;  // 192.0.2.1, ours

// The inner IPv4 addresses of each flow.
struct FlowAddresses {
  uint32_t src, dst;
};
std::vector<FlowAddresses> flow_addresses(unsigned flows);

// One frame a flow. Error: the file cannot be written.
Status write_pcap(const std::string& path, Kind kind, unsigned flows);

}  // namespace culvert::bench
