// The shape of the networks as the workers read it: who is inside, who is a tunnel. Immutable; the control
// lcore builds a new one for each change and publishes it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "dataplane/dataplane.hpp"
#include "dataplane/termination_table.hpp"

namespace culvert::dataplane {

struct PortRole {
  bool tenant = false;      // in a network, or with flows; else an underlay port
  bool in_network = false;  // `network`
  bool kernel_frames = false;
  bool removed = false;  // its device is gone: not to be touched
  NetworkId network = 0;
  std::vector<uint64_t> own_macs;  // Mac::bits()

  bool owns(uint64_t mac_bits) const { return std::ranges::find(own_macs, mac_bits) != own_macs.end(); }
};

struct Network {
  bool exists = false;
  bool learning = false;
  bool flood = false;
  uint32_t max_macs = 0;
  std::vector<PortIndex> ports;
  std::vector<EncapId> encaps;

  bool has(Where where) const {
    return where.is_tunnel() ? std::ranges::find(encaps, where.index()) != encaps.end()
                             : std::ranges::find(ports, where.index()) != ports.end();
  }
};

struct Snapshot {
  std::vector<PortRole> ports;    // by PortIndex
  std::vector<Network> networks;  // by NetworkId
  TerminationTable terminations;

  // Null: no such network.
  const Network* network(uint32_t id) const {
    return id < networks.size() && networks[id].exists ? &networks[id] : nullptr;
  }
};

// `has_flows` by PortIndex. Error: see Dataplane::set_networks() and set_terminations().
Result<Snapshot> make_snapshot(std::span<const PortSetup> ports, const std::vector<bool>& has_flows,
                               std::span<const NetworkSpec> networks,
                               std::span<const Termination> terminations);

}  // namespace culvert::dataplane
