// The configuration as plain structs (the keys are those of doc/config.md). Knows nothing of argv, EAL or the
// kernel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tunnel/tunnel.hpp"

namespace culvert::config {

enum class KernelPath : uint8_t { none, bifurcated };

struct Port {
  std::string name;
  std::string ethdev;  // as EAL knows it
  std::string netdev;  // the kernel link that it is; empty: none
  KernelPath kernel_path = KernelPath::none;

  bool operator==(const Port&) const = default;
};

struct Network {
  std::string name;
  std::vector<std::string> ports;    // names of ports
  std::vector<std::string> tunnels;  // names of tunnels
  bool learning = true;
  bool flood = true;
  uint32_t max_macs = 65536;

  bool operator==(const Network&) const = default;
};

struct Config {
  std::string netns;  // name or path; empty: where culvert runs
  std::vector<Port> ports;
  std::vector<tunnel::Tunnel> tunnels;
  std::vector<Network> networks;

  bool operator==(const Config&) const = default;
};

// One finding: "FILE:LINE:COL: what is wrong; what would be right".
struct Diagnostic {
  std::string file;
  int line = 1;  // from 1
  int column = 1;
  std::string message;

  std::string to_string() const;
};

struct Parsed {
  Config config;                   // meaningful only without errors
  std::vector<Diagnostic> errors;  // every one, in the order of the file
};

// Any thread. `file` names the text in messages.
Parsed parse(const std::string& text, const std::string& file);
Parsed load(const std::string& path);

}  // namespace culvert::config
