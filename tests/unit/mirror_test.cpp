// After each thing that the kernel does in part without an event the mirror equals a fresh dump, by its own
// rules (TearDown of Followed: compared, self-check finds nothing, deltas add up).
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "mirror/neighbour_ageing.hpp"
#include "mirror_lab.hpp"

namespace culvert::mirror {
namespace {

TEST_F(Followed, LinkDownAndUpAgain) {
  ASSERT_TRUE(route("20.0.0.1"));
  ip("link set v0 down");
  sync(*mirror);
  EXPECT_FALSE(route("20.0.0.1"));
  EXPECT_EQ(mirror->nexthop(1), nullptr);
  ASSERT_TRUE(route("20.0.3.1"));
  EXPECT_FALSE(route("20.0.3.1")->hops[0].is_alive());
  EXPECT_TRUE(route("20.0.3.1")->hops[1].is_alive());
  expect_fresh(*mirror);
  check(*mirror);

  ip("link set v0 up");
  sync(*mirror);
  EXPECT_TRUE(route("20.0.3.1")->hops[0].is_alive());
}

TEST_F(Followed, CarrierLostAndBack) {
  ip("link set p0 down");
  pump_until(*mirror, [&] { return !link_has_carrier("v0"); });
  ASSERT_TRUE(route("20.0.0.1"));
  EXPECT_FALSE(route("20.0.0.1")->hops[0].is_alive());
  EXPECT_EQ(mirror->nexthop(1), nullptr);
  EXPECT_EQ(route("30.0.3.1")->hops.size(), 1u);
  expect_fresh(*mirror);
  check(*mirror);

  ip("link set p0 up");
  pump_until(*mirror, [&] { return link_has_carrier("v0"); });
  EXPECT_TRUE(route("20.0.0.1")->hops[0].is_alive());
}

TEST_F(Followed, LinkUpWithoutCarrier) {
  ip("link set v0 down\nlink set p0 down\nlink set v0 up");
  sync(*mirror);
  expect_fresh(*mirror);
  check(*mirror);
  ip("link set p0 up");
  pump_until(*mirror, [&] { return link_has_carrier("v0"); });
}

TEST_F(Followed, LinkDeleted) {
  const int ifindex = mirror->link_by_name("v0")->ifindex;
  ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent\nlink del v0");
  sync(*mirror);
  EXPECT_EQ(mirror->link(ifindex), nullptr);
  EXPECT_EQ(mirror->link_by_name("v0"), nullptr);
  EXPECT_TRUE(mirror->addresses(ifindex).empty());
  EXPECT_EQ(mirror->neighbour(ifindex, *net::IpAddr::parse("10.0.0.9")), nullptr);
  EXPECT_FALSE(route("20.0.3.1"));
}

TEST_F(Followed, PreferredSourceDeleted) {
  ip("addr del 10.0.0.2/24 dev v0\naddr del fd00::2/64 dev v0");
  sync(*mirror);
  EXPECT_FALSE(route("20.0.1.1"));
  ASSERT_TRUE(route("20.0.2.1", 100));  // only the main table's
  EXPECT_FALSE(route("2001:db8:1::1")->prefsrc);
}

TEST_F(Followed, PreferredSourceStillElsewhere) {
  ip("addr add 10.0.0.2/32 dev v1\naddr del 10.0.0.2/24 dev v0");
  sync(*mirror);
  EXPECT_TRUE(route("20.0.1.1"));
}

TEST_F(Followed, LastAddressDeletedAndBack) {
  ip("addr flush dev v0");
  sync(*mirror);
  EXPECT_FALSE(route("20.0.0.1"));
  EXPECT_TRUE(route("30.0.1.1"));  // a nexthop object outlives the address
  EXPECT_FALSE(route("20.0.3.1")->hops[0].is_alive());
  expect_fresh(*mirror);
  check(*mirror);
  ip("addr add 10.0.0.1/24 dev v0");
  sync(*mirror);
  EXPECT_TRUE(route("20.0.3.1")->hops[0].is_alive());
}

TEST_F(Followed, NexthopDeleted) {
  ip("nexthop del id 1\nnexthop del id 6");
  sync(*mirror);
  EXPECT_FALSE(route("30.0.1.1"));
  EXPECT_FALSE(route("30.0.4.1"));  // its group had no other member
  EXPECT_EQ(route("30.0.3.1")->hops.size(), 1u);
}

// Routes that differ in the kernel's own header alone are two.
TEST_F(Followed, LightweightEncaps) {
  ip("route append 40.0.0.0/8 encap ip id 1 dst 9.9.9.9 dev v0\n"
     "route append 40.0.0.0/8 encap ip id 2 dst 9.9.9.9 dev v0\n"
     "nexthop add id 20 encap ip id 3 dst 9.9.9.9 via 10.0.0.9 dev v0\nroute add 41.0.0.0/8 nhid 20");
  ip6("route add 2001:db8:40::/48 encap seg6 mode encap segs fd00::7 dev v0\n"
      "route add 2001:db8:41::/48 encap seg6local action End.X nh6 fd00::7 count dev v0");
  sync(*mirror);
  ASSERT_TRUE(route("40.0.0.1"));
  EXPECT_EQ(route("40.0.0.1")->hops[0].encap_name(), "ip");
  EXPECT_EQ(route("41.0.0.1")->hops[0].encap_name(), "ip");
  EXPECT_EQ(route("2001:db8:40::1")->hops[0].encap_name(), "seg6");
  EXPECT_EQ(route("2001:db8:41::1")->hops[0].encap_name(), "seg6local");
  expect_fresh(*mirror);
  check(*mirror);
  ip("route del 40.0.0.0/8 encap ip id 1 dst 9.9.9.9 dev v0");
  sync(*mirror);
  ASSERT_TRUE(route("40.0.0.1")) << "the other is still there";
}

TEST_F(Followed, NexthopGroupDeleted) {
  ip("nexthop del id 3\nnexthop del id 8");
  sync(*mirror);
  EXPECT_FALSE(route("30.0.3.1"));
}

TEST_F(Followed, NexthopReplaced) {
  ip("nexthop replace id 1 via 10.0.0.8 dev v0\nnexthop replace id 6 via fd00::8 dev v0");
  sync(*mirror);
  const auto moved = net::IpAddr::parse("10.0.0.8");
  EXPECT_EQ(route("30.0.1.1")->hops[0].via, moved);
  EXPECT_EQ(route("30.0.3.1")->hops[0].via, moved);
  EXPECT_EQ(replica.deltas_with("route 254 unicast 30.0."), 7u)
      << "told at the start; now the object alone is";
}

// The kernel tells the object, and then each route on it (nexthop_compat_mode): one change, whatever is on
// it.
TEST_F(Followed, NexthopReplacedUnderManyRoutes) {
  std::string routes = "nexthop add id 9 via 10.0.0.9 dev v0\n";
  for (int i = 0; i < 20000; ++i)
    routes += fmt::format("route add 60.{}.{}.0/24 nhid {}\n", i / 256, i % 256, i % 2 == 0 ? 9 : 3);
  ip(routes);
  sync(*mirror);
  const size_t before = replica.deltas.size();
  ip("nexthop replace id 9 via 10.0.0.8 dev v0\nnexthop replace id 1 via 10.0.0.8 dev v0");
  sync(*mirror);
  EXPECT_EQ(replica.deltas.size(), before + 4) << "- and + of each object";
  EXPECT_EQ(route("60.0.0.1")->hops[0].via, net::IpAddr::parse("10.0.0.8"));
  EXPECT_EQ(route("60.0.1.1")->hops[0].via, net::IpAddr::parse("10.0.0.8"));
  ip("nexthop replace id 9 blackhole");
  sync(*mirror);
  EXPECT_EQ(replica.deltas.size(), before + 6);
  EXPECT_EQ(route("60.0.0.1")->type, RTN_BLACKHOLE);
  EXPECT_EQ(mirror->stats().overruns, 0u);
}

TEST_F(Followed, NexthopGroupReplaced) {
  ip("nexthop replace id 3 group 2,7/1,1\nnexthop replace id 8 group 7");
  sync(*mirror);
  EXPECT_EQ(route("30.0.3.1")->hops.size(), 2u);
}

TEST_F(Followed, NexthopTurnsBlackholeAndBack) {
  ip("nexthop add id 9 via 10.0.0.9 dev v0\nroute add 30.1.0.0/24 nhid 9\nnexthop replace id 9 blackhole");
  sync(*mirror);
  EXPECT_EQ(route("30.1.0.1")->type, RTN_BLACKHOLE);
  expect_fresh(*mirror);
  check(*mirror);
  ip("nexthop replace id 9 via 10.0.0.9 dev v0");
  sync(*mirror);
  EXPECT_EQ(route("30.1.0.1")->type, RTN_UNICAST);
}

TEST_F(Followed, NexthopsWithoutCompatibleRouteEvents) {
  run("sysctl -qw net.ipv4.nexthop_compat_mode=0");
  ip("route add 30.1.0.0/24 nhid 1\nroute add 30.1.1.0/24 nhid 3\nnexthop replace id 2 via 10.1.0.8 dev v1");
  sync(*mirror);
  ASSERT_EQ(route("30.1.1.1")->hops.size(), 2u);
  EXPECT_EQ(route("30.1.1.1")->hops[1].via, net::IpAddr::parse("10.1.0.8"));
  expect_fresh(*mirror);
  ip("nexthop del id 1\nlink set v1 down");
  sync(*mirror);
  EXPECT_FALSE(route("30.1.0.1"));
}

TEST_F(Followed, RouteReplacedAppendedPrepended) {
  ip("route add 40.0.0.0/24 via 10.0.0.3\nroute append 40.0.0.0/24 via 10.0.0.4\n"
     "route prepend 40.0.0.0/24 via 10.0.0.5");
  sync(*mirror);
  EXPECT_EQ(route("40.0.0.1")->hops[0].via, net::IpAddr::parse("10.0.0.5"));
  expect_fresh(*mirror);
  ip("route replace 40.0.0.0/24 via 10.0.0.6\nroute change 40.0.0.0/24 via 10.1.0.6");
  sync(*mirror);
  EXPECT_EQ(route("40.0.0.1")->hops[0].via, net::IpAddr::parse("10.1.0.6"));
  expect_fresh(*mirror);
  ip("route del 40.0.0.0/24 via 10.0.0.3\nroute add 40.0.0.0/24 via 10.0.0.7 metric 10\n"
     "route add 40.0.0.0/24 via 10.0.0.7 tos 0x10\nroute add blackhole 40.0.0.0/24 metric 3");
  sync(*mirror);
  EXPECT_EQ(route("40.0.0.1")->tos, 0);
}

TEST_F(Followed, NexthopReplaceAmongEqualRoutes) {
  ip("route add 40.0.0.0/24 nhid 2\nroute append 40.0.0.0/24 nhid 1\nroute append 40.0.0.0/24 via 10.1.0.4\n"
     "nexthop replace id 1 via 10.0.0.7 dev v0");
  sync(*mirror);
  EXPECT_EQ(route("40.0.0.1")->nexthop_id, 2u);
}

TEST_F(Followed, LinkDeletedUnderOneOfTwoEqualRoutes) {
  ip("route add 40.0.0.0/24 via 10.0.0.4\nroute append 40.0.0.0/24 via 10.1.0.4\nlink del v0");
  sync(*mirror);
  EXPECT_EQ(route("40.0.0.1")->hops[0].via, net::IpAddr::parse("10.1.0.4"));
}

TEST_F(Followed, Ipv6SiblingsComeAndGo) {
  ip6("route append 2001:db8:2::/64 via fd00::a dev v0\nroute append 2001:db8::/64 via fd01::a dev v1");
  sync(*mirror);
  EXPECT_EQ(route("2001:db8:2::1")->hops.size(), 3u);
  EXPECT_EQ(route("2001:db8::1")->hops.size(), 2u);
  expect_fresh(*mirror);
  ip6("route del 2001:db8:2::/64 via fd00::9 dev v0\nroute del 2001:db8::/64");
  sync(*mirror);
  EXPECT_EQ(route("2001:db8:2::1")->hops.size(), 2u);
  EXPECT_FALSE(route("2001:db8::1"));
}

TEST_F(Followed, Ipv6RouteReplaced) {
  ip6("route replace 2001:db8:2::/64 via fd00::b dev v0\nroute append 2001:db8:0::/64 dev v1\n"
      "route replace 2001:db8:0::/64 via fd00::c dev v0\nroute replace 2001:db8:0::/64 dev v0\n"
      "route replace unreachable 2001:db8:1::/64");
  sync(*mirror);
  EXPECT_EQ(route("2001:db8:2::1")->hops.size(), 1u);
}

TEST_F(Followed, MultipathDiesHopByHop) {
  ip("link set v1 down");
  sync(*mirror);
  EXPECT_TRUE(route("20.0.3.1")->hops[0].is_alive());
  EXPECT_FALSE(route("20.0.3.1")->hops[1].is_alive());
  EXPECT_EQ(route("2001:db8:2::1")->hops.size(), 2u);
  expect_fresh(*mirror);
  check(*mirror);
  ip("link set v0 down");
  sync(*mirror);
  EXPECT_FALSE(route("20.0.3.1"));
  EXPECT_FALSE(route("2001:db8:2::1"));
}

TEST_F(Followed, NeighbourChangedAndFlushed) {
  const int v0 = mirror->link_by_name("v0")->ifindex;
  const auto peer = *net::IpAddr::parse("10.0.0.9");
  ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0 nud reachable\n"
     "neigh add 10.0.0.8 lladdr 02:00:00:00:00:08 dev v0 nud permanent\n"
     "neigh add fd00::9 lladdr 02:00:00:00:00:09 dev v0 nud stale");
  sync(*mirror);
  ASSERT_NE(mirror->neighbour(v0, peer), nullptr);
  EXPECT_TRUE(mirror->neighbour(v0, peer)->is_valid());
  EXPECT_EQ(mirror->neighbour(v0, peer)->nud_name(), "reachable");
  ip("neigh replace 10.0.0.9 lladdr 02:00:00:00:00:10 dev v0 nud reachable");
  sync(*mirror);
  EXPECT_EQ(mirror->neighbour(v0, peer)->mac, net::Mac::parse("02:00:00:00:00:10"));

