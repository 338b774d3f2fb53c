// What a route of an l3 network leads to: routes, nexthop objects and neighbours of a real kernel.
#include "l3_fixture.hpp"

namespace culvert::control {
namespace {

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

}  // namespace
}  // namespace culvert::control
