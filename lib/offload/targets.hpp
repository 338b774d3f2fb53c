// Where rules live: a target for each switch and each plain NIC port, and in what way it takes them.
#pragma once

#include <memory>
#include <vector>

#include "offload/node.hpp"
#include "offload/offload.hpp"

namespace culvert::offload {

// The ports of one switch, by its domain; a plain NIC is alone. The ports are started.
std::vector<std::unique_ptr<Target>> find_targets(const std::vector<PortSetup>& ports);

// Asks the driver what it takes and makes the queues. Before the thread that owns its rules runs.
void probe_target(Target& target, const Setup& setup);

// From what the driver has answered; asks nothing. The thread that owns its rules.
void choose_layout(Target& target, LayoutWish wish);

}  // namespace culvert::offload
