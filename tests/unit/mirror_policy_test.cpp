// Which route the kernel uses: asked of the kernel itself and of the mirror.
#include <linux/fib_rules.h>

#include "kernel_routes.hpp"
#include "mirror_lab.hpp"

namespace culvert::mirror {
namespace {

class PolicyOfKernel : public Followed {
 protected:
  static Flow to(const char* dst, const char* src = nullptr) {
    Flow flow{.dst = *net::IpAddr::parse(dst), .ip_protocol = IPPROTO_UDP};
    if (src != nullptr) flow.src = net::IpAddr::parse(src);
    return flow;
  }
  // Says what both say.
  std::string agreed(const Flow& flow) {
    const std::string kernels = verdict(kernel.ask(flow)), ours = verdict(mirror->route_to(flow));
    EXPECT_EQ(ours, kernels) << flow.dst.to_string() << " from " << (flow.src ? flow.src->to_string() : "-");
    return ours;
  }
  KernelRoutes kernel;
};

TEST_F(PolicyOfKernel, DefaultRules) {
  EXPECT_EQ(mirror->rules().size(), 5u) << "local, main and default of IPv4, local and main of IPv6";
  EXPECT_EQ(agreed(to("10.0.0.1")), "255 local 10.0.0.1/32 metric 0 nhid 0");
  EXPECT_EQ(agreed(to("20.0.3.7")), "254 unicast 20.0.3.0/24 metric 0 nhid 0");
  EXPECT_EQ(agreed(to("20.0.4.1")), "none") << "it is in another table";
  EXPECT_EQ(agreed(to("20.0.5.1")), "none") << "a blackhole";
  EXPECT_EQ(agreed(to("2001:db8:2::1")), "254 unicast 2001:db8:2::/64 metric 1024 nhid 0");
  EXPECT_EQ(agreed(to("2001:db8:3::1")), "none");
  ip("route add default via 10.0.0.9 table default\nroute add throw 20.0.8.0/24");
  sync(*mirror);
  EXPECT_EQ(agreed(to("99.0.0.1")), "253 unicast 0.0.0.0/0 metric 0 nhid 0");
  EXPECT_EQ(agreed(to("20.0.8.1")), "253 unicast 0.0.0.0/0 metric 0 nhid 0");
}

TEST_F(PolicyOfKernel, EachSelector) {
  ip("route add 99.0.0.0/8 via 10.0.0.9 table 100\nroute add 99.0.0.0/8 via 10.1.0.9 table 200\n"
     "rule add from 10.0.0.2 lookup 100 pref 100\nrule add to 99.1.0.0/16 lookup 200 pref 101\n"
     "rule add fwmark 0x10/0xf0 lookup 100 pref 102\nrule add oif v1 lookup 200 pref 103\n"
     "rule add not from 10.0.0.0/8 lookup 200 pref 104\nrule add iif p0 lookup 100 pref 105\n"
     "rule add ipproto tcp lookup 200 pref 106\nrule add uidrange 5-6 lookup 200 pref 107");
  sync(*mirror);
  EXPECT_EQ(agreed(to("99.0.0.1", "10.0.0.2")), "100 unicast 99.0.0.0/8 metric 0 nhid 0");
  EXPECT_EQ(agreed(to("99.1.0.1", "10.0.0.1")), "200 unicast 99.0.0.0/8 metric 0 nhid 0");
  EXPECT_EQ(agreed(to("99.0.0.1", "10.0.0.1")), "none");
  EXPECT_EQ(agreed(to("99.0.0.1")), "200 unicast 99.0.0.0/8 metric 0 nhid 0");
  Flow marked = to("99.0.0.1", "10.0.0.1");
  marked.mark = 0x1234;
  EXPECT_EQ(agreed(marked), "none");
  marked.mark = 0x1f10;
  EXPECT_EQ(agreed(marked), "100 unicast 99.0.0.0/8 metric 0 nhid 0");
  Flow bound = to("99.0.0.1", "10.0.0.1");
  bound.oif = mirror->link_by_name("v1")->ifindex;
  EXPECT_EQ(agreed(bound), "200 unicast 99.0.0.0/8 metric 0 nhid 0");
}

TEST_F(PolicyOfKernel, EachAction) {
  ip("route add 99.0.0.0/8 via 10.0.0.9 table 100\nroute add default via 10.1.0.9 table 200\n"
     "route add 99.0.0.0/16 via 10.1.0.9 table 200\nroute add 97.0.0.0/8 via 10.1.0.9 table 200\n"
     "rule add to 98.0.0.0/8 goto 300 pref 100\nrule add to 99.9.0.0/16 blackhole pref 101\n"
     "rule add to 99.8.0.0/16 unreachable pref 102\nrule add to 99.7.0.0/16 prohibit pref 103\n"
     "rule add to 97.0.0.0/8 goto 299 pref 104\nrule add lookup 200 suppress_prefixlength 0 pref 200\n"
     "rule add lookup 100 pref 210\nrule add nop pref 250\nrule add lookup 200 pref 300");
  sync(*mirror);
  EXPECT_EQ(agreed(to("98.0.0.1")), "200 unicast 0.0.0.0/0 metric 0 nhid 0");
  EXPECT_EQ(agreed(to("97.0.0.1")), "200 unicast 97.0.0.0/8 metric 0 nhid 0") << "there is no rule 299";
  for (const char* refused : {"99.9.0.1", "99.8.0.1", "99.7.0.1"}) EXPECT_EQ(agreed(to(refused)), "none");
  EXPECT_EQ(agreed(to("99.0.0.1")), "200 unicast 99.0.0.0/16 metric 0 nhid 0");
  EXPECT_EQ(agreed(to("99.1.0.1")), "100 unicast 99.0.0.0/8 metric 0 nhid 0");
  EXPECT_EQ(agreed(to("50.0.0.1")), "200 unicast 0.0.0.0/0 metric 0 nhid 0");
}

TEST_F(PolicyOfKernel, ForbiddenGroupOfLinks) {
  ip("link set v1 group 7\nroute add 99.0.0.0/8 via 10.1.0.9 table 200\nroute add 99.0.0.0/8 via 10.0.0.9\n"
     "rule add lookup 200 suppress_ifgroup 7 pref 200");
  sync(*mirror);
  EXPECT_EQ(agreed(to("99.0.0.1")), "254 unicast 99.0.0.0/8 metric 0 nhid 0");
  ip("link set v1 group 8");
  sync(*mirror);
  EXPECT_EQ(agreed(to("99.0.0.1")), "200 unicast 99.0.0.0/8 metric 0 nhid 0");
}

TEST_F(PolicyOfKernel, RulesComeAndGo) {
  ip("rule add to 99.0.0.0/8 lookup 100 pref 100\nrule add to 99.0.0.0/8 lookup 200 pref 100\n"
     "route add 99.0.0.0/8 via 10.0.0.9 table 100\nroute add 99.0.0.0/8 via 10.1.0.9 table 200");
  ip6("rule add from fd00::2 lookup 100 pref 100\nroute add 2001:db8:9::/48 via fd01::9 table 100");
  sync(*mirror);
  EXPECT_EQ(agreed(to("99.0.0.1")), "100 unicast 99.0.0.0/8 metric 0 nhid 0");
  EXPECT_EQ(agreed(to("2001:db8:9::1", "fd00::2")), "100 unicast 2001:db8:9::/48 metric 1024 nhid 0");
  EXPECT_EQ(agreed(to("2001:db8:9::1")), "none");
  ip("rule del to 99.0.0.0/8 lookup 100 pref 100");
  sync(*mirror);
  EXPECT_EQ(agreed(to("99.0.0.1")), "200 unicast 99.0.0.0/8 metric 0 nhid 0");
  EXPECT_EQ(replica.deltas_with("rule"), 9u) << "five at first, three more, and one went; each is one delta";
}

// fib_table_lookup passes over a route whose hops are dead; linkdown ones serve.
TEST_F(PolicyOfKernel, DeadHops) {
  ip("route add 99.0.0.0/8 via 10.1.0.9\nroute add 99.1.0.0/16 nexthop via 10.0.0.9 nexthop via 10.0.0.8");
  ip6("route add 2001:db8:9::/48 nexthop via fd00::9 dev v0 nexthop via fd00::8 dev v0\n"
      "route add 2001:db8::/32 via fd01::9");
  sync(*mirror);
  ip("link set p0 down");
  pump_until(*mirror, [&] { return !link_has_carrier("v0"); });
  EXPECT_EQ(agreed(to("99.1.0.1")), "254 unicast 99.1.0.0/16 metric 0 nhid 0");
  agreed(to("2001:db8:9::1"));
  ip("link set v0 down");
  sync(*mirror);
  EXPECT_EQ(agreed(to("99.1.0.1")), "254 unicast 99.0.0.0/8 metric 0 nhid 0");
  agreed(to("2001:db8:9::1"));
}

// This kernel has no VRF: by hand.
class PolicyOfVrf : public ::testing::Test {
 protected:
  PolicyOfVrf() {
    vrf.ifindex = 9;
    vrf.name = "red";
    vrf.kind = "vrf";
    vrf.vrf_table = 1001;
    port.ifindex = 3;
    port.name = "port";
    port.master = 9;
    PolicyRule l3mdev;
    l3mdev.priority = 1000;
    l3mdev.l3mdev = true;
    l3mdev.action = FR_ACT_TO_TBL;
    PolicyRule main;
    main.priority = 32766;
    main.table = RT_TABLE_MAIN;
    main.action = FR_ACT_TO_TBL;
    policy.add(main);
    policy.add(l3mdev);
  }
  uint32_t table_of(const Flow& flow) const {
    const auto route = policy.find(flow, {[this](int ifindex) {
                                            return ifindex == 9 ? &vrf : ifindex == 3 ? &port : nullptr;
                                          },
                                          [](const std::string&) { return nullptr; },
                                          [](uint32_t table, const net::IpAddr& ip) {
                                            Route route;
                                            route.type = RTN_UNICAST;
                                            route.table = table;
                                            route.dst = net::Prefix::of(ip, 0);
                                            return std::optional(route);
                                          }});
    return route ? route->table : 0;
  }
  Link vrf, port;
  Policy policy;
};

TEST_F(PolicyOfVrf, TheTableIsThatOfTheLink) {
  const auto dst = *net::IpAddr::parse("99.0.0.1");
  EXPECT_EQ(table_of({.dst = dst}), 254u);
  EXPECT_EQ(table_of({.dst = dst, .iif = 3}), 1001u) << "a port of the VRF";
  EXPECT_EQ(table_of({.dst = dst, .oif = 9}), 1001u) << "a socket bound to it";
  EXPECT_EQ(table_of({.dst = dst, .iif = 4}), 254u);
}

}  // namespace
}  // namespace culvert::mirror
