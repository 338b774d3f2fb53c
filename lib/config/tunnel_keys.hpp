// The keys of a tunnel, for the YAML (`tunnels`) and for the shell (`tunnel add NAME KEY VALUE ...`). Any
// thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/key.hpp"
#include "config/pairs.hpp"
#include "tunnel/tunnel.hpp"

namespace culvert::config {

std::span<const Key<tunnel::Tunnel>> tunnel_keys();

// What is wrong between the keys of one tunnel, and the key to point at.
struct Fault {
  std::string_view key;
  std::string message;
};
std::optional<Fault> check_tunnel(const tunnel::Tunnel& tunnel);

// A tunnel from the shell's words. The error names the first thing that is wrong and what would be right.
Result<tunnel::Tunnel> tunnel_from_pairs(std::string_view name, const Pairs& pairs);

}  // namespace culvert::config
