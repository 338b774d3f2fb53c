#include "config/config.hpp"

#include <gtest/gtest.h>

#include "config_text.hpp"

namespace culvert::config {
namespace {

const std::string kGood = R"(
ports:
  - {name: uplink, ethdev: net_af_packet0, netdev: veth0}
  - {name: tenant, ethdev: net_tap0}
tunnels:
  - {name: vx100, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.2}
networks:
  - {name: blue, type: l2, ports: [tenant], tunnels: [vx100]}
)";

TEST(Config, ShortestFormHasTheDefaults) {
  const Parsed parsed = parse(kGood, "c");
  ASSERT_TRUE(parsed.errors.empty()) << text_of(parsed.errors);
  const Config& config = parsed.config;
  EXPECT_EQ(config.netns, "");
  ASSERT_EQ(config.ports.size(), 2u);
  EXPECT_EQ(config.ports[0], (Port{"uplink", "net_af_packet0", "veth0", KernelPath::bifurcated}));
  EXPECT_EQ(config.ports[1], (Port{"tenant", "net_tap0", "", KernelPath::none}));

  tunnel::Tunnel tunnel;
  tunnel.name = "vx100";
  tunnel.vni = 100;
  tunnel.local = *net::IpAddr::parse("192.0.2.1");
  tunnel.remote = *net::IpAddr::parse("192.0.2.2");
  ASSERT_EQ(config.tunnels.size(), 1u);
  EXPECT_EQ(config.tunnels[0], tunnel);
  ASSERT_EQ(config.networks.size(), 1u);
  EXPECT_EQ(config.networks[0], (Network{"blue", {{"tenant", {}}}, {"vx100"}, true, true, 65536}));
}

TEST(Config, EveryKey) {
  const Parsed parsed = parse(R"(
kernel: {netns: /run/netns/gw}
ports:
  - {name: p, ethdev: 0000:01:00.0, netdev: eth0, kernel_path: none, gids: 2}
tunnels:
  - name: t
    type: vxlan
    vni: 16777215
    local: 10.0.0.1
    remote: 10.0.0.2
    dst_port: 8472
    source_port: [1000, 2000]
    ttl: inherit
    dscp: inherit
    ecn: copy
    table: 4294967295
networks:
  - {name: n, type: l2, learning: false, flood: false, max_macs: 10, suppress: false}
)",
                              "c");
  ASSERT_TRUE(parsed.errors.empty()) << text_of(parsed.errors);
  const tunnel::Tunnel& tunnel = parsed.config.tunnels.at(0);
  EXPECT_EQ(parsed.config.netns, "/run/netns/gw");
  EXPECT_EQ(parsed.config.ports.at(0).kernel_path, KernelPath::none);
  EXPECT_EQ(parsed.config.ports.at(0).gids, 2);
  EXPECT_EQ(tunnel.vni, 16777215u);
  EXPECT_EQ(tunnel.dst_port, 8472);
  EXPECT_EQ(tunnel.source_port_first, 1000);
  EXPECT_EQ(tunnel.source_port_last, 2000);
  EXPECT_EQ(tunnel.ttl, std::nullopt);
  EXPECT_EQ(tunnel.dscp, std::nullopt);
  EXPECT_EQ(tunnel.ecn, tunnel::Ecn::copy);
  EXPECT_EQ(tunnel.table, 4294967295u);
  EXPECT_EQ(parsed.config.networks.at(0), (Network{"n", {}, {}, false, false, 10}));
}

TEST(Config, MembersAreWholePortsAndVlans) {
  const Parsed parsed = parse(R"(
ports: [{name: a, ethdev: e0, netdev: v0}, {name: b, ethdev: e1}]
networks:
  - {name: n, type: l2, ports: [{port: a, vlan: 1}, b, {vlan: 4094, port: a}], suppress: true}
  - name: m
    type: l2
    ports:
      - port: a
        vlan: 100
)",
                              "c");
  ASSERT_TRUE(parsed.errors.empty()) << text_of(parsed.errors);
  EXPECT_EQ(parsed.config.networks.at(0).ports, (std::vector<Member>{{"a", 1}, {"b", {}}, {"a", 4094}}));
  EXPECT_EQ(parsed.config.networks.at(1).ports, (std::vector<Member>{{"a", 100}}));
  EXPECT_TRUE(parsed.config.networks.at(0).suppress);
  EXPECT_FALSE(parsed.config.networks.at(1).suppress);
  EXPECT_TRUE(takes_flows(parsed.config, "a")) << "a trunk is a tenant's port";
}

TEST(Config, NothingIsAConfigurationOfNothing) {
  for (const char* text : {"", "# only a comment\n", "---\n"}) {
    const Parsed parsed = parse(text, "c");
    EXPECT_TRUE(parsed.errors.empty()) << text_of(parsed.errors);
    EXPECT_EQ(parsed.config, Config{});
  }
}

