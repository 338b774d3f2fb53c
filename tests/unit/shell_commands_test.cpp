// Every command: its text, its JSON.
#include "shell_fixture.hpp"

namespace culvert::shell {
namespace {

using Json = nlohmann::ordered_json;

class Commands : public ShellTest {
 protected:
  std::vector<std::string> keys(const Json& object) {
    std::vector<std::string> names;
    for (const auto& [key, value] : object.items()) names.push_back(key);
    return names;
  }
};

using Names = std::vector<std::string>;

TEST_F(Commands, PortsAsJson) {
  EXPECT_EQ(run_json("show ports json"), Json::parse(R"([
    {"name":"uplink","ethdev":"net_af_packet0","netdev":"veth0","port_id":0,"mac":"02:00:00:00:00:0a","link":"up",
     "mtu":1500,"rx_packets":12345,"tx_packets":0,"rx_bytes":0,"tx_bytes":0,"drops":0,
     "rx_errors":0,"tx_errors":2,"removed":false},
    {"name":"tenant","ethdev":"net_tap0","netdev":null,"port_id":1,"mac":"00:00:00:00:00:00","link":"down",
     "mtu":1450,"rx_packets":0,"tx_packets":0,"rx_bytes":0,"tx_bytes":0,"drops":0,
     "rx_errors":0,"tx_errors":0,"removed":true}])"));
}

TEST_F(Commands, PortsAsTable) {
  EXPECT_EQ(run("show ports").text,
            "name    ethdev          netdev  port_id  mac                link   mtu  rx_packets  tx_packets  "
            "rx_bytes  tx_bytes  drops  rx_errors  tx_errors  removed\n"
            "uplink  net_af_packet0  veth0         0  02:00:00:00:00:0a  up    1500       12345           0  "
            "       0         0      0          0          2  no\n"
            "tenant  net_tap0        -             1  00:00:00:00:00:00  down  1450           0           0  "
            "       0         0      0          0          0  yes\n");
}

TEST_F(Commands, Neighbours) {
  EXPECT_EQ(run_json("show neighbours json"), Json::parse(R"([
    {"netdev":"veth0","ip":"192.0.2.254","mac":"02:00:00:00:00:fe","nud":"reachable","encaps":1},
    {"netdev":"veth0","ip":"2001:db8::7","mac":null,"nud":"failed","encaps":0}])"));
  EXPECT_EQ(run("show neighbours").text,
            "netdev  ip           mac                nud        encaps\n"
            "veth0   192.0.2.254  02:00:00:00:00:fe  reachable       1\n"
            "veth0   2001:db8::7  -                  failed          0\n");
}

TEST_F(Commands, Routes) {
  EXPECT_EQ(run_json("show routes json"), Json::parse(R"([
    {"table":254,"table_name":"main","prefix":"0.0.0.0/0","metric":0,"protocol":"static","prefsrc":null,
     "type":"unicast","nexthops":[{"via":"192.0.2.254","netdev":"veth0","weight":1,"alive":true,"encap":null}],"nhid":null},
    {"table":254,"table_name":"main","prefix":"192.0.2.0/24","metric":0,"protocol":"kernel","prefsrc":"192.0.2.1",
     "type":"unicast","nexthops":[{"via":null,"netdev":"veth0","weight":1,"alive":true,"encap":null}],"nhid":7}])"));
  EXPECT_NE(run("show routes").text.find("via 192.0.2.254 netdev veth0 weight 1 alive yes"),
            std::string::npos);
}

TEST_F(Commands, RoutesAsk) {
  const auto query = [&](const std::string& line) {
    EXPECT_EQ(run(line).outcome, Outcome::ok) << line;
    const control::RouteQuery& asked = api_.last_query;
    return fmt::format("{} {} {}", asked.table.value_or("-"), asked.prefix ? asked.prefix->to_string() : "-",
                       asked.address ? asked.address->to_string() : "-");
  };
  EXPECT_EQ(query("show routes"), "- - -");
  EXPECT_EQ(query("show routes 10.0.0.0/8"), "- 10.0.0.0/8 -");
  EXPECT_EQ(query("show routes 10.0.0.1 json"), "- - 10.0.0.1");
  EXPECT_EQ(query("show routes table main"), "main - -");
  EXPECT_EQ(query("show routes table 100 2001:db8::/32"), "100 2001:db8::/32 -");
  EXPECT_EQ(query("show routes table 100 2001:db8::1 json"), "100 - 2001:db8::1");
}

TEST_F(Commands, Tunnels) {
  const Json all = run_json("show tunnels json");
  EXPECT_EQ(all, Json::parse(R"([
    {"name":"vx100","type":"vxlan","local":"192.0.2.1","remote":"192.0.2.2","state":"resolved","reason":null,"encap":1},
    {"name":"vx200","type":"vxlan","local":"192.0.2.1","remote":"192.0.2.3","state":"unresolved",
     "reason":"no route to 192.0.2.3","encap":null}])"));
  EXPECT_EQ(run_json("show tunnels vx200 json"), Json::array({all[1]}));
  EXPECT_EQ(run("show tunnels vx100").text,
            "name   type   local      remote     state     reason  encap\n"
            "vx100  vxlan  192.0.2.1  192.0.2.2  resolved  -           1\n");
}

TEST_F(Commands, Encaps) {
  EXPECT_EQ(run_json("show encaps json"), Json::parse(R"([
    {"id":1,"tunnel":"vx100","state":"valid","reason":null,"port":"uplink","via":"192.0.2.254",
     "dst_mac":"02:00:00:00:00:fe","src_mac":"02:00:00:00:00:0a","src_ip":"192.0.2.1","mtu":1450,"header":"0200",
     "refs":1,"in_hardware":false,"packets":10,"bytes":1000}])"));
  api_.encap_views = {control::EncapView{}};
  const Json pending = run_json("show encaps json")[0];
  EXPECT_EQ(pending["state"], "pending");
  for (const char* key : {"reason", "port", "via", "dst_mac", "src_mac", "src_ip", "mtu", "header"})
    EXPECT_TRUE(pending[key].is_null()) << key;
}

TEST_F(Commands, Paths) {
  EXPECT_EQ(run_json("show paths json"),
            Json::parse(R"([{"network":"blue","mac":"02:00:00:00:00:09","tunnel":"vx100",
    "port":null,"vlan":null,"origin":"learned","idle_s":3,"refs":1}])"));
}

TEST_F(Commands, ChangePaths) {
  EXPECT_EQ(run("path add blue 02:00:00:00:00:09 tunnel vx100").text, "");
  EXPECT_EQ(run("path add blue 02:00:00:00:00:0A port tenant").text, "");
  EXPECT_EQ(run("path del blue 02:00:00:00:00:09").text, "");
  EXPECT_EQ(run("path flush blue").text, "");
  EXPECT_EQ(api_.changes, (std::vector<std::string>{"path add blue 02:00:00:00:00:09 vx100",
                                                    "path add blue 02:00:00:00:00:0a tenant",
                                                    "path del blue 02:00:00:00:00:09", "path flush blue"}));
}

TEST_F(Commands, Gids) {
  EXPECT_EQ(run_json("show gids json"), Json::parse(R"([
    {"port":"uplink","index":0,"gid":"fe80::ff:fe00:a","type":"RoCE v1","netdev":"veth0","vlan":null,
     "default":true,"state":"valid"},
    {"port":"uplink","index":2,"gid":"::ffff:192.0.2.1","type":"RoCE v2","netdev":"veth0.100","vlan":100,
     "default":false,"state":"updating"}])"));
  api_.gid_views.clear();
  EXPECT_EQ(run("show gids json").text, "[]\n");
}

TEST_F(Commands, Flows) {
  const Json all = run_json("show flows json");
  EXPECT_EQ(all, Json::parse(R"([
    {"name":"dns","source":"config","port":"tenant","tunnel":"vx100","state":"software","reason":"the NIC is full",
     "packets":12,"bytes":1200},
    {"name":"web","source":"shell","port":"tenant","tunnel":"vx200","state":"pending",
     "reason":"no route to 192.0.2.3","packets":0,"bytes":0},
    {"name":"blue.02:00:00:00:00:09","source":"path","port":null,"tunnel":null,"state":"offloaded","reason":null,
     "packets":7,"bytes":700}])"));
  EXPECT_EQ(run_json("show flows web json"), Json::array({all[1]}));
  EXPECT_EQ(run("show flows dns").text,
            "name  source  port    tunnel  state     reason           packets  bytes\n"
            "dns   config  tenant  vx100   software  the NIC is full       12   1200\n");
}

TEST_F(Commands, FlowAddDelFlush) {
  EXPECT_EQ(
      run("flow add a port tenant match ipv4_dst 10.7.0.0/16 ip_proto udp l4_dst 53 tunnel vx100").outcome,
      Outcome::ok);
  EXPECT_EQ(run("flow add b port uplink match vlan none tunnel vx200 priority 7").outcome, Outcome::ok);
  ASSERT_EQ(api_.added_flows.size(), 2u);
  const tunnel::Flow &a = api_.added_flows[0], &b = api_.added_flows[1];
  EXPECT_EQ(a.port + " " + a.tunnel, "tenant vx100");
  EXPECT_EQ(to_string(a.match), "ipv4_dst 10.7.0.0/16 ip_proto 17 l4_dst 53");
  EXPECT_EQ(a.priority, tunnel::Flow::kDefaultPriority);
  EXPECT_EQ(b.port + " " + b.tunnel, "uplink vx200");
  EXPECT_EQ(to_string(b.match), "vlan none");
  EXPECT_EQ(b.priority, 7);
  EXPECT_EQ(run("flow del web").outcome, Outcome::ok);
  EXPECT_EQ(run("flow flush").outcome, Outcome::ok);
  EXPECT_EQ(api_.changes, (Names{"add flow a", "add flow b", "del flow web", "flush flows"}));
}

TEST_F(Commands, FlowExplainAnswersLater) {
  RawClient client = attach(), other = attach();
  ASSERT_TRUE(client.send("run flow explain dns\n"));
  ASSERT_TRUE(turn_until([&] { return static_cast<bool>(api_.explain_done); }));
  EXPECT_EQ(api_.explained, "dns");
  EXPECT_EQ(ask(other, "run show mirror").outcome, Outcome::ok);
  EXPECT_TRUE(client.answers().empty());
  api_.explain_done(std::string("one\ntwo\n"));
  std::vector<Answer> answers;
  ASSERT_TRUE(turn_until([&] { return !(answers = client.answers()).empty(); }));
  EXPECT_EQ(answers[0].outcome, Outcome::ok);
  EXPECT_EQ(answers[0].text, "one\ntwo\n");
}

TEST_F(Commands, VerifyIsAnErrorWithEachDifference) {
  const auto verify = [&](Result<std::vector<std::string>> result) {
    api_.verify_done = nullptr;
    RawClient client = attach();
    EXPECT_TRUE(client.send("run verify\n"));
    EXPECT_TRUE(turn_until([&] { return static_cast<bool>(api_.verify_done); }));
    api_.verify_done(std::move(result));
    std::vector<Answer> answers;
    EXPECT_TRUE(turn_until([&] { return !(answers = client.answers()).empty(); }));
    return answers.at(0);
  };
  const Answer clean = verify(std::vector<std::string>{});
  EXPECT_EQ(clean.outcome, Outcome::ok);
  EXPECT_EQ(clean.text, "");
  const Answer bad = verify(std::vector<std::string>{"flow dns: no rule", "slot 3: another header"});
  EXPECT_EQ(bad.outcome, Outcome::error);
  EXPECT_EQ(bad.text,
            "2 of what is wanted and what the NIC has differ:\nflow dns: no rule\nslot 3: another header");
  EXPECT_EQ(verify(error("the NIC does not answer")).text, "the NIC does not answer");
}

TEST_F(Commands, Reload) {
  EXPECT_EQ(run("reload").outcome, Outcome::ok);
  EXPECT_EQ(api_.changes, Names{"reload"});
  api_.reload_error = "c.yaml:1:2: wrong";
  const Answer wrong = run("reload");
  EXPECT_EQ(wrong.outcome, Outcome::error);
  EXPECT_EQ(wrong.text, "c.yaml:1:2: wrong");
}

TEST_F(Commands, Stats) {
  const Json stats = run_json("show stats json");
  EXPECT_EQ(stats,
            Json::parse(R"({"rx":100,"tx":0,"forwarded":0,"encapsulated":0,"decapsulated":0,"exceptions":0,
    "flooded":4,"suppressed":0,"marked":0,"checksums_completed":0,"checksums_unfinished":0,
    "learned":3,"moved":0,"aged":0,"learn_over_limit":0,"learn_over_member":0,"learn_dropped":0,
    "drops":{"split_horizon":0,"unknown_vni":2},
    "lcores":[{"lcore":0,"role":"control","rx":0,"tx":0,"busy_pct":1.3},
              {"lcore":1,"role":"worker","rx":100,"tx":90,"busy_pct":55.0}],
    "rules":{"created":5,"destroyed":2,"refused":1,"installed":3},
    "rule_latency":[{"below_us":16,"changes":0},{"below_us":null,"changes":4}]})"));
  EXPECT_EQ(run("show stats").text,
            "rx:                   100\ntx:                   0\nforwarded:            0\n"
            "encapsulated:         0\ndecapsulated:         0\nexceptions:           0\n"
            "flooded:              4\nsuppressed:           0\nmarked:               0\n"
            "checksums_completed:  0\nchecksums_unfinished: 0\n"
            "learned:              3\nmoved:                0\naged:                 0\n"
            "learn_over_limit:     0\nlearn_over_member:    0\nlearn_dropped:        0\n"
            "drops:\n  split_horizon: 0\n  unknown_vni:   2\n"
            "lcores:\n  lcore  role      rx  tx  busy_pct\n      0  control    0   0       1.3\n"
            "      1  worker   100  90      55.0\n"
            "rules:\n  created:   5\n  destroyed: 2\n  refused:   1\n  installed: 3\n"
            "rule_latency:\n  below_us  changes\n        16        0\n         -        4\n");
}

TEST_F(Commands, Mirror) {
  EXPECT_EQ(run_json("show mirror json"),
            Json::parse(R"({"epoch":1,"sequence":0,"resyncs":0,"overruns":0,"links":0,
    "addresses":0,"neighbours":0,"routes":0,"nexthops":0,"consistent":true,"behind":0,"rules":0,"malformed":0,
    "state":"follows the kernel"})"));
  EXPECT_NE(run("show mirror").text.find("consistent: yes\n"), std::string::npos);
}

TEST_F(Commands, NothingIsAnEmptyListAndAHeader) {
  api_.port_views.clear();
  api_.neighbour_views.clear();
  api_.route_views.clear();
  api_.tunnel_views.clear();
  api_.encap_views.clear();
  api_.flow_views.clear();
  api_.path_views.clear();
  for (const char* what : {"ports", "neighbours", "routes", "tunnels", "encaps", "flows", "paths"}) {
    EXPECT_EQ(run(fmt::format("show {} json", what)).text, "[]\n");
    const std::string table = run(fmt::format("show {}", what)).text;
    EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 1) << table;
  }
}

