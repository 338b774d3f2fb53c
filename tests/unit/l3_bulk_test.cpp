// Many routes of l3 networks at once, and at random, beside a real kernel.
#include <random>

#include "l3_fixture.hpp"

namespace culvert::control {
namespace {

// A link that loses its carrier costs the hops on it, and no route, however many they are.
TEST_F(L3NetworksTest, ACarrierThatFlapsTouchesNoRoute) {
  many_routes(80000, "add", "via 10.0.0.9 table 100");
  settle();
  const fib::Hop before = hop("40.0.0.1");
  EXPECT_EQ(way("41.50.0.1").kind, Kind::station);
  for (const bool up : {false, true}) {
    ip(up ? "link set p0 up" : "link set p0 down");
    pump_until(*mirror, [&] { return mirror->link_by_name("v0")->has_carrier() == up; });
    networks->flush(Clock::now());
    EXPECT_FALSE(networks->is_behind()) << "one turn does it";
    EXPECT_EQ(hop("40.0.0.1"), before);
    EXPECT_EQ(hop("41.50.0.1"), before);
    if (up)
      EXPECT_EQ(way("41.50.0.1").kind, Kind::station);
    else
      EXPECT_EQ(way("41.50.0.1"), dropped(DropReason::hop_down));
  }
}

// More changes at once than are entered one by one.
TEST_F(L3NetworksTest, ManyChangesAreEnteredAtOnce) {
  many_routes(80000, "add", "via 10.1.0.2 table 100");
  sync(*mirror);
  EXPECT_TRUE(networks->is_behind());
  longest_turn();
  EXPECT_EQ(way("41.50.0.1"), into(2));
  many_routes(70000, "del", "via 10.1.0.2 table 100");
  many_routes(1, "add", "via 10.1.0.3 table 100");
  sync(*mirror);
  networks->flush(Clock::now());
  ip("route replace 41.51.0.0/24 via 10.1.0.3 table 100\nroute add 44.0.0.0/24 via 10.1.0.3 table 100\n"
     "route del 41.51.1.0/24 table 100");  // while they are entered
  sync(*mirror);
  longest_turn();
  EXPECT_EQ(hop("40.0.1.1"), fib::kNoRoute);
  EXPECT_EQ(hop("41.0.1.1"), fib::kNoRoute);
  EXPECT_EQ(way("40.0.0.1"), into(3));
  EXPECT_EQ(way("41.51.0.1"), into(3));
  EXPECT_EQ(way("44.0.0.1"), into(3));
  EXPECT_EQ(hop("41.51.1.1"), fib::kNoRoute);
  EXPECT_EQ(way("41.50.0.1"), into(2));
  // Another table, as big.
  configure({}, 101);
  EXPECT_EQ(hop("41.50.0.1"), fib::kNoRoute);
  configure();
  EXPECT_EQ(way("41.50.0.1"), into(2));
}

// Steps lie between the first route that is collected and the last.
TEST_F(L3NetworksTest, WhatChangesWhileAllIsCollectedIsEnteredToo) {
  many_routes(80000, "add", "via 10.1.0.2 metric 20 table 100");
  sync(*mirror);
  constexpr unsigned kTurns = 12;
  for (unsigned turn = 0; turn < kTurns; ++turn) {
    ASSERT_TRUE(networks->is_behind());
    networks->flush(Clock::now());
    // Better ones of destinations that were collected or will be. The mirror has one of them behind all
    // others, the other where one that was deleted has been.
    for (const unsigned last : {6, 7})
      ip(fmt::format("route add 40.{}.{}.0/24 via 10.1.0.3 metric 10 table 100", turn * 20, last));
    ip(fmt::format("route del 40.{}.8.0/24 metric 20 table 100", turn * 20));
    sync(*mirror);
  }
  settle();
  for (unsigned turn = 0; turn < kTurns; ++turn) {
    EXPECT_EQ(way(fmt::format("40.{}.6.1", turn * 20).c_str()), into(3)) << turn;
    EXPECT_EQ(way(fmt::format("40.{}.7.1", turn * 20).c_str()), into(3)) << turn;
    EXPECT_EQ(hop(fmt::format("40.{}.8.1", turn * 20).c_str()), fib::kNoRoute) << turn;
    EXPECT_EQ(way(fmt::format("40.{}.9.1", turn * 20).c_str()), into(2)) << turn;
  }
  EXPECT_EQ(way("41.50.0.1"), into(2));

  // What was collected twice counts once: a hop's number comes free with the last route by it.
  const fib::Hop better = hop("40.0.6.1");
  for (unsigned turn = 0; turn < kTurns; ++turn)
    for (const unsigned last : {6, 7})
      ip(fmt::format("route del 40.{}.{}.0/24 metric 10 table 100", turn * 20, last));
  settle();
  settle();  // when no worker uses it any more
  EXPECT_EQ(way("40.0.6.1"), into(2));
  EXPECT_EQ(path->hop(better), nullptr);
}

// The table and the mirror agree after random changes, and after a rebuild.
TEST_F(L3NetworksTest, RandomRoutes) {
  std::mt19937 random(7);
  const auto below = [&](unsigned limit) { return static_cast<unsigned>(random()) % limit; };
  const std::vector<std::string> kinds{"via 10.1.0.2", "via 10.1.0.3", "via 10.0.0.9", "dev v0"};
  const std::vector<std::string> types{"blackhole", "prohibit", "unreachable"};
  const auto destination = [&] {
    const unsigned length = 8 + below(17);
    const uint32_t address =
        (40u << 24 | below(4) << 22 | below(4) << 14 | below(256) << 8) & (~0u << (32 - length));
    return fmt::format("{}/{}", net::IpAddr::v4(net::be32{address}), length);
  };
  const auto expect_same = [&] {
    for (unsigned i = 0; i < 300; ++i) {
      const net::IpAddr ip =
          net::IpAddr::v4(net::be32{40u << 24 | below(4) << 22 | below(4) << 14 | below(65536)});
      const auto route = mirror->lookup(kTable, ip);
      const fib::Hop found = path->routes(0)->find(ip);
      ASSERT_EQ(found != fib::kNoRoute, route.has_value()) << ip.to_string();
      if (!route) continue;
      const Way way = path->hop(found)->only;
      if (route->type == RTN_BLACKHOLE)
        ASSERT_EQ(way.reason, DropReason::route_blackhole);
      else if (route->type == RTN_PROHIBIT)
        ASSERT_EQ(way.reason, DropReason::route_prohibit);
      else if (route->type == RTN_UNREACHABLE)
        ASSERT_EQ(way.reason, DropReason::route_unreachable);
      else if (!route->hops[0].via)
        ASSERT_EQ(way.kind, Kind::on_link);
      else if (route->hops[0].via->to_string() == "10.0.0.9")
        ASSERT_EQ(way.kind, Kind::station);
      else
        ASSERT_EQ(way, into(route->hops[0].via->to_string() == "10.1.0.2" ? 2 : 3));
    }
  };
  for (unsigned round = 0; round < 10; ++round) {
    std::string commands;
    for (unsigned i = 0; i < 200; ++i) {
      const std::string metric = fmt::format("metric {}", below(3));
      if (below(3) == 0)
        commands += fmt::format("route del {} table 100 {}\n", destination(), metric);
      else if (below(4) == 0)
        commands += fmt::format("route replace {} {} table 100 {}\n", types[below(3)], destination(), metric);
      else
        commands += fmt::format("route replace {} {} table 100 {}\n", destination(), kinds[below(4)], metric);
    }
    // What is not there cannot be deleted: no matter.
    FILE* pipe = ::popen("ip -force -batch - 2>/dev/null", "w");
    ASSERT_NE(pipe, nullptr);
    std::fwrite(commands.data(), 1, commands.size(), pipe);
    ::pclose(pipe);
    settle();
    expect_same();
    if (HasFatalFailure()) return;
    const size_t size = path->routes(0)->v4.size();
    configure({}, std::nullopt);
    configure();  // all of it at once
    EXPECT_EQ(path->routes(0)->v4.size(), size);
    expect_same();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace culvert::control