TEST(Config, AnL3Network) {
  const Parsed parsed = parse(R"(
ports:
  - {name: tenant, ethdev: net_tap0}
tunnels:
  - {name: vx200, type: vxlan, vni: 200, local: 192.0.2.1, remote: 192.0.2.2,
     inner_dst_mac: 02:00:00:00:07:01, inner_src_mac: 02:00:00:00:07:02}
networks:
  - name: red
    type: l3
    ports: [tenant]
    tunnels: [vx200]
    table: 100
    routes:
      - {prefix: 10.7.0.0/16, tunnel: vx200}
      - {prefix: '2001:db8::/32', port: tenant, dst_mac: 02:00:00:00:00:01}
  - {name: green, type: l3, table: vrf-green}
  - {name: plain, type: l3}
)",
                              "c");
  ASSERT_TRUE(parsed.errors.empty()) << text_of(parsed.errors);
  EXPECT_EQ(parsed.config.tunnels.at(0).inner_dst_mac, net::Mac::parse("02:00:00:00:07:01"));
  EXPECT_EQ(parsed.config.tunnels.at(0).inner_src_mac, net::Mac::parse("02:00:00:00:07:02"));
  const Network& red = parsed.config.networks.at(0);
  EXPECT_EQ(red.type, Network::Type::l3);
  EXPECT_EQ(red.table, 100u);
  const std::vector<StaticRoute> routes{
      {*net::Prefix::parse("10.7.0.0/16"), "vx200", "", std::nullopt},
      {*net::Prefix::parse("2001:db8::/32"), "", "tenant", net::Mac::parse("02:00:00:00:00:01")}};
  EXPECT_EQ(red.routes, routes);
  const Network& green = parsed.config.networks.at(1);
  EXPECT_EQ(green.table, std::nullopt);
  EXPECT_EQ(green.vrf, "vrf-green");
  EXPECT_EQ(parsed.config.networks.at(2).table, std::nullopt);
  EXPECT_EQ(parsed.config.networks.at(2).vrf, "");
}

TEST(Config, ASlipInATableIsWarnedOf) {
  const Parsed parsed = parse("networks:\n  - {name: n, type: l3, table: mian}\n", "c");
  EXPECT_TRUE(parsed.errors.empty()) << text_of(parsed.errors);
  EXPECT_EQ(parsed.config.networks.at(0).vrf, "mian");
  ASSERT_EQ(parsed.warnings.size(), 1u);
  EXPECT_NE(parsed.warnings[0].message.find("did you mean 'main'?"), std::string::npos);
}

TEST(Config, FlowsAndOffload) {
  const Parsed parsed = parse(kGood + R"(
flows:
  - {name: dns, port: tenant, match: {ipv4_dst: 10.7.0.0/16, ip_proto: udp, l4_dst: 53}, tunnel: vx100, priority: 10}
  - name: all
    port: tenant
    match: {eth_src: 02:00:00:00:00:01, eth_dst: 02:00:00:00:00:02, vlan: none, ipv6_src: fd00::/8,
            ipv6_dst: fd00::1, ip_proto: 6, l4_src: 1, l4_dst: 65535}
    tunnel: vx100
offload: {mode: off, layout: flat}
)",
                              "c");
  ASSERT_TRUE(parsed.errors.empty()) << text_of(parsed.errors);
  EXPECT_TRUE(parsed.warnings.empty()) << text_of(parsed.warnings);
  ASSERT_EQ(parsed.config.flows.size(), 2u);
  const tunnel::Flow& dns = parsed.config.flows[0];
  EXPECT_EQ(dns.name + " " + dns.port + " " + dns.tunnel, "dns tenant vx100");
  EXPECT_EQ(dns.priority, 10);
  EXPECT_EQ(to_string(dns.match), "ipv4_dst 10.7.0.0/16 ip_proto 17 l4_dst 53");
  EXPECT_EQ(parsed.config.flows[1].priority, 100);
  EXPECT_EQ(to_string(parsed.config.flows[1].match),
            "eth_src 02:00:00:00:00:01 eth_dst 02:00:00:00:00:02 vlan none ipv6_src fd00::/8 "
            "ipv6_dst fd00::1/128 ip_proto 6 l4_src 1 l4_dst 65535");
  EXPECT_EQ(parsed.config.offload, (Offload{Offload::Mode::off, Offload::Layout::flat}));
  EXPECT_EQ(parse(kGood, "c").config.offload, Offload{});
}

TEST(Config, WarnsOfFlowsThatWantTheSamePackets) {
  std::string good = kGood;
  good.insert(good.find("tunnels:"), "  - {name: other, ethdev: net_tap1}\n");
  const Parsed parsed = parse(good + R"(
flows:
  - {name: a, port: tenant, match: {ipv4_dst: 10.7.0.0/16}, tunnel: vx100}
  - {name: b, port: tenant, match: {l4_dst: 53}, tunnel: vx100, priority: 99}
  - {name: c, port: other, match: {l4_dst: 53}, tunnel: vx100}
  - {name: d, port: tenant, match: {ipv4_dst: 10.8.0.0/16}, tunnel: vx100}
  - {name: e, port: tenant, match: {ipv4_dst: 10.7.1.0/24, vlan: none}, tunnel: vx100}
)",
                              "c");
  ASSERT_TRUE(parsed.errors.empty()) << text_of(parsed.errors);
  ASSERT_EQ(parsed.warnings.size(), 1u) << text_of(parsed.warnings);
  EXPECT_TRUE(parsed.warnings[0].to_string().starts_with(
      "c:16:5: warning: flow e: some packets of port tenant match flow a too, and both have priority 100"))
      << parsed.warnings[0].to_string();
}

// Compared with the slow way, looking at every flow.
TEST(Config, TheExampleInTheTreeIsRight) {
  const Parsed parsed = load(std::string(CULVERT_SOURCE_ROOT) + "/config/culvert.yaml");
  EXPECT_TRUE(parsed.errors.empty()) << text_of(parsed.errors);
  EXPECT_EQ(parsed.config.netns, "gw");
  EXPECT_EQ(parsed.config.networks.size(), 1u);
}

}  // namespace
}  // namespace culvert::config
