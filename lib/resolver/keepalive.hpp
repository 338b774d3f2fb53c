// Keeps the neighbours alive that encaps use. The kernel sees none of the packets that leave by the packet
// path or by the NIC; where the encaps of a neighbour have sent packets since the last look, it is told that
// the neighbour is in use, as its own traffic would (net/core/neighbour.c, neigh_event_send). A neighbour
// whose encaps are idle ages as any other.
//
// A look every half of the kernel's delay_probe_time: a REACHABLE entry that was used within that time of its
// end goes on to DELAY and is probed (neigh_timer_handler), so that one in steady use is confirmed once every
// reachable plus delay-probe time. Control lcore only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>

#include "base/clock.hpp"
#include "resolver/neighbour_demand.hpp"
#include "resolver/resolver.hpp"

namespace culvert::resolver {

class Keepalive {
 public:
  struct World {
    std::function<uint64_t(EncapId)> packets;                  // sent by the encap so far, by whomever
    std::function<Duration(const NeighbourKey&)> delay_probe;  // of its link and family
    std::function<void(const NeighbourKey&, EncapId)> used;    // by that encap, and maybe others
  };

  explicit Keepalive(World world) : world_(std::move(world)) {}

  // The encap stands on this neighbour from now on; nullopt: on none.
  void set(EncapId id, const std::optional<NeighbourKey>& key, TimePoint now);

  // Looks at the neighbours whose time has come.
  void run(TimePoint now);

 private:
  struct Watch {
    std::map<EncapId, uint64_t> seen;  // packets at the last look
  };

  Duration period(const NeighbourKey& key) const;
  void look(const NeighbourKey& key, Watch& watch);

  World world_;
  std::map<NeighbourKey, Watch> watches_;
  std::unordered_map<EncapId, NeighbourKey> of_encap_;
  std::multimap<TimePoint, NeighbourKey> due_;  // one entry a watch
};

}  // namespace culvert::resolver
