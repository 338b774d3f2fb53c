// What lib/config gives others beside the parsed file: keys as the shell's words, overlaps of flows, names of
// route tables.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/flow_keys.hpp"
#include "config/flow_overlaps.hpp"
#include "config/route_tables.hpp"
#include "config/tunnel_keys.hpp"

namespace culvert::config {
namespace {

TEST(FlowOverlaps, FindsWhatAnyComparisonFinds) {
  std::vector<tunnel::Flow> flows;
  for (unsigned i = 0; i < 300; ++i) {
    tunnel::Flow& flow = flows.emplace_back();
    flow.name = std::to_string(i);
    flow.priority = static_cast<uint16_t>(i % 2);
    const auto address = net::IpAddr::v4(net::be32{0x0a000000u + i * 2654435761u % 65536});
    if (i % 3 != 0) flow.match.dst = net::Prefix::of(address, 20 + i % 13);
    if (i % 5 != 0) flow.match.ip_proto = static_cast<uint8_t>(i % 7);
    if (i % 4 == 0) flow.match.vlan = static_cast<uint16_t>(i % 3);
  }
  FlowOverlaps overlaps;
  std::vector<const tunnel::Flow*> added;
  const auto check = [&](const tunnel::Flow& flow) {
    const auto meets = [&](const tunnel::Flow* other) {
      return other->priority == flow.priority && overlap(masked_key(other->match), masked_key(flow.match));
    };
    EXPECT_EQ(overlaps.find(flow).has_value(), std::ranges::any_of(added, meets)) << to_string(flow.match);
    const auto found = overlaps.find(flow);
    EXPECT_TRUE(!found || meets(&flows.at(std::stoul(*found))));
  };
  for (const tunnel::Flow& flow : flows) {
    check(flow);
    overlaps.add(flow);
    added.push_back(&flow);
  }
  while (!added.empty()) {
    overlaps.remove(*added.back());
    const tunnel::Flow& gone = *added.back();
    added.pop_back();
    check(gone);
  }
}

TEST(TunnelFromPairs, TheSameKeysAsTheYaml) {
  const auto made = tunnel_from_pairs("t", {{"type", "vxlan"},
                                            {"vni", "7"},
                                            {"local", "10.0.0.1"},
                                            {"remote", "10.0.0.2"},
                                            {"source_port", "50000-50001"},
                                            {"ttl", "inherit"}});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->name, "t");
  EXPECT_EQ(made->vni, 7u);
  EXPECT_EQ(made->source_port_first, 50000);
  EXPECT_EQ(made->source_port_last, 50001);
  EXPECT_EQ(made->ttl, std::nullopt);
}

TEST(TunnelFromPairs, Errors) {
  const Pairs good{{"type", "vxlan"}, {"vni", "7"}, {"local", "10.0.0.1"}, {"remote", "10.0.0.2"}};
  const auto message = [&](std::string_view name, const Pairs& more, size_t keep = 4) {
    Pairs pairs(good.begin(), good.begin() + static_cast<long>(keep));
    pairs.insert(pairs.end(), more.begin(), more.end());
    const auto made = tunnel_from_pairs(name, pairs);
    return made ? std::string("no error") : made.error().message;
  };
  EXPECT_NE(message("a/b", {}).find("'a/b' is no name"), std::string::npos);
  EXPECT_NE(message("t", {{"tll", "3"}}).find("unknown key 'tll' in a tunnel; did you mean 'ttl'?"),
            std::string::npos);
  EXPECT_EQ(message("t", {{"vni", "8"}}), "vni is given twice; expected it once");
  EXPECT_EQ(message("t", {{"name", "u"}}), "name is given twice; expected it once");
  EXPECT_EQ(message("t", {{"key", "8"}}), "key: not supported yet");
  EXPECT_EQ(message("t", {}, 3), "tunnel t lacks 'remote'; expected remote VALUE");
  EXPECT_NE(message("t", {{"remote", "10.0.0.1"}}, 3).find("remote: '10.0.0.1' is also 'local'"),
            std::string::npos);
  EXPECT_NE(message("t", {{"remote", "::1"}}, 3).find("not supported yet"), std::string::npos);
}

TEST(FlowFromWords, TheSameKeysAsTheYaml) {
  const FlowWords words{"f", "tenant", "vx100", {{"ipv4_dst", "10.7.0.0/16"}, {"ip_proto", "udp"}}, "7"};
  const auto made = flow_from_words(words);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->name + " " + made->port + " " + made->tunnel, "f tenant vx100");
  EXPECT_EQ(made->priority, 7);
  EXPECT_EQ(to_string(made->match), "ipv4_dst 10.7.0.0/16 ip_proto 17");
}

TEST(FlowFromWords, Errors) {
  const auto message = [](const Pairs& match, std::optional<std::string> priority = std::nullopt,
                          const char* name = "f") {
    const auto made = flow_from_words({name, "tenant", "vx100", match, priority});
    return made ? std::string("no error") : made.error().message;
  };
  EXPECT_EQ(message({{"vlan", "none"}}), "no error");
  EXPECT_NE(message({{"vlan", "none"}}, std::nullopt, "a/b").find("'a/b' is no name"), std::string::npos);
  EXPECT_EQ(message({{"vlan", "none"}}, "70000"), "priority: '70000' is no number from 0 to 65535");
  EXPECT_NE(message({{"vlam", "1"}}).find("unknown key 'vlam' in a match; did you mean 'vlan'?"),
            std::string::npos);
  EXPECT_EQ(message({{"vlan", "1"}, {"vlan", "2"}}), "vlan is given twice; expected it once");
  EXPECT_NE(message({{"ip_proto", "gre"}, {"l4_src", "1"}}).find("ip_proto 47 has no ports"),
            std::string::npos);
  EXPECT_NE(message({{"ipv4_dst", "1.2.3.4"}, {"ipv6_dst", "::1"}}).find("take no packet"),
            std::string::npos);
}

template <typename T>
void expect_words_are_accepted(std::span<const Key<T>> keys) {
  for (const auto& key : keys) {
    std::istringstream words{std::string(key.words)};
    for (std::string word; words >> word;) {
      T object;
      EXPECT_TRUE(key.set(word, object)) << key.name << " " << word;
    }
  }
}

TEST(Keys, WordsForCompletionAreAccepted) {
  expect_words_are_accepted(tunnel_keys());
  expect_words_are_accepted(match_keys());
}

TEST(RouteTables, NamesFromFiles) {
  const auto directory = std::filesystem::path(testing::TempDir()) / "culvert_route_tables";
  std::filesystem::create_directories(directory / "rt_tables.d");
  std::ofstream(directory / "rt_tables")
      << "# comment\n0 unspec\n254\tmain\n100 blue # tail\nx y\n0x65 hex\n7\n";
  std::ofstream(directory / "rt_tables.d" / "red.conf") << "200 red\n";
  std::ofstream(directory / "rt_tables.d" / "README") << "201 none\n";
  const auto tables = route_tables(directory);
  const std::map<uint32_t, std::string> expected{{100, "blue"},    {101, "hex"},  {200, "red"},
                                                 {253, "default"}, {254, "main"}, {255, "local"}};
  EXPECT_EQ(tables, expected);
  EXPECT_EQ(*parse_route_table("red", tables), 200u);
  EXPECT_EQ(*parse_route_table("17", tables), 17u);
  EXPECT_FALSE(parse_route_table("green", tables));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace culvert::config