TEST_F(Commands, FieldsOfTheContractInItsOrder) {
  const std::map<std::string, Names> contract{
      {"ports",
       {"name", "ethdev", "netdev", "port_id", "mac", "link", "mtu", "rx_packets", "tx_packets", "rx_bytes",
        "tx_bytes", "drops", "rx_errors", "tx_errors", "removed"}},
      {"neighbours", {"netdev", "ip", "mac", "nud", "encaps"}},
      {"routes",
       {"table", "table_name", "prefix", "metric", "protocol", "prefsrc", "type", "nexthops", "nhid"}},
      {"tunnels", {"name", "type", "local", "remote", "state", "reason", "encap"}},
      {"encaps",
       {"id", "tunnel", "state", "reason", "port", "via", "dst_mac", "src_mac", "src_ip", "mtu", "header",
        "refs", "in_hardware", "packets", "bytes"}},
      {"flows", {"name", "source", "port", "tunnel", "state", "reason", "packets", "bytes"}},
      {"paths", {"network", "mac", "tunnel", "port", "vlan", "origin", "idle_s", "refs"}},
  };
  for (const auto& [what, fields] : contract)
    EXPECT_EQ(keys(run_json("show " + what + " json")[0]), fields) << what;
  EXPECT_EQ(keys(run_json("show stats json")), (Names{"rx",
                                                      "tx",
                                                      "forwarded",
                                                      "encapsulated",
                                                      "decapsulated",
                                                      "exceptions",
                                                      "flooded",
                                                      "suppressed",
                                                      "marked",
                                                      "checksums_completed",
                                                      "checksums_unfinished",
                                                      "learned",
                                                      "moved",
                                                      "aged",
                                                      "learn_over_limit",
                                                      "learn_over_member",
                                                      "learn_dropped",
                                                      "drops",
                                                      "lcores",
                                                      "rules",
                                                      "rule_latency"}));
  EXPECT_EQ(keys(run_json("show mirror json")),
            (Names{"epoch", "sequence", "resyncs", "overruns", "links", "addresses", "neighbours", "routes",
                   "nexthops", "consistent", "behind", "rules", "malformed", "state"}));
}

