// What all workers read and the control lcore alone writes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/bindings.hpp"
#include "dataplane/classifier.hpp"
#include "dataplane/encap_slot.hpp"
#include "dataplane/ids.hpp"
#include "dataplane/route_hop.hpp"
#include "dataplane/snapshot.hpp"
#include "fib/families.hpp"
#include "rcu/domain.hpp"
#include "rcu/hash.hpp"
#include "rcu/published.hpp"

namespace culvert::dataplane {

using FdbHash = rcu::Hash<StationKey>;

// A value of the FDB hash: where the station is, and the number of its row, by which workers stamp it as
// used.
struct FdbValue {
  uint32_t row = 0;
  Where where;

  uint64_t pack() const { return static_cast<uint64_t>(row) << 32 | where.bits(); }
  static FdbValue unpack(uint64_t value) {
    return {static_cast<uint32_t>(value >> 32), Where::from_bits(static_cast<uint32_t>(value))};
  }
};

// The present epoch of the FDB (see PathTable) and the control lcore's clock, in one word. Both begin at 1:
// epoch 0 is that of empty path table entries, second 0 the stamp of a row that was never used.
struct Pulse {
  uint32_t epoch = 1;
  uint32_t now_s = 1;

  uint64_t pack() const { return static_cast<uint64_t>(epoch) << 32 | now_s; }
  static Pulse unpack(uint64_t value) {
    return {static_cast<uint32_t>(value >> 32), static_cast<uint32_t>(value)};
  }
};

struct Shared {
  rcu::Domain* domain = nullptr;
  rcu::Published<Snapshot> snapshot;  // never null
  std::unique_ptr<rcu::Published<EncapSlot>[]> encaps { new rcu::Published<EncapSlot>[ kMaxEncaps ] };
  // By PortIndex; null: no flows.
  std::unique_ptr<rcu::Published<PortFlows>[]> flows { new rcu::Published<PortFlows>[ kMaxPorts ] };
  rcu::Published<FdbHash> fdb;  // never null; a larger one as it grows
  // Made before the first snapshot with a network that suppresses is published; null until then.
  std::unique_ptr<BindingHash> bindings;
  // What routes, and neighbours, lead to: by HopId. That of kNoRoute is null for good.
  std::unique_ptr<rcu::Published<RouteHop>[]> hops { new rcu::Published<RouteHop>[ kMaxHops ] };
  // Of the link behind each port, by PortIndex: the stations whose MAC is known, and the hop that leads
  // there.
  std::vector<std::unique_ptr<fib::Families>> neighbours;
  // Release by the control lcore after the change of the FDB that began the epoch, acquire by workers: who
  // sees the epoch sees the change.
  std::atomic<uint64_t> pulse{Pulse{}.pack()};
  // What each worker's path table shall have. Relaxed: the table is the worker's own, nothing else goes with
  // it.
  std::atomic<size_t> path_buckets{kDefaultPathBuckets};
  std::atomic<uint64_t> fence{0};  // number of the latest Dataplane::fence()
  std::atomic<bool> forwarding{true};
  std::atomic<bool> running{true};
};

}  // namespace culvert::dataplane
