// What a worker asks the control lcore for: to learn a station, to have a neighbour resolved. The worker
// pushes, the control lcore pops and decides.
#pragma once

#include <cstdint>

#include "dataplane/ask_filter.hpp"
#include "dataplane/ids.hpp"
#include "dataplane/spsc_ring.hpp"
#include "net/address.hpp"

namespace culvert::dataplane {

struct LearnRequest {
  StationKey station;
  Where where;
  uint32_t epoch = 0;  // of the FDB that had it elsewhere: in another one it is another request

  uint64_t hash() const { return station.bits * 0x9e3779b97f4a7c15; }
  bool operator==(const LearnRequest&) const = default;
};

using LearnRing = SpscRing<LearnRequest, 4096>;
using LearnFilter = AskFilter<LearnRequest>;
inline constexpr uint64_t kLearnAgainMs = 10;

// A packet is for `ip`, which is directly connected at the port and has no MAC yet.
struct NeighbourRequest {
  PortIndex port = 0;
  net::IpAddr ip;

  uint64_t hash() const {
    uint64_t words[2]{};
    std::memcpy(words, ip.bytes().data(), ip.bytes().size());
    return (words[0] ^ words[1] * 0xff51afd7ed558ccd ^ port) * 0x9e3779b97f4a7c15;
  }
  bool operator==(const NeighbourRequest&) const = default;
};

using NeighbourRing = SpscRing<NeighbourRequest, 512>;
using NeighbourFilter = AskFilter<NeighbourRequest>;
inline constexpr uint64_t kNeighbourAgainMs = 200;

}  // namespace culvert::dataplane