TEST_F(Commands, NamesOfLinksMayBeAnyBytes) {
  api_.neighbour_views[0].netdev = "veth\xff";
  EXPECT_EQ(run_json("show neighbours json").size(), 2u);
}

TEST_F(Commands, TunnelAddAndDel) {
  EXPECT_EQ(
      run("tunnel add t type vxlan remote 10.0.0.2 local 10.0.0.1 vni 7 source_port 50000-50001").outcome,
      Outcome::ok);
  ASSERT_EQ(api_.added.size(), 1u);
  EXPECT_EQ(api_.added[0].vni, 7u);
  EXPECT_EQ(api_.added[0].source_port_last, 50001);
  EXPECT_EQ(run("tunnel del vx200").outcome, Outcome::ok);
  EXPECT_EQ(api_.changes, (Names{"add t", "del vx200"}));
}

TEST_F(Commands, ResyncStartStopShutdown) {
  EXPECT_EQ(run("resync").outcome, Outcome::ok);
  EXPECT_EQ(run("stop").outcome, Outcome::ok);
  EXPECT_EQ(run("start").outcome, Outcome::ok);
  EXPECT_EQ(run("quit").outcome, Outcome::bye);
  EXPECT_EQ(run("shutdown").outcome, Outcome::bye);
  EXPECT_EQ(api_.changes, (Names{"resync", "stop", "start", "shutdown"}));
}

