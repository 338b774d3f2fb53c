#include "config/config.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "config_text.hpp"

namespace culvert::config {
namespace {

struct Bad {
  const char* text;     // with an @ before the place that the error must point at
  const char* message;  // a part of it
};

std::ostream& operator<<(std::ostream& out, const Bad& bad) { return out << bad.text; }

class BadConfig : public testing::TestWithParam<Bad> {};

// Exactly one error, at exactly this place.
TEST_P(BadConfig, OneErrorAtItsPlace) {
  const Bad& bad = GetParam();
  std::string text = bad.text;
  const size_t at = text.find('@');
  ASSERT_NE(at, std::string::npos);
  text.erase(at, 1);
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(at), '\n');
  const size_t column = at - (line == 1 ? 0 : text.rfind('\n', at - 1) + 1) + 1;

  const Parsed parsed = parse(text, "c.yaml");
  ASSERT_EQ(parsed.errors.size(), 1u) << text_of(parsed.errors);
  const Diagnostic& error = parsed.errors[0];
  EXPECT_TRUE(error.to_string().starts_with(fmt::format("c.yaml:{}:{}: ", line, column)))
      << error.to_string();
  EXPECT_NE(error.message.find(bad.message), std::string::npos) << error.to_string();
  EXPECT_EQ(error.message.find('\n'), std::string::npos);
}

#define PORT "ports:\n  - {name: p, ethdev: e, "
#define TUNNEL "tunnels:\n  - {name: t, type: vxlan, vni: 1, local: 10.0.0.1, remote: 10.0.0.2"
#define NETWORK "networks:\n  - {name: n, type: l2, "

INSTANTIATE_TEST_SUITE_P(
    Structure, BadConfig,
    testing::Values(Bad{"ports: [@", "YAML syntax"}, Bad{"ports:\n  - {name: p\n@", "YAML syntax"},
                    Bad{"ports:\n\t@- x\n", "YAML syntax"}, Bad{"a: b@: c\n", "YAML syntax"},
                    Bad{"--- {}\n--- @{}\n", "second YAML document"},
                    Bad{"@- a\n- b\n", "the configuration is a list; expected a map"},
                    Bad{"@hello\n", "the configuration is a single value; expected a map"},
                    Bad{"kernel: {}\n@port: []\n", "unknown key 'port'"},
                    Bad{"@port: []\n", "did you mean 'ports'? known"},
                    Bad{"ports: []\n\n@ports: []\n",
                        "the key 'ports' stands twice in the configuration; its first is on line 1"},
                    Bad{"? @[a, b]\n: c\n", "a key in the configuration is a list; expected a word"},
                    Bad{"ports: @{name: p}\n", "ports is a map; expected a list"},
                    Bad{"@ports:\n", "ports is nothing"},
                    Bad{"ports:\n  - @uplink\n", "ports[0] is a single value; expected a map"},
                    Bad{"kernel: @gw\n", "kernel is a single value; expected a map"},
                    Bad{"kernel: {netns: @[gw]}\n", "kernel.netns is a list; expected a single value"},
                    Bad{"kernel: {netns: @''}\n", "is no namespace"},
                    Bad{"kernel: {@nets: gw}\n",
                        "unknown key 'nets' in kernel; did you mean 'netns'? known keys: netns"}));

INSTANTIATE_TEST_SUITE_P(
    Ports, BadConfig,
    testing::Values(
        Bad{"ports:\n  - @{ethdev: e}\n", "ports[0] lacks the key 'name'"},
        Bad{"ports:\n  - @name: p\n", "ports[0] lacks the key 'ethdev'"},
        Bad{"ports:\n  - {name: @'a b', ethdev: e}\n", "'a b' is no name"},
        Bad{"ports:\n  - {name: @json, ethdev: e}\n", "a word of the shell"},
        Bad{"ports:\n  - {name: @a12345678901234567890123456789012, ethdev: e}\n",
            "1 to 31 of the characters"},
        Bad{"ports:\n  - {name: p, ethdev: @''}\n", "is no ethdev"},
        Bad{"ports:\n  - name: p\n    @ethdev:\n", "ports[0].ethdev is nothing; expected a single value"},
        Bad{PORT "netdev: @abcdefghijklmnop}\n", "no name of a kernel link"},
        Bad{PORT "netdev: veth0, kernel_path: @bifurcate}\n",
            "'bifurcate' is not known; expected bifurcated, none"},
        Bad{PORT "kernel_path: @bifurcated}\n", "needs the kernel's link; expected the key 'netdev'"},
        Bad{PORT "gids: @1}\n", "'1' is no number from 2 to 65535"},
        Bad{PORT "gids: @65536}\n", "'65536' is no number from 2 to 65535"},
        Bad{PORT "gids: @many}\n", "'many' is no number from 2 to 65535"},
        Bad{PORT "@name: q}\n", "the key 'name' stands twice in ports[0]"},
        Bad{"ports:\n  - {name: p, ethdev: e}\n  - {name: @p, ethdev: f}\n",
            "the port 'p' stands twice; its first is on line 2"},
        Bad{"ports:\n  - {name: p, ethdev: e}\n  - {name: q, ethdev: @e}\n", "the ethdev 'e' stands twice"},
        Bad{"ports:\n  - {name: p, ethdev: e, netdev: v}\n  - {name: q, ethdev: f, netdev: @v}\n",
            "the netdev 'v' stands twice"}));

INSTANTIATE_TEST_SUITE_P(
    Tunnels, BadConfig,
    testing::Values(
        Bad{TUNNEL ", @tunel: x}", "unknown key 'tunel' in tunnels[0]; known keys: name, type, vni"},
        Bad{TUNNEL ", @dst_prot: 1}", "did you mean 'dst_port'?"},
        Bad{"tunnels:\n  - @{name: t, type: vxlan, local: 10.0.0.1, remote: 10.0.0.2}",
            "lacks the key 'vni'"},
        Bad{"tunnels:\n  - @{name: t, vni: 1, local: 10.0.0.1, remote: 10.0.0.2}", "lacks the key 'type'"},
        Bad{"tunnels:\n  - {name: t, type: vxlan, vni: @16777216, local: 10.0.0.1, remote: 10.0.0.2}",
            "tunnels[0].vni: '16777216' is no number from 0 to 16777215"},
        Bad{"tunnels:\n  - {name: t, type: vxlan, vni: @-1, local: 10.0.0.1, remote: 10.0.0.2}",
            "is no number"},
        Bad{"tunnels:\n  - {name: t, type: @ipip, vni: 1, local: 10.0.0.1, remote: 10.0.0.2}",
            "'ipip' is not known; expected vxlan"},
        Bad{"tunnels:\n  - {name: t, type: vxlan, vni: 1, local: @10.0.0.256, remote: 10.0.0.2}",
            "'10.0.0.256' is no IP address"},
        Bad{"tunnels:\n  - {name: t, type: vxlan, vni: 1, local: 10.0.0.1, remote: @10.0.0.0/24}",
            "'10.0.0.0/24' is no IP address"},
        Bad{"tunnels:\n  - {name: t, type: vxlan, vni: 1, local: 10.0.0.1, remote: @239.1.1.1}",
            "is multicast"},
        Bad{"tunnels:\n  - {name: t, type: vxlan, vni: 1, local: @0.0.0.0, remote: 10.0.0.2}",
            "is unspecified"},
        Bad{"tunnels:\n  - {name: t, type: vxlan, vni: 1, local: 10.0.0.1, remote: @255.255.255.255}",
            "is the broadcast address"},
        Bad{"tunnels:\n  - {name: t, type: vxlan, vni: 1, local: 10.0.0.1, remote: @10.0.0.1}",
            "'10.0.0.1' is also 'local'"},
        Bad{TUNNEL ", dst_port: @0}", "dst_port: '0' is no number from 1 to 65535"},
        Bad{TUNNEL ", dst_port: @4789x}", "'4789x' is no number"},
        Bad{TUNNEL ", source_port: @[2, 1]}", "'2-1' is no range of ports"},
        Bad{TUNNEL ", source_port: @[1]}", "is no range of ports"},
        Bad{TUNNEL ", source_port: @7}", "is no range of ports"},
        Bad{TUNNEL ", source_port: @{a: 1}}", "is a map; expected a single value"},
        Bad{TUNNEL ", ttl: @0}", "'0' is no number from 1 to 255 and not inherit"},
        Bad{TUNNEL ", ttl: @[1]}", "tunnels[0].ttl is a list; expected a single value"},
        Bad{TUNNEL ", dscp: @64}", "'64' is no number from 0 to 63"},
        Bad{TUNNEL ", ecn: @yes}", "'yes' is not known; expected auto, copy, zero"},
        Bad{TUNNEL ", table: @mian}", "'mian' is no routing table; did you mean 'main'?"},
        Bad{TUNNEL ", table: @4294967296}", "a number from 1 to 4294967295"},
        Bad{TUNNEL ", table: @0}", "is no routing table"},
        Bad{TUNNEL "}\n  - {name: @t, type: vxlan, vni: 2, local: 10.0.0.1, remote: 10.0.0.2}",
            "the tunnel 't' stands twice"},
        Bad{TUNNEL "}\n  - {name: u, type: vxlan, vni: @1, local: 10.0.0.1, remote: 10.0.0.2}",
            "'10.0.0.1, 10.0.0.2, 4789, 1' stands twice; its first is on line 2"}));

INSTANTIATE_TEST_SUITE_P(
    Networks, BadConfig,
    testing::Values(
        Bad{"networks:\n  - @{type: l2}\n", "networks[0] lacks the key 'name'"},
        Bad{"networks:\n  - @{name: n}\n", "networks[0] lacks the key 'type'"},
        Bad{NETWORK "learning: @maybe}\n", "'maybe' is neither true nor false"},
        Bad{NETWORK "max_macs: @0}\n", "is no number from 1 to"},
        Bad{NETWORK "ports: @p}\n", "networks[0].ports is a single value; expected a list"},
        Bad{NETWORK "ports: [@[p]]}\n", "networks[0].ports[0] is a list"},
        Bad{PORT "}\n" NETWORK "ports: [@q]}\n", "there is no port 'q'; known ports: p"},
        Bad{"ports:\n  - {name: tenant, ethdev: e}\n" NETWORK "ports: [@tenent]}\n",
            "did you mean 'tenant'?"},
        Bad{NETWORK "ports: [@{port: q, vlan: 1}]}\n", "there is no port 'q'"},
        Bad{PORT "}\n" NETWORK "ports: [@{port: p}]}\n", "networks[0].ports[0] lacks the key 'vlan'"},
        Bad{PORT "}\n" NETWORK "ports: [@{vlan: 1}]}\n", "networks[0].ports[0] lacks the key 'port'"},
        Bad{PORT "}\n" NETWORK "ports: [{port: p, vlan: @0}]}\n", "'0' is no number from 1 to 4094"},
        Bad{PORT "}\n" NETWORK "ports: [{port: p, vlan: @4095}]}\n", "is no number from 1 to 4094"},
        Bad{PORT "}\n" NETWORK "ports: [{port: p, vlan: 5, @vlam: 5}]}\n", "did you mean 'vlan'?"},
        Bad{PORT "}\n" NETWORK "ports: [{port: p, vlan: 5}]}\n  - {name: m, type: l2, ports: [@{port: p, "
                 "vlan: 5}]}\n",
            "as a member of networks, VLAN 5 of the port 'p' stands twice; its first is on line 4"},
        Bad{PORT "}\n" NETWORK "ports: [{port: p, vlan: 5}]}\n  - {name: m, type: l2, ports: [@p]}\n",
            "the port 'p' and, on line 4, VLAN 5 of the port 'p'; a port is a member as a whole or by "
            "its VLANs"},
        Bad{PORT "}\n" NETWORK "ports: [p]}\n  - {name: m, type: l2, ports: [@{port: p, vlan: 5}]}\n",
            "VLAN 5 of the port 'p' and, on line 4, the port 'p'; a port is a member as a whole"},
        Bad{NETWORK "tunnels: [@t]}\n", "there is no tunnel 't'; known tunnels: none"},
        Bad{PORT "}\n" NETWORK "ports: [p]}\n  - {name: m, type: l2, ports: [@p]}\n",
            "as a member of networks, the port 'p' stands twice; its first is on line 4"},
        Bad{TUNNEL "}\n" NETWORK "tunnels: [t, @t]}\n", "the tunnel 't' stands twice"},
        Bad{"networks:\n  - {name: n, type: l2}\n  - {name: @n, type: l2}\n",
            "the network 'n' stands twice"}));

INSTANTIATE_TEST_SUITE_P(
    NotSupportedYet, BadConfig,
    testing::Values(
        Bad{PORT "netdev: v, kernel_path: @tap}\n", "'tap' is not supported yet"},
        Bad{"tunnels:\n  - {name: t, type: @gre, local: 10.0.0.1, remote: 10.0.0.2}",
            "'gre' is not supported yet"},
        Bad{"tunnels:\n  - {name: t, type: @gretap, local: 10.0.0.1, remote: 10.0.0.2}", "not supported yet"},
        Bad{"tunnels:\n  - {name: t, type: @nvgre, local: 10.0.0.1, remote: 10.0.0.2}", "not supported yet"},
        Bad{"tunnels:\n  - {name: t, type: vxlan, vni: 1, local: 10.0.0.1, remote: @'2001:db8::1'}",
            "IPv6 address: not supported yet"},
        Bad{TUNNEL ", @key: 1}", "not supported yet"}, Bad{TUNNEL ", @vsid: 1}", "not supported yet"},
        Bad{TUNNEL ", @flow_id: 1}", "not supported yet"},
        Bad{NETWORK "suppress: @yes}\n", "'yes' is neither true nor false"}));

INSTANTIATE_TEST_SUITE_P(
    StaticPaths, BadConfig,
    testing::Values(
        Bad{NETWORK "bridge: @'a/b'}\n", "networks[0].bridge: 'a/b' is no"},
        Bad{NETWORK "max_macs_per_member: @0}\n", "'0' is no number from 1 to 16777216"},
        Bad{NETWORK "paths: @{mac: '02:00:00:00:00:01'}}\n", "networks[0].paths is a map; expected a list"},
        Bad{TUNNEL "}\n" NETWORK "tunnels: [t], paths: [@{tunnel: t}]}\n",
            "networks[0].paths[0] lacks the key 'mac'"},
        Bad{TUNNEL "}\n" NETWORK "tunnels: [t], paths: [{mac: @'01:00:00:00:00:01', tunnel: t}]}\n",
            "networks[0].paths[0].mac: '01:00:00:00:00:01' is a group's"},
        Bad{TUNNEL "}\n" NETWORK "tunnels: [t], paths: [{mac: '02:00:00:00:00:01', tunnel: t, @tunel: t}]}\n",
            "did you mean 'tunnel'?"},
        Bad{TUNNEL "}\n" NETWORK "paths: [{mac: '02:00:00:00:00:01', tunnel: @t}]}\n",
            "networks[0].paths[0].tunnel: 't' is no tunnel of the network; its tunnels: none"},
        Bad{PORT "}\n" NETWORK "ports: [p], paths: [{mac: '02:00:00:00:00:01', port: @q}]}\n",
            "'q' is no port of the network; its ports: p"},
        Bad{PORT "}\n" NETWORK "ports: [p], paths: [{mac: '02:00:00:00:00:01', port: p, vlan: @5}]}\n",
            "networks[0].paths[0].vlan: the path leads to no VLAN of a port; expected no vlan"},
        Bad{PORT "}\n" NETWORK
                 "ports: [{port: p, vlan: 5}], paths: [@{mac: '02:00:00:00:00:01', port: p}]}\n",
            "of the port 'p' only VLANs are in the network; expected one of them as 'vlan'"},
        Bad{PORT "}\n" NETWORK
                 "ports: [{port: p, vlan: 5}], paths: [@{mac: '02:00:00:00:00:01', port: p, vlan: 6}]}\n",
            "expected one of them as 'vlan'"},
        Bad{PORT "}\n" NETWORK "ports: [p], paths: [@{mac: '02:00:00:00:00:01'}]}\n",
            "networks[0].paths[0] leads nowhere; expected one of 'tunnel' and 'port'"},
        Bad{PORT "}\n" NETWORK "ports: [p], paths: [{mac: '02:00:00:00:00:01', port: p}, "
                 "{mac: @'02:00:00:00:00:01', port: p}]}\n",
            "in networks[0].paths the mac '02:00:00:00:00:01' stands twice; its first is on line"}));

#define L3 "networks:\n  - {name: n, type: l3, "
#define L3_TUNNEL TUNNEL ", inner_dst_mac: '02:00:00:00:07:01', inner_src_mac: '02:00:00:00:07:02'}\n"

INSTANTIATE_TEST_SUITE_P(
    L3Networks, BadConfig,
    testing::Values(
        Bad{TUNNEL ", inner_dst_mac: @'2:0:0:0:7'}", "'2:0:0:0:7' is no MAC address"},
        Bad{TUNNEL ", inner_dst_mac: @'01:00:00:00:07:01'}", "is a group's; expected the MAC address of one"},
        Bad{TUNNEL ", inner_src_mac: @'00:00:00:00:00:00'}", "is zero; expected the MAC address of one"},
        Bad{TUNNEL "}\n" L3 "tunnels: [@t]}\n", "'t' lacks both MACs; give it inner_dst_mac"},
        Bad{TUNNEL ", inner_dst_mac: '02:00:00:00:07:01'}\n" L3 "tunnels: [@t]}\n", "lacks inner_src_mac"},
        Bad{TUNNEL ", inner_src_mac: '02:00:00:00:07:01'}\n" L3 "tunnels: [@t]}\n", "lacks inner_dst_mac"},
        Bad{L3 "learning: @true}\n", "networks[0].learning: an l3 network routes and learns no MACs"},
        Bad{L3 "flood: @false}\n", "or expected type: l2"}, Bad{L3 "max_macs: @1}\n", "learns no MACs"},
        Bad{L3 "suppress: @false}\n", "learns no MACs"}, Bad{L3 "bridge: @br0}\n", "learns no MACs"},
        Bad{L3 "paths: @[]}\n", "learns no MACs"},
        Bad{PORT "}\n" L3 "ports: [@{port: p, vlan: 5}]}\n",
            "not supported yet: a VLAN of a port in an l3 network"},
        Bad{NETWORK "table: @main}\n",
            "networks[0].table: an l2 network knows MACs and no routes; expected type"},
        Bad{NETWORK "routes: @[]}\n", "networks[0].routes: an l2 network knows MACs and no routes"},
        Bad{L3 "table: @0}\n", "'0' is no routing table; expected main"},
        Bad{L3 "table: @'a/b'}\n", "or the name of a VRF"},
        Bad{L3 "routes: @{prefix: 10.0.0.0/8}}\n", "networks[0].routes is a map; expected a list"},
        Bad{L3 "routes: [@5]}\n", "networks[0].routes[0] is a single value; expected a map"},
        Bad{L3_TUNNEL L3 "tunnels: [t], routes: [@{tunnel: t}]}\n",
            "networks[0].routes[0] lacks the key 'prefix'"},
        Bad{L3_TUNNEL L3 "tunnels: [t], routes: [{prefix: @10.0.0.1/8, tunnel: t}]}\n", "no bits set behind"},
        Bad{L3_TUNNEL L3 "tunnels: [t], routes: [{prefix: 10.0.0.0/8, tunnel: t, @metric: 1}]}\n",
            "unknown key 'metric' in networks[0].routes[0]"},
        Bad{L3_TUNNEL L3 "routes: [{prefix: 10.0.0.0/8, tunnel: @t}]}\n",
            "networks[0].routes[0].tunnel: 't' is no tunnel of the network; its tunnels: none"},
        Bad{PORT "}\n" L3
                 "ports: [p], routes: [{prefix: 10.0.0.0/8, port: @q, dst_mac: '02:00:00:00:00:01'}]}\n",
            "'q' is no port of the network; its ports: p"},
        Bad{L3 "routes: [@{prefix: 10.0.0.0/8}]}\n",
            "leads nowhere; expected 'tunnel', or 'port' with 'dst_mac'"},
        Bad{PORT "}\n" L3 "ports: [p], routes: [@{prefix: 10.0.0.0/8, port: p}]}\n",
            "expected 'dst_mac' beside it"},
        Bad{L3_TUNNEL L3
            "tunnels: [t], routes: [@{prefix: 10.0.0.0/8, tunnel: t, dst_mac: '02:00:00:00:00:01'}]}\n",
            "that of a tunnel is its inner_dst_mac"},
        Bad{L3_TUNNEL L3
            "tunnels: [t], routes: [{prefix: 10.0.0.0/8, tunnel: t}, {prefix: @10.0.0.0/8, tunnel: t}]}\n",
            "the prefix '10.0.0.0/8' stands twice; its first is on line 4"}));

#define FLOWS "ports: [{name: p, ethdev: e}]\n" TUNNEL "}\nflows:\n  - {name: f, port: p, tunnel: t, "

INSTANTIATE_TEST_SUITE_P(
    Flows, BadConfig,
    testing::Values(
        Bad{"flows: @x\n", "flows is a single value; expected a list"},
        Bad{FLOWS "match: {@eth: x}}\n", "unknown key 'eth' in flows[0].match; known keys: eth_src, eth_dst"},
        Bad{FLOWS "match: {}, @mach: {}}\n", "unknown key 'mach' in flows[0]; did you mean 'match'?"},
        Bad{FLOWS "match: @any}\n", "flows[0].match is a single value; expected a map"},
        Bad{FLOWS "match: {eth_src: @2:0}}\n", "flows[0].match.eth_src: '2:0' is no MAC address"},
        Bad{FLOWS "match: {vlan: @4095}}\n", "'4095' is no number from 0 to 4094 and not none"},
        Bad{FLOWS "match: {ipv4_dst: @10.7.0.1/16}}\n",
            "is no IPv4 prefix; expected one such as 10.7.0.0/16"},
        Bad{FLOWS "match: {ipv4_src: @'fd00::/8'}}\n", "is no IPv4 prefix"},
        Bad{FLOWS "match: {ipv6_src: @10.0.0.0/8}}\n", "is no IPv6 prefix"},
        Bad{FLOWS "match: {ipv4_src: 10.0.0.0/8, ipv6_src: @'fd00::/8'}}\n", "take no packet"},
        Bad{FLOWS "match: @{ipv4_src: 10.0.0.0/8, ipv6_dst: 'fd00::/8'}}\n",
            "flows[0].match: ipv4 and ipv6 in one match take no packet"},
        Bad{FLOWS "match: @{ip_proto: icmp, l4_dst: 1}}\n", "ip_proto 1 has no ports"},
        Bad{FLOWS "match: {ip_proto: @quic}}\n", "'quic' is no IP protocol; expected icmp, igmp, tcp, udp"},
        Bad{FLOWS "match: {l4_src: @65536}}\n", "is no number from 0 to 65535"},
        Bad{FLOWS "match: {}, priority: @65536}\n",
            "flows[0].priority: '65536' is no number from 0 to 65535"},
        Bad{FLOWS "match: {}}\n  - {name: @f, port: p, tunnel: t, match: {}}\n",
            "the flow 'f' stands twice; its first is on line 5"},
        Bad{"ports: [{name: u, ethdev: d, netdev: n}]\n" TUNNEL
            "}\nflows: [{name: f, port: @u, tunnel: t, match: {}}]\n",
            "flows[0].port: port 'u' has a netdev and is in no network"},
        Bad{FLOWS "match: {}}\n  - {name: g, port: @q, tunnel: t, match: {}}\n", "there is no port 'q'"},
        Bad{FLOWS "match: {}}\n  - {name: g, port: p, tunnel: @u, match: {}}\n",
            "there is no tunnel 'u'; known tunnels: t"},
        Bad{FLOWS "match: {}}\n  - @{name: g, port: p, tunnel: t}\n", "flows[1] lacks the key 'match'"}));

INSTANTIATE_TEST_SUITE_P(
    Offload, BadConfig,
    testing::Values(Bad{"offload: {mode: @on}\n",
                        "offload.mode: 'on' is not known; expected auto, off, required"},
                    Bad{"offload: {layout: @round}\n", "expected auto, tagged, flat"},
                    Bad{"offload: {@node: off}\n", "unknown key 'node' in offload; did you mean 'mode'?"},
                    Bad{"offload: @off\n", "offload is a single value; expected a map"}));

TEST(Config, AllErrorsAtOnceInTheOrderOfTheFile) {
  const Parsed parsed = parse(R"(
networks:
  - {name: n, type: l2, ports: [nobody]}
prots: []
tunnels:
  - {name: t, type: vxlan, vni: x, local: 10.0.0.1, remote: nowhere}
  - {name: t, type: gre}
)",
                              "c");
  std::vector<std::pair<int, int>> places;
  for (const Diagnostic& error : parsed.errors) places.emplace_back(error.line, error.column);
  const std::vector<std::pair<int, int>> expected{{3, 33}, {4, 1}, {6, 33}, {6, 61}, {7, 12}, {7, 21}};
  EXPECT_EQ(places, expected) << text_of(parsed.errors);
  EXPECT_TRUE(parsed.errors.at(1).to_string().starts_with("c:4:1: unknown key 'prots'"));
}

TEST(Config, UnreadableFilesSayWhy) {
  const auto first = [](const std::string& path) {
    const Parsed parsed = load(path);
    return parsed.errors.size() == 1 ? parsed.errors[0].to_string() : text_of(parsed.errors);
  };
  EXPECT_EQ(first("/nonexistent/c.yaml"),
            "/nonexistent/c.yaml:1:1: cannot read the configuration: No such file or directory");
  EXPECT_EQ(first("/tmp"),
            "/tmp:1:1: cannot read the configuration: it is a directory; expected a YAML file");
  EXPECT_NE(first("/dev/zero/x").find("Not a directory"), std::string::npos);
}

TEST(Config, HostileTextIsAnErrorAndNoCrash) {
  const std::string deep(100000, '[');
  EXPECT_FALSE(parse(deep, "c").errors.empty());
  EXPECT_FALSE(parse(std::string("ports: \0", 8), "c").errors.empty());
  EXPECT_FALSE(parse("a: &x [*x]\nb: *y\n", "c").errors.empty());
}

}  // namespace
}  // namespace culvert::config
