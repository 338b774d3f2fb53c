// Where MACs are: what the kernel, the configuration and the shell say to it.

#include <chrono>

#include "control/control.hpp"

namespace culvert::control {

// The kernel's own neighbour table says how many destinations a host talks to (gc_thresh3) and how long it
// remembers one (gc_interval): see origin 004 in doc/architecture.md.
void Control::follow_neighbour_cache() {
  const netlink::NeighbourCache cache = neighbour_ageing_.cache();
  dataplane_->set_collector_period(std::chrono::ceil<std::chrono::seconds>(cache.gc_interval));
  dataplane_->set_path_buckets(cache.gc_thresh3);
}

}  // namespace culvert::control
