// Lines: which the grammar takes, the error of each that it does not, and their completion.
#include "shell_fixture.hpp"

namespace culvert::shell {
namespace {

class Lines : public ShellTest {
 protected:
  Suggestions complete(const std::string& line) {
    RawClient client = attach();
    const Answer answer = ask(client, "complete " + line);
    EXPECT_EQ(answer.outcome, Outcome::ok);
    Suggestions result;
    std::istringstream lines(answer.text);
    std::getline(lines, result.append);
    for (std::string choice; std::getline(lines, choice);) result.choices.push_back(choice);
    return result;
  }
};

using Names = std::vector<std::string>;

// Every form of every command is read as itself.
TEST(Grammar, NoTwoWaysToReadALine) {
  Grammar grammar(all_commands());
  const std::map<std::string_view, std::string> samples{{"SECONDS", "5"}, {"PREFIX|ADDRESS", "10.0.0.0/8"}};
  for (const Form& form : grammar.forms()) {
    std::string line;
    for (const Token* token : form.tokens) {
      const auto sample = samples.find(token->word);
      line += sample != samples.end() ? sample->second : token->kind ? "x" : token->word;
      line += " ";
    }
    bool ambiguous = false;
    EXPECT_EQ(grammar.match(line, ambiguous), &form) << line;
    EXPECT_FALSE(ambiguous) << line;
  }
}

struct BadLine {
  const char* line;
  const char* message;  // a part of it
};

TEST_F(Lines, BadLinesAreOneClearErrorAndChangeNothing) {
  const BadLine bad[] = {
      {"foo", "unknown command 'foo'; try help"},
      {"shwo ports", "unknown command 'shwo'; did you mean 'show'? try help"},
      {"Show ports", "did you mean 'show'?"},
      {"show", "'show' is incomplete; expected 'ports' or "},
      {"show port", "'port' does not fit after 'show'; did you mean 'ports'? expected 'ports' or "},
      {"show ports x", "'x' does not fit after 'show ports'; expected 'json'"},
      {"show ports json json", "'json' is too much after 'show ports json'; expected nothing more"},
      {"show mirror jsno", "did you mean 'json'?"},
      {"show tunnels nobody", "there is no tunnel 'nobody'; known tunnels: vx100, vx200"},
      {"show tunnels vx101 json", "did you mean 'vx100'?"},
      {"show routes table", "'show routes table' is incomplete; expected TABLE"},
      {"show routes table nowhere", "there is no table 'nowhere'"},
      {"show routes 10.0.0.1/8", "'10.0.0.1/8' is no prefix"},
      {"show routes 10.0.0.0/33", "is no prefix"},
      {"show routes 10.0.0.300", "'10.0.0.300' is no IP address"},
      {"show routes main", "'main' does not fit after 'show routes'"},
      {"show flows nobody", "there is no flow 'nobody'; known flows: dns, web, blue.02"},
      {"show flows wbe json", "did you mean 'web'?"},
      {"show gids uplink", "'uplink' does not fit after 'show gids'; expected 'json'"},
      {"tunnel", "'tunnel' is incomplete; expected 'add' or 'del' next"},
      {"tunnel ad x", "did you mean 'add'?"},
      {"tunnel add", "expected NAME"},
      {"tunnel add x", "expected KEY"},
      {"tunnel add x vni", "expected VALUE"},
      {"tunnel add x vni 7", "tunnel x lacks 'type'"},
      {"tunnel add x type gre local 10.0.0.1 remote 10.0.0.2", "type: 'gre' is not supported yet"},
      {"tunnel add x type vxlan vni 1 local 10.0.0.1 remote 10.0.0.1", "remote: '10.0.0.1' is also 'local'"},
      {"tunnel add x type vxlan vni 16777216 local 10.0.0.1 remote 10.0.0.2", "vni: '16777216' is no number"},
      {"tunnel add x typ vxlan", "unknown key 'typ' in a tunnel; did you mean 'type'?"},
      {"tunnel add x/y type vxlan vni 1 local 10.0.0.1 remote 10.0.0.2", "'x/y' is no name"},
      {"tunnel add vx100 type vxlan vni 1 local 10.0.0.1 remote 10.0.0.2",
       "there is a tunnel 'vx100' already"},
      {"tunnel del", "expected TUNNEL (the name of a tunnel)"},
      {"tunnel del nobody", "there is no tunnel 'nobody'"},
      {"tunnel del vx100", "in use by network blue"},
      {"wait soon", "'soon' does not fit after 'wait'; expected"},
      {"wait 86401", "'86401' is no number of seconds from 0 to 86400"},
      {"wait 1.2.3", "is no number of seconds"},
      {"wait 1 tunnel nobody", "there is no tunnel 'nobody'"},
      {"flow", "'flow' is incomplete; expected 'add' or 'del' or 'flush' or 'explain' next"},
      {"flow add x port tenant", "expected 'match' next"},
      {"flow add x port tenant match vlan 1", "expected 'tunnel' or KEY (a key of doc/config.md) next"},
      {"flow add x port tenant match vlan 1 tunnel", "expected TUNNEL"},
      {"flow add x port tenant match tunnel vx100", "'tunnel' does not fit after"},
      {"flow add x port tenant match vlan 1 tunnel vx100 priority", "expected N (a number from 0 to 65535)"},
      {"flow add x port tenant match vlan 1 tunnel vx100 priority 65536",
       "'65536' is no number from 0 to 65535"},
      {"flow add x port tenant match vlam 1 tunnel vx100",
       "unknown key 'vlam' in a match; did you mean 'vlan'?"},
      {"flow add x port tenant match vlan 4095 tunnel vx100", "vlan: '4095' is no number from 0 to 4094"},
      {"flow add x port tenant match vlan 1 vlan 2 tunnel vx100", "vlan is given twice"},
      {"flow add x port tenant match ipv4_src 10.0.0.0/8 ipv6_dst ::1 tunnel vx100", "take no packet"},
      {"flow add x port tenat match vlan 1 tunnel vx100", "there is no port 'tenat'; did you mean 'tenant'?"},
      {"flow add x port tenant match vlan 1 tunnel vx1", "there is no tunnel 'vx1'"},
      {"flow add x/y port tenant match vlan 1 tunnel vx100", "'x/y' is no name"},
      {"flow del nobody", "there is no flow 'nobody'"},
      {"flow del dns", "flow dns is the configuration's; take it out there and reload"},
      {"flow explain nobody", "there is no flow 'nobody'"},
      {"path", "'path' is incomplete; expected 'add' or 'del' or 'flush' next"},
      {"path flush", "expected NETWORK (the name of a network)"},
      {"path flush bleu", "there is no network 'bleu'; did you mean 'blue'?"},
      {"path add blue", "expected MAC (such as 02:00:00:00:00:01)"},
      {"path add blue 02:00:00:00:00:01", "expected 'tunnel' or 'port' next"},
      {"path add blue 02:00:00:00:00:01 tunnel nobody", "there is no tunnel 'nobody'"},
      {"path add blue 02:00:00:00:00:01 port nobody", "there is no port 'nobody'"},
      {"path add blue 03:00:00:00:00:01 tunnel vx100", "'03:00:00:00:00:01' is a group's"},
      {"path add blue 02:00:00:00:00 tunnel vx100", "'02:00:00:00:00' is no MAC address"},
      {"path del blue all", "'all' is no MAC address"},
      {"path del red 02:00:00:00:00:01", "network red is an l3 network"},
      {"reload all", "'all' is too much after 'reload'"},
      {"stop now", "'now' is too much after 'stop'"},
      {"quit please", "too much"},
      {"help nothing", "there is no command 'nothing'"},
      {"help show port", "did you mean 'show ports'?"},
      {"show ports \x1b[A", "control character at column 12"},
      {"show;ports", "unknown command"},
  };
  for (const BadLine& entry : bad) {
    const Answer answer = run(entry.line);
    EXPECT_EQ(answer.outcome, Outcome::error) << entry.line;
    EXPECT_NE(answer.text.find(entry.message), std::string::npos) << entry.line << "\n" << answer.text;
    EXPECT_EQ(answer.text.find('\n'), std::string::npos) << answer.text;
  }
  EXPECT_TRUE(api_.changes.empty());
  EXPECT_TRUE(api_.waits.empty());
}

TEST_F(Lines, CompletionOfWords) {
  EXPECT_EQ(complete("sho").append, "w ");
  EXPECT_EQ(complete("s").choices, (Names{"show", "start", "stop", "shutdown"}));
  EXPECT_EQ(complete("show r").append, "outes ");
  EXPECT_EQ(complete("show ports ").append, "json ");
  EXPECT_EQ(complete("show ports json ").choices, Names{});
  EXPECT_EQ(complete("nothing ").choices, Names{});
  EXPECT_EQ(complete("").choices.size(), 14u);
  EXPECT_EQ(complete("# sho").append, "");
}

TEST_F(Lines, CompletionOfNames) {
  EXPECT_EQ(complete("show tunnels ").choices, (Names{"json", "vx100", "vx200"}));
  EXPECT_EQ(complete("tunnel del v").append, "x");
  EXPECT_EQ(complete("tunnel del vx").choices, (Names{"vx100", "vx200"}));
  EXPECT_EQ(complete("tunnel del vx2").append, "00 ");
  EXPECT_EQ(complete("wait 5 tunnel vx1").append, "00 ");
  EXPECT_EQ(complete("show flows d").append, "ns ");
  EXPECT_EQ(complete("flow explain w").append, "eb ");
  EXPECT_EQ(complete("flow del ").append, "web ");  // the only one that the shell has made
  EXPECT_EQ(complete("show routes table mai").append, "n ");
}

TEST_F(Lines, CompletionOfKeysAndValues) {
  EXPECT_EQ(complete("tunnel add x v").append, "ni ");
  EXPECT_EQ(complete("tunnel add x type ").append, "vxlan ");
  EXPECT_EQ(complete("tunnel add x type vxlan ecn ").choices, (Names{"auto", "copy", "zero"}));
  EXPECT_EQ(complete("tunnel add x type vxlan vni 1 loc").append, "al ");
  EXPECT_EQ(complete("tunnel add x type vxlan ty").choices, Names{});  // given already
  EXPECT_EQ(complete("tunnel add x vni ").choices, Names{});
  EXPECT_EQ(complete("flow add x port ten").append, "ant ");
  EXPECT_EQ(complete("flow add x port tenant match ip_p").append, "roto ");
  EXPECT_EQ(complete("flow add x port tenant match ip_proto i").choices, (Names{"icmp", "icmpv6", "igmp"}));
  EXPECT_EQ(complete("flow add x port tenant match vlan 1 v").choices, Names{});  // given already
  EXPECT_EQ(complete("flow add x port tenant match vlan 1 tunnel vx1").append, "00 ");
  EXPECT_EQ(complete("flow add x port tenant match vlan 1 tunnel vx100 p").append, "riority ");
  EXPECT_EQ(complete("help tun").append, "nel ");
  EXPECT_EQ(complete("help tunnel ").choices, (Names{"add", "del"}));
}

TEST_F(Lines, CompletionAmongThousandsIsShortAndQuick) {
  const control::TunnelView sample = api_.tunnel_views[0];
  for (int i = 0; i < 4000; ++i) {
    api_.tunnel_views.push_back(sample);
    api_.tunnel_views.back().name = fmt::format("t{}", i);
  }
  const TimePoint before = Clock::now();
  EXPECT_EQ(complete("show tunnels t").choices.size(), kMaxChoices);
  EXPECT_LT(Clock::now() - before, 3s);  // asked for anew for each of them it takes longer
}

}  // namespace
}  // namespace culvert::shell
