// l3 networks, as the control lcore sets them.
#include <algorithm>

#include "dataplane/dataplane.hpp"
#include "dataplane/state.hpp"

namespace culvert::dataplane {

// Workers may still look in them.
void Dataplane::State::retire_routes() {
  for (auto entry = routes.begin(); entry != routes.end();) {
    const auto spec = std::ranges::find(networks, entry->first, &NetworkSpec::id);
    if (spec != networks.end() && spec->routed) {
      ++entry;
      continue;
    }
    routes_retired.retire(std::move(entry->second));
    entry = routes.erase(entry);
  }
}

void Dataplane::State::tell_wanted_neighbours() {
  constexpr size_t kMost = 64;  // a turn and worker
  for (const auto& worker : workers)
    for (size_t i = 0; i < kMost; ++i) {
      const auto request = worker->neighbours_wanted().pop();
      if (!request) break;
      if (neighbour_listener) neighbour_listener(request->port, request->ip);
    }
}

void Dataplane::make_routes(NetworkId id) {
  std::unique_ptr<fib::Families>& tables = state_->routes[id];
  if (tables == nullptr) tables = std::make_unique<fib::Families>(state_->routes_retired);
}

fib::Families* Dataplane::routes(NetworkId id) {
  const auto found = state_->routes.find(id);
  return found == state_->routes.end() ? nullptr : found->second.get();
}

fib::Families& Dataplane::neighbours(PortIndex port) { return *state_->shared.neighbours.at(port); }

void Dataplane::set_hop(HopId id, RouteHop hop) {
  state_->shared.hops[id].replace(std::make_unique<const RouteHop>(std::move(hop)), state_->routes_retired);
}

void Dataplane::remove_hop(HopId id) { state_->shared.hops[id].replace(nullptr, state_->routes_retired); }

const RouteHop* Dataplane::hop(HopId id) const { return state_->shared.hops[id].load(); }

uint32_t Dataplane::hop_used_s(HopId id) const {
  uint32_t latest = 0;
  for (const auto& worker : state_->workers)
    latest = std::max(latest, worker->hop_stamps()[id].load(std::memory_order_relaxed));
  return latest;
}

void Dataplane::set_neighbour_listener(NeighbourListener listener) {
  state_->neighbour_listener = std::move(listener);
}

}  // namespace culvert::dataplane
