// l3 networks follow a real kernel: routes, nexthop objects, neighbours, links, in a namespace of the test's
// own.
#include "control/l3_networks.hpp"

#include <rte_bus_vdev.h>

#include <random>

#include "eal.hpp"
#include "mirror_lab.hpp"

namespace culvert::control {
namespace {

using dataplane::DropReason;
using dataplane::Way;
using Kind = Way::Kind;

constexpr uint32_t kTable = 100;

// v0 is port 0's link; vx2 and vx3 are tunnels to 10.1.0.2 and 10.1.0.3, on the side of v1.
class L3NetworksTest : public mirror::Lab {
 protected:
  void SetUp() override {
    culvert::testing::start_eal();
    Lab::SetUp();
    make_links();
    ip("neighbour add 10.0.0.9 dev v0 lladdr 02:00:00:00:00:09 nud permanent");
    domain = std::move(*rcu::Domain::create());
    ASSERT_EQ(rte_vdev_init("net_null_l3", "no-rx=1"), 0);
    pool = std::move(*port::create_mempool("l3", 1024));
    port = std::move(*port::Port::open({.name = "tenant", .ethdev = "net_null_l3", .pool = pool.get()}));
    ASSERT_TRUE(port->start());
    dataplane::Setup setup;
    setup.ports = {{.port = port.get()}};
    setup.lcores = {1};
    setup.domain = domain.get();
    path = std::move(*dataplane::Dataplane::create(setup));
    ASSERT_TRUE(path->set_networks({{.id = 0, .ports = {0}, .encaps = {2, 3}, .routed = true}}));
    mirror = make();
    sync(*mirror);
    make_networks();
  }
  void make_networks(dataplane::HopId hops_end = dataplane::kMaxHops) {
    networks = std::make_unique<L3Networks>(
        *mirror, *path, *domain, [this](const NeighbourKey& key) { used.push_back(key); }, hops_end);
    configure();
  }
  void TearDown() override {
    networks.reset();
    path.reset();
    port.reset();
    rte_vdev_uninit("net_null_l3");
  }

  void configure(std::vector<config::StaticRoute> routes = {}, std::optional<uint32_t> table = kTable) {
    L3Spec spec;
    spec.network.name = "red";
    spec.network.type = config::Network::Type::l3;
    spec.network.ports = {{"tenant", {}}};
    spec.network.tunnels = {"vx2", "vx3"};
    spec.network.table = table;
    spec.network.routes = std::move(routes);
    spec.tunnels = {{"vx2", 2, *net::IpAddr::parse("10.1.0.2"), 200},
                    {"vx3", 3, *net::IpAddr::parse("10.1.0.3"), 300}};
    spec.ports = {{0, "v0", port->mac(), 1500}};
    networks->set({spec}, Clock::now());
  }
  // Until all that the kernel has said is in the tables.
  void settle() {
    sync(*mirror);
    do {
      networks->flush(Clock::now());
    } while (networks->is_behind());
    path->poll(Clock::now(), 1 << 16);
  }
  // The longest turn until all is in the tables, for a person to read.
  Duration longest_turn() {
    Duration longest{};
    do {
      const TimePoint begin = Clock::now();
      networks->flush(begin);
      longest = std::max(longest, Clock::now() - begin);
    } while (networks->is_behind());
    std::printf("longest turn: %.1f ms\n", std::chrono::duration<double, std::milli>(longest).count());
    return longest;
  }
  static void many_routes(unsigned count, const char* what, const std::string& how) {
    std::string commands;
    for (unsigned i = 0; i < count; ++i)
      commands +=
          fmt::format("route {} {}.{}.{}.0/24 {}\n", what, 40 + i / 65536, i / 256 % 256, i % 256, how);
    ip(commands);
  }
  fib::Hop hop(const char* address) const { return path->routes(0)->find(*net::IpAddr::parse(address)); }
  const dataplane::RouteHop& leads(const char* address) const {
    static const dataplane::RouteHop none;
    const dataplane::RouteHop* const found = path->hop(hop(address));
    return found != nullptr ? *found : none;
  }
  Way way(const char* address) const { return leads(address).only; }
  static Way into(unsigned encap) { return {.kind = Kind::tunnel, .encap = encap}; }
  static Way dropped(DropReason reason) { return {.reason = reason}; }
  net::Mac mac_of_v0() const { return mirror->link_by_name("v0")->mac; }

