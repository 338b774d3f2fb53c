// The configuration as plain structs (the keys are those of doc/config.md). Knows nothing of argv, EAL or the
// kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tunnel/flow.hpp"
#include "tunnel/tunnel.hpp"

namespace culvert::config {

enum class KernelPath : uint8_t { none, bifurcated };

struct Port {
  std::string name;
  std::string ethdev;  // as EAL knows it
  std::string netdev;  // the kernel link that it is; empty: none
  KernelPath kernel_path = KernelPath::none;
  uint16_t gids = 256;  // entries of its GID table

  bool operator==(const Port&) const = default;
};

// A route of an l3 network beside the kernel's.
struct StaticRoute {
  net::Prefix prefix;
  std::string tunnel;               // where it leads: a tunnel of the network, or
  std::string port;                 // a port of it and
  std::optional<net::Mac> dst_mac;  // the station there

  bool operator==(const StaticRoute&) const = default;
};

// A port of a network: the whole port, or one VLAN of it.
struct Member {
  std::string port;
  std::optional<uint16_t> vlan;

  std::string to_string() const;  // for a person: "the port 'trunk'", "VLAN 100 of the port 'trunk'"
  bool operator==(const Member&) const = default;
};

// Where a station of an l2 network is for good: behind a tunnel or a port of the network.
struct StaticPath {
  net::Mac mac;
  std::string tunnel;  // one of the two
  std::string port;
  std::optional<uint16_t> vlan;  // of a port that is a trunk

  bool operator==(const StaticPath&) const = default;
};

struct Network {
  enum class Type : uint8_t { l2, l3 };

  std::string name;
  std::vector<Member> ports;
  std::vector<std::string> tunnels;  // names of tunnels
  bool learning = true;
  bool flood = true;
  uint32_t max_macs = 65536;
  std::optional<uint32_t> max_macs_per_member;  // learned behind one of its ports or tunnels
  std::string bridge;                           // the kernel's, whose FDB is followed; empty: none
  std::vector<StaticPath> paths;
  Type type = Type::l2;
  // Of an l3 network: the kernel's table whose routes it follows, by its number or as the VRF's name.
  std::optional<uint32_t> table;
  std::string vrf;
  std::vector<StaticRoute> routes;
  bool suppress = false;  // of an l2 network: answer ARP and ND from what is known

  bool operator==(const Network&) const = default;
};

// How flows get into the NIC.
struct Offload {
  enum class Mode : uint8_t { automatic, off, required };
  enum class Layout : uint8_t { automatic, tagged, flat };
  Mode mode = Mode::automatic;
  Layout layout = Layout::automatic;

  bool operator==(const Offload&) const = default;
};

struct Config {
  std::string netns;  // name or path; empty: where culvert runs
  std::vector<Port> ports;
  std::vector<tunnel::Tunnel> tunnels;
  std::vector<Network> networks;
  std::vector<tunnel::Flow> flows;
  Offload offload;

  bool operator==(const Config&) const = default;
};

// A port with a kernel link that is in no network terminates tunnels; flows need one that tenants are behind.
bool takes_flows(const Config& config, const std::string& port);
// What is wrong with such a flow, and what would be right.
std::string takes_no_flows(const std::string& port);

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
  std::vector<Diagnostic> warnings;
};

// Any thread. `file` names the text in messages.
Parsed parse(const std::string& text, const std::string& file);
Parsed load(const std::string& path);

}  // namespace culvert::config
