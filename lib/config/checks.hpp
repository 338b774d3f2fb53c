// What must hold between the parts of a configuration: unique names, references to something.
#pragma once

#include <vector>

#include "config/config.hpp"
#include "config/reader.hpp"

namespace culvert::config {

// Where the parts stand: as many as `config` has of each, in the same order.
struct ConfigPlaces {
  std::vector<Places> ports, tunnels, networks, flows;
  std::vector<std::vector<Places>> routes, paths;  // of each network
};

void check_config(const Config& config, const ConfigPlaces& places, Reader& reader);

// What an l2 and an l3 network must have, and must not have; members and names are checked elsewhere.
void check_network_types(const Config& config, const ConfigPlaces& places, Reader& reader);

}  // namespace culvert::config
