// A control::Api without a kernel or a NIC: fixed views, and a record of what was asked for.
#pragma once

#include <string>
#include <vector>

#include "control/api.hpp"

namespace culvert::control {

class FakeApi : public Api {
 public:
  FakeApi() {
    PortView uplink;
    uplink.name = "uplink";
    uplink.ethdev = "net_af_packet0";
    uplink.netdev = "veth0";
    uplink.mac = *net::Mac::parse("02:00:00:00:00:0A");
    uplink.link_up = true;
    uplink.mtu = 1500;
    uplink.rx_packets = 12345;
    uplink.tx_errors = 2;
    PortView tenant;
    tenant.name = "tenant";
    tenant.ethdev = "net_tap0";
    tenant.port_id = 1;
    tenant.mtu = 1450;
    tenant.removed = true;
    port_views = {uplink, tenant};

    neighbour_views = {{"veth0", ip("192.0.2.254"), net::Mac::parse("02:00:00:00:00:fe"), "reachable", 1},
                       {"veth0", ip("2001:db8::7"), std::nullopt, "failed", 0}};
    route_views = {{254,
                    "main",
                    *net::Prefix::parse("0.0.0.0/0"),
                    0,
                    "static",
                    std::nullopt,
                    "unicast",
                    {{ip("192.0.2.254"), "veth0", 1, true}},
                    std::nullopt},
                   {254,
                    "main",
                    *net::Prefix::parse("192.0.2.0/24"),
                    0,
                    "kernel",
                    ip("192.0.2.1"),
                    "unicast",
                    {{std::nullopt, "veth0", 1, true}},
                    7}};
    tunnel_views = {
        {"vx100", "vxlan", ip("192.0.2.1"), ip("192.0.2.2"), true, std::nullopt, 1},
        {"vx200", "vxlan", ip("192.0.2.1"), ip("192.0.2.3"), false, "no route to 192.0.2.3", std::nullopt}};
    EncapView encap;
    encap.id = 1;
    encap.tunnel = "vx100";
    encap.valid = true;
    encap.port = "uplink";
    encap.via = ip("192.0.2.254");
    encap.dst_mac = net::Mac::parse("02:00:00:00:00:fe");
    encap.src_mac = net::Mac::parse("02:00:00:00:00:0a");
    encap.src_ip = ip("192.0.2.1");
    encap.mtu = 1450;
    encap.header = "0200";
    encap.refs = 1;
    encap.packets = 10;
    encap.bytes = 1000;
    encap_views = {encap};
    path_views = {{"blue", *net::Mac::parse("02:00:00:00:00:09"), "vx100", std::nullopt, std::nullopt,
                   "learned", 3, 1}};
    gid_views = {{"uplink", 0, "fe80::ff:fe00:a", "RoCE v1", "veth0", std::nullopt, true, "valid"},
                 {"uplink", 2, "::ffff:192.0.2.1", "RoCE v2", "veth0.100", 100, false, "updating"}};
    flow_views = {
        {"dns", "config", "tenant", "vx100", "software", "the NIC is full", 12, 1200},
        {"web", "shell", "tenant", "vx200", "pending", "no route to 192.0.2.3", 0, 0},
        {"blue.02:00:00:00:00:09", "path", std::nullopt, std::nullopt, "offloaded", std::nullopt, 7, 700}};
    stats_view.rx = 100;
    stats_view.flooded = 4;
    stats_view.learned = 3;
    stats_view.drops = {{"split_horizon", 0}, {"unknown_vni", 2}};
    stats_view.lcores = {{0, "control", 0, 0, 1.26}, {1, "worker", 100, 90, 55.0}};
    stats_view.rules = {5, 2, 1, 3};
    stats_view.rule_latency = {{16, 0}, {std::nullopt, 4}};
    mirror_view.epoch = 1;
    mirror_view.consistent = true;
    mirror_view.state = "follows the kernel";
  }

