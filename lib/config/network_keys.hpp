// The keys of a network, of its routes and of its paths. Any thread.
#pragma once

#include <span>

#include "config/config.hpp"
#include "config/key.hpp"

namespace culvert::config {

std::span<const Key<Network>> network_keys();
std::span<const Key<StaticRoute>> static_route_keys();
std::span<const Key<StaticPath>> static_path_keys();

}  // namespace culvert::config
