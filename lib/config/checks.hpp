// What must hold between the parts of a configuration: unique names, references to something.
#pragma once

#include <vector>

#include "config/config.hpp"
#include "config/reader.hpp"

namespace culvert::config {

// Where the parts stand: as many as `config` has of each, in the same order.
struct ConfigPlaces {
  std::vector<Places> ports, tunnels, networks, flows;
};

void check_config(const Config& config, const ConfigPlaces& places, Reader& reader);

}  // namespace culvert::config
