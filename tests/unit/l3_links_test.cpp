// l3 networks whose links are renamed, removed and made anew.
#include "l3_fixture.hpp"

namespace culvert::control {
namespace {

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

}  // namespace
}  // namespace culvert::control
