// Flows and `reload` on a whole control lcore: a kernel of its own (a network namespace), ports that lead
// nowhere, one worker.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "control/difference.hpp"
#include "control_fixture.hpp"

namespace culvert::control {
namespace {

struct Named {
  std::string name;
  int value;
  bool operator==(const Named&) const = default;
};

TEST(Difference, ByName) {
  const std::vector<Named> before{{"a", 1}, {"b", 2}, {"c", 3}}, after{{"d", 4}, {"c", 3}, {"b", 5}};
  const auto found = difference(before, after);
  EXPECT_EQ(found.removed, std::vector{&before[0]});
  EXPECT_EQ(found.added, std::vector{&after[0]});
  EXPECT_EQ(found.changed, std::vector{&after[2]});
  const auto none = difference(before, before);
  EXPECT_TRUE(none.removed.empty() && none.added.empty() && none.changed.empty());
}

TEST(FlowStore, IdsAreReusedAndSequencesAreNot) {
  FlowStore store;
  const auto flow = [](const char* name, const char* tunnel) {
    tunnel::Flow flow;
    flow.name = name;
    flow.tunnel = tunnel;
    return flow;
  };
  store.add(flow("a", "t"), FlowStore::Source::config);
  store.add(flow("b", "t"), FlowStore::Source::shell);
  EXPECT_EQ(store.into("t"), (std::set<std::string>{"a", "b"}));
  store.remove("a");
  const FlowStore::Row c = store.add(flow("c", "u"), FlowStore::Source::shell);
  EXPECT_EQ(c.id, 0u);
  EXPECT_EQ(c.sequence, 2u);
  const FlowStore::Row b = store.change(flow("b", "u"));
  EXPECT_EQ(b.id, 1u);
  EXPECT_EQ(b.sequence, 1u);
  EXPECT_EQ(b.source, FlowStore::Source::shell);
  EXPECT_TRUE(store.into("t").empty());
  EXPECT_EQ(store.add(flow("d", "t"), FlowStore::Source::config).id, 2u);
  EXPECT_EQ(store.find("a"), nullptr);
}

const std::string kFlows = R"(
flows:
  - {name: dns, port: tenant, match: {ip_proto: udp, l4_dst: 53}, tunnel: vx200, priority: 10}
  - {name: web, port: tenant, match: {ip_proto: tcp, l4_dst: 80}, tunnel: vx100}
)";

class ControlFlows : public ControlFixture {
 protected:
  // Everything that a failed reload must leave as it is.
  std::string everything() {
    std::string text;
    for (const TunnelView& t : control_->tunnels())
      text += fmt::format("{} {} {} {}\n", t.name, t.remote, t.resolved, *t.encap);
    for (const EncapView& e : control_->encaps())
      text += fmt::format("{} {} {} {}\n", e.id, e.tunnel, e.refs, e.header.value_or("-"));
    for (const FlowView& f : control_->flows())
      text += fmt::format("{} {} {} {} {}\n", f.name, f.source, *f.port, *f.tunnel, f.state);
    return text;
  }
  std::string names() {
    std::string text;
    for (const TunnelView& t : control_->tunnels()) text += fmt::format("{}={} ", t.name, *t.encap);
    for (const FlowView& f : control_->flows()) text += f.name + " ";
    return text;
  }
  FlowView flow(const std::string& name) {
    for (const FlowView& view : control_->flows())
      if (view.name == name) return view;
    ADD_FAILURE() << "no flow " << name;
    return {};
  }
  uint32_t refs(const std::string& tunnel) {
    for (const EncapView& view : control_->encaps())
      if (view.tunnel == tunnel) return view.refs;
    return UINT32_MAX;
  }
  static tunnel::Flow make(const std::string& name, const std::string& tunnel = "vx100",
                           const std::string& port = "tenant") {
    tunnel::Flow flow;
    flow.name = name;
    flow.port = port;
    flow.tunnel = tunnel;
    flow.match.vlan = 7;
    return flow;
  }
  static tunnel::Tunnel make_tunnel(const std::string& name, uint32_t vni) {
    tunnel::Tunnel tunnel;
    tunnel.name = name;
    tunnel.vni = vni;
    tunnel.local = *net::IpAddr::parse("192.0.2.1");
    tunnel.remote = *net::IpAddr::parse("192.0.2.2");
    return tunnel;
  }
};

TEST_F(ControlFlows, OfTheConfigurationAndOfTheShell) {
  start(kPorts + kTunnels + kNetworks + kFlows + "offload: {mode: off}\n");
  ASSERT_TRUE(control_->add_flow(make("mine")));
  settle();
  EXPECT_EQ(names(), "vx100=0 vx200=1 dns mine web ");
  EXPECT_EQ(flow("web").source, "config");
  EXPECT_EQ(flow("web").state, "software");
  EXPECT_EQ(flow("web").reason, "offload.mode is off");
  EXPECT_EQ(flow("mine").source, "shell");
  EXPECT_EQ(flow("dns").state, "software");
  EXPECT_EQ(refs("vx100"), 3u);  // the network, web and mine
  EXPECT_EQ(refs("vx200"), 1u);

  EXPECT_EQ(message(control_->delete_tunnel("vx200")),
            "tunnel vx200 is in use by flow dns; delete that first");
  EXPECT_EQ(message(control_->delete_flow("dns")),
            "flow dns is the configuration's; take it out there and reload");
  EXPECT_NE(message(control_->delete_flow("nobody")).find("there is no flow 'nobody'"), std::string::npos);
  ASSERT_TRUE(control_->delete_flow("mine"));
  ASSERT_TRUE(control_->add_flow(make("mine")));
  ASSERT_TRUE(control_->add_flow(make("other")));
  control_->flush_flows();
  EXPECT_EQ(names(), "vx100=0 vx200=1 dns web ");
}

TEST_F(ControlFlows, AWrongFlowIsRefused) {
  start(kPorts + kTunnels + kNetworks + kFlows);
  const std::string before = everything();
  EXPECT_NE(message(control_->add_flow(make("dns"))).find("exists already"), std::string::npos);
  EXPECT_NE(message(control_->add_flow(make("x", "vx101")))
                .find("there is no tunnel 'vx101'; did you mean 'vx100'?"),
            std::string::npos);
  EXPECT_NE(message(control_->add_flow(make("x", "vx100", "up"))).find("there is no port 'up'"),
            std::string::npos);
  EXPECT_NE(
      message(control_->add_flow(make("x", "vx100", "uplink"))).find("has a netdev and is in no network"),
      std::string::npos);
  tunnel::Flow flow = make("x");
  flow.match.ip_proto = uint8_t{1};
  flow.match.l4_dst = uint16_t{1};
  EXPECT_NE(message(control_->add_flow(flow)).find("has no ports"), std::string::npos);
  EXPECT_EQ(everything(), before);
}

TEST_F(ControlFlows, ExplainWalksTheSteps) {
  start(kPorts + kTunnels + kNetworks + kFlows);
  settle();
  EXPECT_EQ(explain("web"),
            "match      ip_proto 6 l4_dst 80, from port tenant, priority 100\n" + kStepsIntoVx100);
  EXPECT_TRUE(
      explain("dns").ends_with("route      none to 198.51.100.2\n"
                               "state      pending\n"
                               "layout     none: its port takes no rules\n"
                               "reason     no route to 198.51.100.2 in table main\n"))
      << explain("dns");
  EXPECT_NE(explain("nobody").find("there is no flow 'nobody'"), std::string::npos);
  size_t differences = 1;
  control_->verify([&](const auto& found) { differences = found->size(); });
  turn_until([&] { return differences == 0; });
}

TEST_F(ControlFlows, RequiredOffloadIsRefused) {
  write(kPorts + "offload: {mode: required}\n");
  const auto control = Control::create(loop_, config::load(file_).config, file_, {1});
  ASSERT_FALSE(control);
  EXPECT_NE(control.error().message.find("offload.mode is required"), std::string::npos);
}

TEST_F(ControlFlows, ReloadAppliesTheDifference) {
  start(kPorts + kTunnels + kNetworks + kFlows);
  ASSERT_TRUE(control_->add_tunnel(make_tunnel("shell1", 7)));
  ASSERT_TRUE(control_->add_flow(make("mine", "vx100")));
  settle();
  const std::string before = everything();
  EXPECT_EQ(reload(kPorts + kTunnels + kNetworks + kFlows), "");
  EXPECT_EQ(everything(), before);

  // vx100 is changed, vx200 goes, vx300 comes; dns moves to vx300, web goes, ssh comes.
  EXPECT_EQ(reload(kPorts + R"(
tunnels:
  - {name: vx300, type: vxlan, vni: 300, local: 192.0.2.1, remote: 192.0.2.2}
  - {name: vx100, type: vxlan, vni: 101, local: 192.0.2.1, remote: 192.0.2.2, ttl: 9}
networks:
  - {name: red, type: l2, tunnels: [vx300]}
  - {name: blue, type: l2, ports: [tenant], tunnels: [vx100]}
flows:
  - {name: dns, port: tenant, match: {ip_proto: udp, l4_dst: 53}, tunnel: vx300, priority: 10}
  - {name: ssh, port: tenant, match: {ip_proto: tcp, l4_dst: 22}, tunnel: vx300}
offload: {mode: off}
)"),
            "");
  settle();
  EXPECT_EQ(names(), "shell1=2 vx100=0 vx300=3 dns mine ssh ");
  EXPECT_EQ(refs("vx300"), 3u);
  EXPECT_EQ(refs("vx100"), 2u);
  EXPECT_EQ(flow("dns").tunnel, "vx300");
  EXPECT_EQ(flow("dns").state, "software");
  EXPECT_EQ(flow("dns").reason, "offload.mode is off");
  for (const EncapView& encap : control_->encaps())
    EXPECT_EQ(encap.header->substr(44, 2), encap.tunnel == "vx100" ? "09" : "40") << *encap.header;

  // And back: the ids of what was away are given anew.
  EXPECT_EQ(reload(kPorts + kTunnels + kNetworks + kFlows), "");
  EXPECT_EQ(names(), "shell1=2 vx100=0 vx200=1 dns mine web ");
  EXPECT_NE(reload(kPorts).find("tunnel vx100 is gone, and the shell's flow mine goes into it"),
            std::string::npos);
}

TEST_F(ControlFlows, AFailedReloadChangesNothing) {
  start(kPorts + kTunnels + kNetworks + kFlows);
  ASSERT_TRUE(control_->add_tunnel(make_tunnel("shell1", 7)));
  ASSERT_TRUE(control_->add_flow(make("mine", "vx200")));
  const std::string before = everything();
  const auto fails = [&](const std::string& text, const std::string& words) {
    const std::string wrong = reload(text);
    EXPECT_NE(wrong.find(words), std::string::npos) << "'" << wrong << "' for\n" << text;
    EXPECT_TRUE(wrong.starts_with(file_ + ":")) << wrong;
    EXPECT_EQ(wrong.find('\n'), std::string::npos) << wrong;
    EXPECT_EQ(everything(), before) << text;
  };
  const std::string extra = "  - {name: vx300, type: vxlan, vni: 300, local: 192.0.2.1, remote: 192.0.2.2}\n";
  fails("prots: []\n", ":1:1: unknown key 'prots'");
  fails("ports: [\n", "YAML syntax");
  fails("prots: []\nkernel: 1\n", "(and 1 more: culvert --check tells all)");
  fails(kTunnels, "ports have changed, and that needs a restart");
  fails("kernel: {netns: other}\n" + kPorts + kTunnels, "kernel has changed, and that needs a restart");
  fails(kPorts + kTunnels + extra + kNetworks + kFlows + "offload: {mode: required}\n",
        "offload.mode has become required");
  fails(kPorts + kTunnels + "  - {name: shell1, type: vxlan, vni: 9, local: 192.0.2.1, remote: 192.0.2.2}\n",
        "tunnel shell1 of the configuration: the shell has made one of this name; `tunnel del shell1` first");
  fails(kPorts + kTunnels + "  - {name: x, type: vxlan, vni: 7, local: 192.0.2.1, remote: 192.0.2.2}\n",
        "are those of the shell's tunnel shell1");
  fails(kPorts + kTunnels + extra + kFlows + "  - {name: mine, port: tenant, match: {}, tunnel: vx300}\n",
        "flow mine of the configuration: the shell has made one of this name; `flow del mine` first");
  fails(kPorts + "tunnels:\n" + extra, "tunnel vx200 is gone, and the shell's flow mine goes into it");

  // Somebody has the UDP port of the last of the new tunnels.
  const UniqueFd taken(::socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(5000);
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  fails(kPorts + kTunnels + extra +
            "  - {name: vx400, type: vxlan, vni: 1, local: 192.0.2.1, remote: 192.0.2.2, dst_port: 5000}\n",
        "tunnel vx400: ");
  std::filesystem::remove(file_);
  EXPECT_NE(reload().find("No such file"), std::string::npos);
  EXPECT_EQ(everything(), before);
}

TEST_F(ControlFlows, ReloadBringsBackAConfiguredTunnelThatTheShellDeleted) {
  start(kPorts + kTunnels);
  ASSERT_TRUE(control_->delete_tunnel("vx100"));
  EXPECT_EQ(names(), "vx200=1 ");
  EXPECT_EQ(reload(kPorts + kTunnels), "");
  EXPECT_EQ(names(), "vx100=0 vx200=1 ");
}

// A port with a netdev takes flows while it is in a network.
TEST_F(ControlFlows, ReloadMayMakeATenantPortAndKeepsItForTheShell) {
  start(kPorts + kTunnels);
  const std::string member = "networks:\n  - {name: blue, type: l2, ports: [uplink], tunnels: [vx100]}\n";
  EXPECT_EQ(
      reload(kPorts + kTunnels + member + "flows: [{name: f, port: uplink, match: {}, tunnel: vx200}]\n"),
      "");
  EXPECT_EQ(names(), "vx100=0 vx200=1 f ");
  EXPECT_EQ(reload(kPorts + kTunnels + member), "");
  ASSERT_TRUE(control_->add_flow(make("mine", "vx100", "uplink")));
  EXPECT_NE(reload(kPorts + kTunnels).find("the shell's flow mine: port 'uplink' has a netdev"),
            std::string::npos);
  EXPECT_EQ(names(), "vx100=0 vx200=1 mine ");
}

// A tunnel may take another's place, name or packets in one step.
TEST_F(ControlFlows, ReloadRenamesAndSwaps) {
  start(kPorts + kTunnels + kNetworks + kFlows);
  EXPECT_EQ(reload(kPorts + R"(
tunnels:
  - {name: vx200, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.2}
  - {name: vx100, type: vxlan, vni: 200, local: 192.0.2.1, remote: 198.51.100.2}
)"),
            "");
  EXPECT_EQ(names(), "vx100=0 vx200=1 ");
  for (const TunnelView& tunnel : control_->tunnels()) EXPECT_EQ(tunnel.resolved, tunnel.name == "vx200");
  EXPECT_EQ(reload(kPorts + R"(
tunnels:
  - {name: green, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.2}
networks:
  - {name: navy, type: l2, ports: [tenant], tunnels: [green]}
)"),
            "");
  EXPECT_EQ(names(), "green=2 ");
  EXPECT_EQ(refs("green"), 1u);
}

}  // namespace
}  // namespace culvert::control
