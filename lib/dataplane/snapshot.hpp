// The shape of the networks as the workers read it: who is inside, who is a tunnel. Immutable; the control
// lcore builds a new one for each change and publishes it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "dataplane/dataplane.hpp"
#include "dataplane/termination_table.hpp"
#include "fib/families.hpp"

namespace culvert::dataplane {

struct PortRole {
  bool tenant = false;      // in a network, or with flows; else an underlay port
  bool in_network = false;  // `network`
  bool routed = false;      // ... which is an l3 network
  bool bifurcated = false;  // the kernel sees its packets too
  bool kernel_frames = false;
  bool removed = false;  // its device is gone: not to be touched
  NetworkId network = 0;
  std::vector<NetworkId> vlans;    // of a trunk: by VID, kNoNetwork where it is in none; else empty
  std::vector<uint64_t> own_macs;  // Mac::bits(); the first is the port's

  bool owns(uint64_t mac_bits) const { return std::ranges::find(own_macs, mac_bits) != own_macs.end(); }
};

struct Network {
  bool exists = false;
  bool learning = false;
  bool flood = false;
  uint32_t max_macs = 0;
  uint32_t max_macs_per_member = 0;
  const fib::Families* routes = nullptr;  // null: an l2 network
  std::vector<Where> ports;               // whole ports and VLANs of ports
  std::vector<EncapId> encaps;
  bool suppress = false;  // answers ARP and ND

  // Can a station of an l2 network be there?
  bool has(Where where) const {
    if (routes != nullptr) return false;
    return where.is_tunnel() ? std::ranges::find(encaps, where.index()) != encaps.end()
                             : std::ranges::find(ports, where) != ports.end();
  }
};

struct Snapshot {
  std::vector<PortRole> ports;    // by PortIndex
  std::vector<Network> networks;  // by NetworkId
  bool suppresses = false;        // one of them does
  TerminationTable terminations;
  std::vector<uint64_t> inner_macs;  // by EncapId, of tunnels of l3 networks: see router_mac()

  // Null: no such network.
  const Network* network(uint32_t id) const {
    return id < networks.size() && networks[id].exists ? &networks[id] : nullptr;
  }
  // To which MAC the others there send what an l3 network is to route. Mac::bits(), 0: none.
  uint64_t router_mac(Where from) const {
    if (from.is_tunnel()) return from.index() < inner_macs.size() ? inner_macs[from.index()] : 0;
    const std::vector<uint64_t>& own = ports[from.index()].own_macs;
    return own.empty() ? 0 : own.front();
  }
};

// The routes of l3 networks.
using RoutesOf = std::map<NetworkId, std::unique_ptr<fib::Families>>;

// `has_flows` by PortIndex; `routes` has those of all l3 networks. Error: see Dataplane::set_networks() and
// set_terminations().
Result<Snapshot> make_snapshot(std::span<const PortSetup> ports, const std::vector<bool>& has_flows,
                               std::span<const NetworkSpec> networks, const RoutesOf& routes,
                               std::span<const Termination> terminations);

}  // namespace culvert::dataplane