TEST_F(Commands, BlankLinesAndComments) {
  for (const char* line : {"", "   ", "\t", "# show nothing", "   # x", "\r"}) {
    const Answer answer = run(line);
    EXPECT_EQ(answer.outcome, Outcome::ok);
    EXPECT_EQ(answer.text, "");
  }
  EXPECT_EQ(run("  show\tmirror   json # the mirror").outcome, Outcome::ok);
  EXPECT_EQ(run("show mirror json\r").outcome, Outcome::ok);
}

TEST_F(Commands, Help) {
  const std::string all = run("help").text;
  for (const Command& command : all_commands()) {
    EXPECT_NE(all.find(std::string(command.syntax)), std::string::npos);
    EXPECT_NE(all.find(std::string(command.summary)), std::string::npos);
  }
  EXPECT_EQ(static_cast<size_t>(std::count(all.begin(), all.end(), '\n')), all_commands().size());
  const std::string tunnel = run("help tunnel add").text;
  EXPECT_TRUE(tunnel.starts_with("tunnel add NAME KEY VALUE [KEY VALUE ...]\n")) << tunnel;
  EXPECT_EQ(tunnel.find("tunnel del"), std::string::npos);
  EXPECT_NE(run("help tunnel").text.find("tunnel del TUNNEL"), std::string::npos);
}

}  // namespace
}  // namespace culvert::shell
