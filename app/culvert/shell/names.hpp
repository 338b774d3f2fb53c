// Names in commands that must be those of something.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "control/views.hpp"

namespace culvert::shell {

// Ok if one of `tunnels` has this name; else the error says which there are.
Status check_tunnel_name(const std::vector<control::TunnelView>& tunnels, const std::string& name);

}  // namespace culvert::shell