  ip("link set p0 down");  // all but permanent ones go
  pump_until(*mirror, [&] { return !link_has_carrier("v0"); });
  EXPECT_EQ(mirror->neighbour(v0, peer), nullptr);
  EXPECT_NE(mirror->neighbour(v0, *net::IpAddr::parse("10.0.0.8")), nullptr);
  expect_fresh(*mirror);
  ip("link set v0 address 02:00:00:00:00:77");  // permanent ones too
  sync(*mirror);
  EXPECT_EQ(mirror->neighbour(v0, *net::IpAddr::parse("10.0.0.8")), nullptr);
}

TEST_F(Followed, LinksSwapNamesAndMasters) {
  ip("link set v0 name tmp\nlink set v1 name v0\nlink set tmp name v1\n"
     "link add br0 type bridge\nlink set p1 master br0");
  sync(*mirror);
  EXPECT_EQ(mirror->link_by_name("p1")->master, mirror->link_by_name("br0")->ifindex);
  EXPECT_EQ(mirror->link_by_name("tmp"), nullptr);
}

// `ip ntable change` makes no event.
TEST_F(Lab, NeighbourAgeingIsReadAgain) {
  ip("link add v0 type veth peer name p0");
  const int v0 = static_cast<int>(if_nametoindex("v0"));
  const auto v4 = *net::IpAddr::parse("192.0.2.1"), v6 = *net::IpAddr::parse("2001:db8::1");
  NeighbourAgeing ageing("");
  EXPECT_EQ(ageing.of(v0, v4).delay_probe, 5s) << "the kernel's default, while nothing is known";
  TimePoint now{};
  const auto read = [&] {
    for (int i = 0; i < 10; ++i) ageing.poll(now);
  };
  ip("ntable change name arp_cache dev v0 delay_probe 700 base_reachable 2000");
  read();
  EXPECT_EQ(ageing.of(v0, v4).delay_probe, 700ms);
  EXPECT_EQ(ageing.of(v0, v4).base_reachable, 2s);
  EXPECT_EQ(ageing.of(v0, v6).delay_probe, 5s);
  EXPECT_EQ(ageing.of(12345, v4).delay_probe, 5s) << "an unknown link: what new links begin with";

  ip("ntable change name ndisc_cache dev v0 delay_probe 900");
  read();
  EXPECT_EQ(ageing.of(v0, v6).delay_probe, 5s) << "not yet time to ask again";
  now += NeighbourAgeing::kPeriod;
  read();
  EXPECT_EQ(ageing.of(v0, v6).delay_probe, 900ms);
  ip("ntable change name ndisc_cache dev v0 delay_probe 800");
  ageing.refresh();
  read();
  EXPECT_EQ(ageing.of(v0, v6).delay_probe, 800ms);
}

// They belong to the host and are the same in every namespace, so they are compared with what `ip` reads.
TEST_F(Lab, NeighbourCacheIsTheKernels) {
  const CHandle<FILE, pclose> ip_says(popen(
      "ip ntable show name arp_cache | sed -n 's/.*thresh3 \\([0-9]*\\) gc_int \\([0-9]*\\).*/\\1 \\2/p'",
      "r"));
  unsigned thresh3 = 0, gc_interval_ms = 0;
  ASSERT_EQ(fscanf(ip_says.get(), "%u %u", &thresh3, &gc_interval_ms), 2);
  NeighbourAgeing ageing("");
  EXPECT_FALSE(ageing.is_reading());
  do ageing.poll({});
  while (ageing.is_reading());
  EXPECT_EQ(ageing.cache(), (netlink::NeighbourCache{std::chrono::milliseconds(gc_interval_ms), thresh3}));
}

}  // namespace
}  // namespace culvert::mirror