  std::unique_ptr<rcu::Domain> domain;
  port::Mempool pool;
  std::unique_ptr<port::Port> port;
  std::unique_ptr<dataplane::Dataplane> path;
  std::unique_ptr<mirror::Mirror> mirror;
  std::unique_ptr<L3Networks> networks;
  std::vector<NeighbourKey> used;
};

TEST_F(L3NetworksTest, EachKindOfRouteLeadsWhereItShould) {
  ip("link add vx3 type veth peer name vx3p\nlink set vx3 up\nlink set vx3p up\n"
     "link add kvx type vxlan id 200 dstport 8472 remote 10.1.0.77 dev v1\nlink set kvx up\n"
     "route add 20.1.0.0/16 via 10.1.0.2 table 100\n"
     "route add 20.2.0.0/16 via 10.1.0.3 dev kvx onlink table 100\n"
     "route add 20.3.0.0/16 dev vx3 table 100\n"
     "route add 20.4.0.0/16 dev kvx table 100\n"
     "route add 20.5.0.0/16 via 10.0.0.9 table 100\n"
     "route add 20.6.0.0/16 dev v0 table 100\n"
     "route add 20.7.0.0/16 via 10.1.0.99 table 100\n"
     "route add blackhole 20.8.0.0/16 table 100\n"
     "route add unreachable 20.9.0.0/16 table 100\n"
     "route add prohibit 20.10.0.0/16 table 100\n"
     "route add throw 20.11.0.0/16 table 100\n"
     "route add 20.12.0.0/16 via inet6 fd00::9 dev v0 table 100\n"
     "route add 20.13.0.0/16 via 10.1.0.2 table 101\n");
  ip6("route add 2001:db8:1::/48 via fd00::9 dev v0 table 100\n"
      "route add blackhole 2001:db8:2::/48 table 100\n"
      "neighbour add fd00::9 dev v0 lladdr 02:00:00:00:06:09 nud permanent");
  settle();
  EXPECT_EQ(way("20.1.2.3"), into(2)) << "the gateway is a tunnel's far end";
  EXPECT_EQ(way("20.2.2.3"), into(3)) << "likewise, whatever the device";
  EXPECT_EQ(way("20.3.2.3"), into(3)) << "the link has the tunnel's name";
  EXPECT_EQ(way("20.4.2.3"), into(2)) << "the link has the tunnel's VNI";
  const Way station{.kind = Kind::station,
                    .port = 0,
                    .mtu = 1500,
                    .dst_mac = *net::Mac::parse("02:00:00:00:00:09"),
                    .src_mac = mac_of_v0()};
  EXPECT_EQ(way("20.5.2.3"), station);
  EXPECT_EQ(way("20.6.2.3"), (Way{.kind = Kind::on_link, .port = 0}));
  EXPECT_EQ(way("20.7.2.3"), dropped(DropReason::hop_elsewhere));
  EXPECT_EQ(way("20.8.2.3"), dropped(DropReason::route_blackhole));
  EXPECT_EQ(way("20.9.2.3"), dropped(DropReason::route_unreachable));
  EXPECT_EQ(way("20.10.2.3"), dropped(DropReason::route_prohibit));
  EXPECT_EQ(way("20.11.2.3"), dropped(DropReason::route_throw));
  Way station6 = station;
  station6.dst_mac = *net::Mac::parse("02:00:00:00:06:09");
  EXPECT_EQ(way("20.12.2.3"), station6) << "IPv4 by way of IPv6";
  EXPECT_EQ(way("2001:db8:1::1"), station6);
  EXPECT_EQ(way("2001:db8:2::1"), dropped(DropReason::route_blackhole));
  EXPECT_EQ(hop("20.13.2.3"), fib::kNoRoute) << "of another table";
  EXPECT_EQ(way("10.0.0.1").kind, Kind::kernel) << "an address of the kernel's";
  EXPECT_EQ(way("10.1.0.255").kind, Kind::kernel);
  EXPECT_EQ(hop("10.0.0.7"), fib::kNoRoute) << "connected, but in table main";
}

// A header of the kernel's own before the packet: that packet must not go out without it.
TEST_F(L3NetworksTest, AnEncapOfTheKernelsIsNotCulverts) {
  ip("route add 20.1.0.0/16 encap ip id 7 dst 9.9.9.9 via 10.0.0.9 table 100\n"
     "route add 20.2.0.0/16 encap ip id 7 dst 9.9.9.9 via 10.1.0.2 table 100\n"
     "nexthop add id 7 encap ip id 7 dst 9.9.9.9 via 10.0.0.9 dev v0\n"
     "route add 20.3.0.0/16 nhid 7 table 100\n"
     "route add 20.4.0.0/16 table 100 nexthop encap ip id 8 dst 9.9.9.9 via 10.0.0.9 nexthop via 10.1.0.2\n"
     "route add 20.5.0.0/16 encap ip id 9 dst 9.9.9.9 via 10.0.0.9 table 100\n"
     "route add 20.6.0.0/16 via 10.0.0.9 table 100");
  ip6("route add 2001:db8:1::/48 encap seg6 mode encap segs fd00::7 dev v0 table 100");
  settle();
  for (const char* address : {"20.1.0.1", "20.2.0.1", "20.3.0.1", "20.5.0.1", "2001:db8:1::1"})
    EXPECT_EQ(way(address), dropped(DropReason::hop_elsewhere)) << address;
  EXPECT_EQ(hop("20.1.0.1"), hop("20.5.0.1")) << "one hop number serves, whatever is in the headers";
  EXPECT_EQ(way("20.6.0.1").kind, Kind::station);
  ASSERT_NE(leads("20.4.0.1").multipath, nullptr);
  EXPECT_EQ(leads("20.4.0.1").multipath->ways[0], dropped(DropReason::hop_elsewhere));
  EXPECT_EQ(leads("20.4.0.1").multipath->ways[1], into(2));
  ip("route replace 20.1.0.0/16 via 10.0.0.9 table 100");
  settle();
  EXPECT_EQ(way("20.1.0.1").kind, Kind::station);
}

// The neighbours of a gateway and of the link: none, there, another MAC, failed, gone.
TEST_F(L3NetworksTest, FollowsNeighbours) {
  ip("route add 20.1.0.0/16 via 10.0.0.50 table 100\nroute add 10.0.0.0/24 dev v0 table 100");
  settle();
  EXPECT_EQ(way("20.1.0.1"), dropped(DropReason::neighbour_unresolved));
  const net::IpAddr gateway = *net::IpAddr::parse("10.0.0.50");
  EXPECT_EQ(path->neighbours(0).find(gateway), fib::kNoRoute);
  const fib::Hop before = hop("20.1.0.1");
  for (const char* mac : {"02:00:00:00:00:50", "02:00:00:00:00:51"}) {
    ip(fmt::format("neighbour replace 10.0.0.50 dev v0 lladdr {} nud permanent", mac));
    settle();
    EXPECT_EQ(way("20.1.0.1").kind, Kind::station);
    EXPECT_EQ(way("20.1.0.1").dst_mac, *net::Mac::parse(mac));
    EXPECT_EQ(hop("20.1.0.1"), before) << "the route is not touched";
    const dataplane::RouteHop* const station = path->hop(path->neighbours(0).find(gateway));
    ASSERT_NE(station, nullptr);
    EXPECT_EQ(station->only, way("20.1.0.1"));
  }
  ip("neighbour del 10.0.0.50 dev v0");
  settle();
  EXPECT_EQ(way("20.1.0.1"), dropped(DropReason::neighbour_unresolved));
  EXPECT_EQ(path->neighbours(0).find(gateway), fib::kNoRoute);
  // It was asked for: the kernel has tried.
  EXPECT_EQ(way("10.0.0.50").kind, Kind::on_link);
}

TEST_F(L3NetworksTest, ANexthopEventTouchesNoRoute) {
  std::string routes =
      "nexthop add id 7 via 10.1.0.2 dev v1\nnexthop add id 8 via 10.1.0.3 dev v1\n"
      "nexthop add id 9 group 7,3/8\nroute add 20.0.0.0/16 nhid 9 table 100\n";
  for (int i = 0; i < 1000; ++i)
    routes += fmt::format("route add 30.{}.{}.0/24 nhid 7 table 100\n", i / 250, i % 250);
  ip(routes);
  settle();
  const fib::Hop before = hop("30.0.0.1");
  EXPECT_EQ(hop("30.3.249.1"), before);
  EXPECT_EQ(way("30.3.249.1"), into(2));
  ASSERT_NE(leads("20.0.0.1").multipath, nullptr);
  EXPECT_EQ(std::ranges::count(leads("20.0.0.1").multipath->bucket, 0), 192);
  ip("nexthop replace id 7 via 10.1.0.3 dev v1");
  settle();
  EXPECT_EQ(hop("30.0.0.1"), before);
  EXPECT_EQ(hop("30.3.249.1"), before);
  EXPECT_EQ(way("30.3.249.1"), into(3));
  for (const Way& one : leads("20.0.0.1").multipath->ways) EXPECT_EQ(one, into(3)) << "the group too";
  ip("route del 20.0.0.0/16 table 100\nnexthop del id 9\nnexthop replace id 7 blackhole");
  settle();
  EXPECT_EQ(way("30.3.249.1"), dropped(DropReason::route_blackhole));
  ip("nexthop del id 7");
  settle();
  EXPECT_EQ(hop("30.3.249.1"), fib::kNoRoute) << "the kernel takes its routes away";
}

TEST_F(L3NetworksTest, DeadHopsAreLeftOut) {
  ip("route add 20.1.0.0/16 table 100 nexthop via 10.0.0.9 nexthop via 10.1.0.2");
  settle();
  EXPECT_NE(leads("20.1.0.1").multipath, nullptr);
  ip("link set p0 down");  // v0 has no carrier any more
  pump_until(*mirror, [&] { return !mirror->link_by_name("v0")->has_carrier(); });
  settle();
  EXPECT_EQ(leads("20.1.0.1").multipath, nullptr);
  EXPECT_EQ(way("20.1.0.1"), into(2));
  ip("link set p1 down");
  pump_until(*mirror, [&] { return !mirror->link_by_name("v1")->has_carrier(); });
  settle();
  EXPECT_EQ(way("20.1.0.1"), dropped(DropReason::hop_down));
}

TEST_F(L3NetworksTest, TheConfigurationComesFirst) {
  ip("route add 20.1.0.0/16 via 10.1.0.2 table 100\nroute add 20.2.0.0/16 via 10.1.0.2 table 100");
  settle();
  const net::Prefix prefix = *net::Prefix::parse("20.1.0.0/16");
  configure({{prefix, "vx3", "", std::nullopt},
             {*net::Prefix::parse("10.0.0.1/32"), "vx3", "", std::nullopt},
             {*net::Prefix::parse("20.3.0.0/16"), "", "tenant", net::Mac::parse("02:00:00:00:00:33")}});
  EXPECT_EQ(way("20.1.0.1"), into(3));
  EXPECT_EQ(way("20.2.0.1"), into(2));
  EXPECT_EQ(way("20.3.0.1").dst_mac, *net::Mac::parse("02:00:00:00:00:33"));
  EXPECT_EQ(way("10.0.0.1").kind, Kind::kernel) << "but not before its own addresses";
  ip("route replace 20.1.0.0/16 dev v0 table 100");
  settle();
  EXPECT_EQ(way("20.1.0.1"), into(3));
  configure();
  EXPECT_EQ(way("20.1.0.1").kind, Kind::on_link);
  EXPECT_EQ(hop("20.3.0.1"), fib::kNoRoute);
  configure({{prefix, "vx3", "", std::nullopt}}, std::nullopt);
  EXPECT_EQ(way("20.1.0.1"), into(3));
  EXPECT_EQ(hop("20.2.0.1"), fib::kNoRoute) << "no table is followed any more";
  EXPECT_EQ(way("10.0.0.1").kind, Kind::kernel) << "its port has a link";
}

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

// Ports that are renamed, removed, made anew: their hops and stations with them, and nobody else's.
TEST_F(L3NetworksTest, LinksAreRenamedRemovedAndMadeAnew) {
  ip("route add 20.1.0.0/16 via 10.0.0.9 table 100\nroute add 20.2.0.0/16 dev v0 table 100\n"
     "route add 20.3.0.0/16 via 10.1.0.2 table 100");
  settle();
  const net::IpAddr neighbour = *net::IpAddr::parse("10.0.0.9");
  const auto station = [&] { return path->hop(path->neighbours(0).find(neighbour)); };
  EXPECT_EQ(way("20.1.0.1").kind, Kind::station);
  ASSERT_NE(station(), nullptr);
  ip("link set v0 mtu 1400");
  settle();
  EXPECT_EQ(way("20.1.0.1").mtu, 1400);
  EXPECT_EQ(station()->only.mtu, 1400);
  ip("link set v0 address 02:00:00:00:0f:01\n"
     "neighbour replace 10.0.0.9 dev v0 lladdr 02:00:00:00:00:09 nud permanent");
  settle();
  EXPECT_EQ(way("20.1.0.1").src_mac, *net::Mac::parse("02:00:00:00:0f:01"));
  EXPECT_EQ(station()->only.src_mac, *net::Mac::parse("02:00:00:00:0f:01"));
  ip("link set v0 name away0");
  settle();
  EXPECT_EQ(way("20.1.0.1"), dropped(DropReason::hop_elsewhere)) << "no port has that name";
  EXPECT_EQ(station(), nullptr);
  EXPECT_EQ(way("20.3.0.1"), into(2));
  ip("link set away0 name v0");
  settle();
  EXPECT_EQ(way("20.1.0.1").kind, Kind::station);
  ASSERT_NE(station(), nullptr);
  ip("link del v0");
  settle();
  EXPECT_EQ(hop("20.1.0.1"), fib::kNoRoute) << "the kernel takes its routes away";
  EXPECT_EQ(station(), nullptr);
  EXPECT_EQ(way("20.3.0.1"), into(2));
  ip("link add v0 type veth peer name p0\nlink set v0 up\nlink set p0 up\naddress add 10.0.0.1/24 dev v0\n"
     "neighbour add 10.0.0.9 dev v0 lladdr 02:00:00:00:00:19 nud permanent\n"
     "route add 20.1.0.0/16 via 10.0.0.9 table 100");
  settle();
  EXPECT_EQ(way("20.1.0.1").dst_mac, *net::Mac::parse("02:00:00:00:00:19"));
  ASSERT_NE(station(), nullptr);
  EXPECT_EQ(station()->only.dst_mac, *net::Mac::parse("02:00:00:00:00:19"));
}

// Two links swap their names: the port is the other one now.
TEST_F(L3NetworksTest, LinksSwapTheirNames) {
  ip("address add 10.0.0.99/24 dev v1\n"
     "neighbour add 10.0.0.9 dev v1 lladdr 02:00:00:00:00:29 nud permanent\n"
     "route add 20.1.0.0/16 via 10.0.0.9 dev v1 table 100\nroute add 20.2.0.0/16 via 10.0.0.9 dev v0 table "
     "100");
  settle();
  EXPECT_EQ(way("20.1.0.1"), dropped(DropReason::hop_elsewhere));
  EXPECT_EQ(way("20.2.0.1").kind, Kind::station);
  ip("link set v0 name tmp\nlink set v1 name v0\nlink set tmp name v1");
  settle();
  EXPECT_EQ(way("20.1.0.1").dst_mac, *net::Mac::parse("02:00:00:00:00:29"));
  EXPECT_EQ(way("20.2.0.1"), dropped(DropReason::hop_elsewhere));
  const net::IpAddr neighbour = *net::IpAddr::parse("10.0.0.9");
  EXPECT_EQ(path->hop(path->neighbours(0).find(neighbour))->only.dst_mac,
            *net::Mac::parse("02:00:00:00:00:29"));
}

// A port whose device DPDK removes: its ways are dead, the others take the flows.
TEST_F(L3NetworksTest, APortThatIsRemovedIsNoWay) {
  ip("route add 20.1.0.0/16 table 100 nexthop via 10.0.0.9 nexthop via 10.1.0.2\n"
     "route add 20.2.0.0/16 dev v0 table 100");
  configure({{*net::Prefix::parse("20.3.0.0/16"), "", "tenant", net::Mac::parse("02:00:00:00:00:33")}});
  settle();
  EXPECT_NE(leads("20.1.0.1").multipath, nullptr);
  EXPECT_EQ(way("20.3.0.1").kind, Kind::station);
  networks->remove_port(0);
  settle();
  EXPECT_EQ(leads("20.1.0.1").multipath, nullptr);
  EXPECT_EQ(way("20.1.0.1"), into(2));
  EXPECT_EQ(way("20.2.0.1"), dropped(DropReason::hop_down));
  EXPECT_EQ(way("20.3.0.1"), dropped(DropReason::hop_down));
  EXPECT_EQ(path->neighbours(0).find(*net::IpAddr::parse("10.0.0.9")), fib::kNoRoute);
}

// What the route says of the size of packets, whatever it leads to; the link's is the station's.
TEST_F(L3NetworksTest, TheMtuOfARouteIsThatOfItsWay) {
  ip("route add 20.1.0.0/16 via 10.0.0.9 mtu 1300 table 100\nroute add 20.2.0.0/16 dev v0 mtu 1300 table "
     "100\n"
     "route add 20.3.0.0/16 via 10.1.0.2 mtu 1300 table 100\nroute add 20.4.0.0/16 dev v0 table 100");
  settle();
  for (const char* address : {"20.1.0.1", "20.2.0.1", "20.3.0.1"})
    EXPECT_EQ(way(address).mtu, 1300) << address;
  EXPECT_EQ(way("20.2.0.1").kind, Kind::on_link);
  EXPECT_EQ(way("20.3.0.1").kind, Kind::tunnel);
  EXPECT_EQ(way("20.4.0.1").mtu, UINT16_MAX);
}

// What finds no number for its hop is dropped by name, not by a shorter route, and comes in when numbers are
// free.
TEST_F(L3NetworksTest, HopNumbersEndAndComeFree) {
  networks.reset();
  make_networks(40);
  const auto route = [](const char* what, unsigned i) {
    return fmt::format("route {} 20.{}.0.0/16 via 10.0.0.9 mtu {} table 100\n", what, i, 600 + i);
  };
  std::string commands = "route add default via 10.1.0.2 table 100\n";
  for (unsigned i = 0; i < 60; ++i) commands += route("add", i);
  ip(commands);
  settle();
  ip("neighbour add 10.0.0.60 dev v0 lladdr 02:00:00:00:00:60 nud permanent");
  settle();
  const auto leads_to = [&](DropReason reason) {
    unsigned count = 0;
    for (unsigned i = 0; i < 60; ++i) count += way(fmt::format("20.{}.0.1", i).c_str()) == dropped(reason);
    return count;
  };
  const auto is_station = [&](unsigned i) { return way(fmt::format("20.{}.0.1", i).c_str()).mtu == 600 + i; };
  const unsigned without = leads_to(DropReason::too_many_hops);
  EXPECT_GT(without, 20u);
  EXPECT_LT(without, 40u);
  EXPECT_TRUE(is_station(0));
  const net::IpAddr station = *net::IpAddr::parse("10.0.0.60");
  EXPECT_EQ(path->hop(path->neighbours(0).find(station))->only, dropped(DropReason::too_many_hops));

  commands.clear();
  for (unsigned i = 0; i < 40; ++i) commands += route("del", i);
  ip(commands);
  settle();
  settle();  // numbers come free when no worker uses them any more
  for (unsigned i = 40; i < 60; ++i) EXPECT_TRUE(is_station(i)) << i;
  EXPECT_EQ(path->hop(path->neighbours(0).find(station))->only.dst_mac,
            *net::Mac::parse("02:00:00:00:00:60"));
  EXPECT_EQ(way("20.0.0.1"), into(2));
  configure({}, std::nullopt);
  configure();  // all at once, with numbers that are still held back by their grace period
  settle();
  settle();
  for (unsigned i = 40; i < 60; ++i) EXPECT_TRUE(is_station(i)) << i;
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
