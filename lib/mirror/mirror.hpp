// The kernel's links, addresses, neighbours, nexthops and routes, kept equal to the kernel's own by its
// events.
//
// Everything here runs on the control lcore. Listeners are called in the order of the kernel's events, one
// change at a time, after the tables hold the new state. `before` or `after` is null where the object was
// not, or is no more.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "netlink/objects.hpp"

namespace culvert::mirror {

using netlink::Address;
using netlink::Hop;
using netlink::Link;
using netlink::Neighbour;
using netlink::Nexthop;
using netlink::Route;

class Listener {
 public:
  virtual ~Listener() = default;
  virtual void on_link(const Link* /*before*/, const Link* /*after*/) {}
  virtual void on_address(const Address* /*before*/, const Address* /*after*/) {}
  virtual void on_neighbour(const Neighbour* /*before*/, const Neighbour* /*after*/) {}
  virtual void on_nexthop(const Nexthop* /*before*/, const Nexthop* /*after*/) {}
  virtual void on_route(const Route* /*before*/, const Route* /*after*/) {}
};

struct Stats {
  uint64_t epoch = 0;     // resyncs begun, the first dump included
  uint64_t sequence = 0;  // changes delivered
  uint64_t resyncs = 0;   // completed, the first dump not counted
  uint64_t overruns = 0;  // ENOBUFS: the kernel dropped events
  size_t links = 0, addresses = 0, neighbours = 0, routes = 0, nexthops = 0;
  bool consistent = false;  // the last dump completed and no event was lost since
  size_t behind = 0;        // events read and not yet applied
};

}  // namespace culvert::mirror
