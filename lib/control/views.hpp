// What `show` prints, as plain values: fields in the order of doc/shell.md. nullopt prints as null (in
// tables: "-").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/address.hpp"

namespace culvert::control {

struct PortView {
  std::string name, ethdev;
  std::optional<std::string> netdev;
  uint16_t port_id = 0;
  net::Mac mac;
  bool link_up = false;
  bool removed = false;  // its device is gone
  uint16_t mtu = 0;
  uint64_t rx_packets = 0, tx_packets = 0, rx_bytes = 0, tx_bytes = 0;  // the ethdev's own
  uint64_t drops = 0;  // packets that came in here and were dropped, or were to go out here and could not
  uint64_t rx_errors = 0, tx_errors = 0;  // the ethdev's own: what its driver lost before and after culvert
};

struct NeighbourView {
  std::string netdev;
  net::IpAddr ip;
  std::optional<net::Mac> mac;
  std::string nud;
  uint32_t encaps = 0;
};

struct HopView {
  std::optional<net::IpAddr> via;
  std::optional<std::string> netdev;
  uint32_t weight = 1;
  bool alive = true;
  std::optional<std::string> encap;  // of the kernel's own: "mpls", "seg6", ...
};

struct RouteView {
  uint32_t table = 0;
  std::string table_name;
  net::Prefix prefix;
  uint32_t metric = 0;
  std::string protocol;
  std::optional<net::IpAddr> prefsrc;
  std::string type;
  std::vector<HopView> nexthops;
  std::optional<uint32_t> nhid;
};

struct TunnelView {
  std::string name, type;
  net::IpAddr local, remote;
  bool resolved = false;
  std::optional<std::string> reason;  // why not resolved
  std::optional<uint32_t> encap;
};

struct EncapView {
  uint32_t id = 0;
  std::string tunnel;
  bool valid = false;
  std::optional<std::string> reason;
  std::optional<std::string> port;
  std::optional<net::IpAddr> via;
  std::optional<net::Mac> dst_mac, src_mac;
  std::optional<net::IpAddr> src_ip;
  std::optional<uint32_t> mtu;
  std::optional<std::string> header;  // hex
  uint32_t refs = 0;
  bool in_hardware = false;
  uint64_t packets = 0, bytes = 0;
};

struct FlowView {
  std::string name, source;  // "config", "shell", "route", "path", "decap"
  std::optional<std::string> port, tunnel;
  std::string state;                  // "pending", "offloaded", "software", "failed"
  std::optional<std::string> reason;  // why not offloaded
  uint64_t packets = 0, bytes = 0;
};

struct PathView {
  std::string network;
  net::Mac mac;
  std::optional<std::string> tunnel, port;  // one of the two
  std::optional<uint16_t> vlan;             // of the port, where that is a trunk
  std::string origin;
  uint64_t idle_s = 0;
  uint32_t refs = 0;
};

struct GidView {
  std::string port;
  uint16_t index = 0;
  std::string gid, type;  // "RoCE v1", "RoCE v2"
  std::string netdev;
  std::optional<uint16_t> vlan;
  bool is_default = false;
  std::string state;  // "valid", "updating", "invalid"
};

struct LcoreView {
  unsigned lcore = 0;
  std::string role;  // "control" or "worker"
  uint64_t rx = 0, tx = 0;
  double busy_pct = 0;
};

// Rule operations in the NICs since the start.
struct RulesView {
  uint64_t created = 0, destroyed = 0, refused = 0;
  uint64_t installed = 0;  // now
};

// How long the NIC took to follow the kernel: from the event to the last rule change that it caused.
struct LatencyView {
  std::optional<uint64_t> below_us;  // nullopt: all longer ones
  uint64_t changes = 0;
};

struct StatsView {
  uint64_t rx = 0, tx = 0, forwarded = 0, encapsulated = 0, decapsulated = 0, exceptions = 0;
  uint64_t marked = 0;      // of the encapsulated: a plain NIC writes their headers
  uint64_t suppressed = 0;  // ARP and ND answered here
  uint64_t flooded = 0, checksums_completed = 0, checksums_unfinished = 0;
  uint64_t learned = 0, moved = 0, aged = 0, learn_over_limit = 0, learn_over_member_limit = 0,
           learn_dropped = 0;
  std::vector<std::pair<std::string, uint64_t>> drops;  // every reason, zeros included
  std::vector<LcoreView> lcores;
  RulesView rules;
  std::vector<LatencyView> rule_latency;  // from the shortest to the longest that was seen
};

struct MirrorView {
  uint64_t epoch = 0, sequence = 0, resyncs = 0, overruns = 0;
  uint64_t links = 0, addresses = 0, neighbours = 0, routes = 0, nexthops = 0;
  bool consistent = false;
  uint64_t behind = 0;
  uint64_t rules = 0;
  uint64_t malformed = 0;
  std::string state;
};

}  // namespace culvert::control
