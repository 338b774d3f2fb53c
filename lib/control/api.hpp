// What the shell may ask of culvert. Called on the control lcore only; nothing here blocks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "control/stream.hpp"
#include "control/views.hpp"
#include "tunnel/flow.hpp"
#include "tunnel/tunnel.hpp"

namespace culvert::control {

// `show routes`: at most one of prefix and address. An address asks for the one route that the kernel would
// use.
struct RouteQuery {
  std::optional<std::string> table;  // name or number
  std::optional<net::Prefix> prefix;
  std::optional<net::IpAddr> address;
};

class Api {
 public:
  virtual ~Api() = default;

  virtual std::vector<PortView> ports() = 0;
  virtual std::vector<NeighbourView> neighbours() = 0;
  // Error: the table is unknown.
  virtual Result<std::vector<RouteView>> routes(const RouteQuery& query) = 0;
  virtual std::vector<TunnelView> tunnels() = 0;
  virtual std::vector<EncapView> encaps() = 0;
  virtual std::vector<PathView> paths() = 0;
  virtual std::vector<GidView> gids() = 0;
  virtual StatsView stats() = 0;
  virtual MirrorView mirror() = 0;

  // Error: the name is taken, the UDP port is a kernel vxlan device's, ...; then nothing has changed.
  virtual Status add_tunnel(const tunnel::Tunnel& tunnel) = 0;
  // Error: unknown, or in use (by what).
  virtual Status delete_tunnel(const std::string& name) = 0;

  // Names of networks.
  virtual std::vector<std::string> networks() = 0;
  // A static path. Error: no such l2 network, not a member of it, there is a static path for the MAC already,
  // the FDB is full; then nothing has changed.
  virtual Status add_path(const std::string& network, const config::StaticPath& path) = 0;
  // A static path, of the shell or (until the next reload) of the configuration, or what was learned. Error:
  // there is none, or it is the kernel's.
  virtual Status delete_path(const std::string& network, const net::Mac& mac) = 0;
  // What was learned in the network. Error: no such l2 network.
  virtual Status flush_paths(const std::string& network) = 0;

  // Explicit flows, and those that culvert makes itself.
  virtual std::vector<FlowView> flows() = 0;
  // Error: the name is taken, no such port or tunnel, the match takes no packet, ...; then nothing has
  // changed. A flow whose tunnel is not resolved, or that the NIC refuses, is no error.
  virtual Status add_flow(const tunnel::Flow& flow) = 0;
  // Error: unknown, or not made by the shell.
  virtual Status delete_flow(const std::string& name) = 0;
  // Those made by the shell.
  virtual void flush_flows() = 0;
  // Calls `done` once, perhaps before it returns: with the steps from the match to the rule, a line each.
  // Error: unknown.
  virtual void explain_flow(const std::string& name, std::function<void(Result<std::string>)> done) = 0;
  // Calls `done` once, perhaps before it returns: with each difference between what is wanted and what the
  // NIC has. Error: it could not be looked at.
  virtual void verify(std::function<void(Result<std::vector<std::string>>)> done) = 0;

  // Reads the configuration again, on a thread of its own, and applies what is new in it; then calls `done`
  // once. Error: where and what is wrong; then nothing has changed. What was asked for meanwhile is done
  // before.
  virtual void reload(std::function<void(Status)> done) = 0;

  // Calls `done` once: when all that the kernel has queued and the shell has said so far is applied (with
  // `tunnel`: and that tunnel is resolved), or with an error at `deadline`. `done` may be called before this
  // returns.
  virtual void wait(TimePoint deadline, std::optional<std::string> tunnel,
                    std::function<void(Status)> done) = 0;
  // The mirror's state and its changes. Error: too many listen already.
  virtual Result<std::unique_ptr<Stream>> monitor() = 0;
  virtual void resync() = 0;
  virtual void set_forwarding(bool on) = 0;
  virtual void shutdown() = 0;
};

}  // namespace culvert::control