  std::vector<PortView> ports() override { return port_views; }
  std::vector<NeighbourView> neighbours() override { return neighbour_views; }
  Result<std::vector<RouteView>> routes(const RouteQuery& query) override {
    if (query.table == "nowhere") return error("there is no table 'nowhere'");
    last_query = query;
    return route_views;
  }
  std::vector<TunnelView> tunnels() override { return tunnel_views; }
  std::vector<EncapView> encaps() override { return encap_views; }
  std::vector<PathView> paths() override { return path_views; }
  std::vector<GidView> gids() override { return gid_views; }
  StatsView stats() override { return stats_view; }
  MirrorView mirror() override { return mirror_view; }

  Status add_tunnel(const tunnel::Tunnel& tunnel) override {
    for (const TunnelView& known : tunnel_views)
      if (known.name == tunnel.name) return error("there is a tunnel '{}' already", tunnel.name);
    changes.push_back("add " + tunnel.name);
    added.push_back(tunnel);
    return {};
  }
  Status delete_tunnel(const std::string& name) override {
    if (name == "vx100") return error("tunnel vx100 is in use by network blue");
    changes.push_back("del " + name);
    return {};
  }
  std::vector<FlowView> flows() override { return flow_views; }
  std::vector<std::string> networks() override { return {"blue", "red"}; }
  Status add_path(const std::string& network, const config::StaticPath& path) override {
    changes.push_back(fmt::format("path add {} {} {}{}", network, path.mac, path.tunnel, path.port));
    return {};
  }
  Status delete_path(const std::string& network, const net::Mac& mac) override {
    if (network == "red") return error("network red is an l3 network: it routes and has no paths");
    changes.push_back(fmt::format("path del {} {}", network, mac));
    return {};
  }
  Status flush_paths(const std::string& network) override {
    changes.push_back("path flush " + network);
    return {};
  }
  Status add_flow(const tunnel::Flow& flow) override {
    changes.push_back("add flow " + flow.name);
    added_flows.push_back(flow);
    return {};
  }
  Status delete_flow(const std::string& name) override {
    if (name == "dns") return error("flow dns is the configuration's; take it out there and reload");
    changes.push_back("del flow " + name);
    return {};
  }
  void flush_flows() override { changes.emplace_back("flush flows"); }
  void explain_flow(const std::string& name, std::function<void(Result<std::string>)> done) override {
    explained = name;
    explain_done = std::move(done);
  }
  void verify(std::function<void(Result<std::vector<std::string>>)> done) override {
    verify_done = std::move(done);
  }
  void reload(std::function<void(Status)> done) override {
    if (!reload_error.empty()) return done(error("{}", reload_error));
    changes.emplace_back("reload");
    done({});
  }
  void wait(TimePoint deadline, std::optional<std::string> tunnel,
            std::function<void(Status)> done) override {
    waits.push_back({deadline, std::move(tunnel), std::move(done)});
  }
  Result<std::unique_ptr<Stream>> monitor() override {
    if (!stream) return error("too many listen already");
    return std::move(stream);
  }
  void resync() override { changes.emplace_back("resync"); }
  void set_forwarding(bool on) override { changes.emplace_back(on ? "start" : "stop"); }
  void shutdown() override {
    changes.emplace_back("shutdown");
    if (on_shutdown) on_shutdown();
  }

  static net::IpAddr ip(const char* text) { return *net::IpAddr::parse(text); }

  struct Wait {
    TimePoint deadline;
    std::optional<std::string> tunnel;
    std::function<void(Status)> done;
  };

  std::vector<PortView> port_views;
  std::vector<NeighbourView> neighbour_views;
  std::vector<RouteView> route_views;
  std::vector<TunnelView> tunnel_views;
  std::vector<EncapView> encap_views;
  std::vector<FlowView> flow_views;
  std::vector<PathView> path_views;
  std::vector<GidView> gid_views;
  StatsView stats_view;
  MirrorView mirror_view;
  RouteQuery last_query;
  std::vector<tunnel::Tunnel> added;
  std::vector<tunnel::Flow> added_flows;
  std::unique_ptr<Stream> stream;
  std::string explained, reload_error;
  std::function<void(Result<std::string>)> explain_done;
  std::function<void(Result<std::vector<std::string>>)> verify_done;
  std::vector<std::string> changes;  // what has changed something, in order
  std::vector<Wait> waits;
  std::function<void()> on_shutdown;
};

}  // namespace culvert::control
