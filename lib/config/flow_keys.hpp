// The keys of a flow and of its match, for the YAML (`flows`) and for the shell (`flow add`). Any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/key.hpp"
#include "config/pairs.hpp"
#include "tunnel/flow.hpp"

namespace culvert::config {

// `match` is a map of its own, by match_keys().
std::span<const Key<tunnel::Flow>> flow_keys();
std::span<const Key<tunnel::Match>> match_keys();

// A flow from the words of `flow add NAME port PORT match KEY VALUE ... tunnel TUNNEL [priority N]`. Whether
// port and tunnel exist is not looked at. The error names the first thing that is wrong and what would be
// right.
struct FlowWords {
  std::string name, port, tunnel;
  Pairs match;
  std::optional<std::string> priority;
};
Result<tunnel::Flow> flow_from_words(const FlowWords& words);

}  // namespace culvert::config
