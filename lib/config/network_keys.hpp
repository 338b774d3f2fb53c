// The keys of a network, of its members, its routes and its paths. Any thread.
#pragma once

#include <span>

#include "config/config.hpp"
#include "config/key.hpp"

namespace culvert::config {

std::span<const Key<Network>> network_keys();
// Of a member that is a VLAN of a port.
std::span<const Key<Member>> member_keys();
std::span<const Key<StaticRoute>> static_route_keys();
std::span<const Key<StaticPath>> static_path_keys();

}  // namespace culvert::config
