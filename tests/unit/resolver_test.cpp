// The resolver on the real kernel: each test makes a network namespace of its own, with `uplink` (a culvert
// port) wired to `far`, and drives it with ip(8).

#include "resolver/resolver.hpp"
#include "resolver/keepalive.hpp"

#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

namespace culvert::resolver {
namespace {

using namespace std::chrono_literals;

class ResolverTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root";
    ip("link set lo up");
    ip("link add uplink address 02:00:00:00:00:01 type veth peer name far");
    ip("link set uplink up");
    ip("link set far up");
    ip("address add 192.0.2.1/24 dev uplink");
    auto mirror = mirror::Mirror::create({});
    ASSERT_TRUE(mirror) << mirror.error().message;
    mirror_ = std::move(*mirror);
    resolver_ = std::make_unique<Resolver>(*mirror_, std::vector<PortLink>{{3, "uplink"}},
                                           [this](const Adjacency& changed) { ++changes_[changed.id]; });
    settle();
  }

  static void ip(const std::string& arguments) {
    ASSERT_EQ(std::system(("ip " + arguments).c_str()), 0) << "ip " << arguments;
  }

  // All that the kernel has queued is applied and resolved.
  void settle() {
    bool settled = false;
    mirror_->barrier([&settled] { settled = true; });
    const TimePoint limit = Clock::now() + 10s;
    while (!settled || !mirror_->ready()) {
      ASSERT_LT(Clock::now(), limit);
      pollfd fd{mirror_->fd(), POLLIN, 0};
      ::poll(&fd, 1, 20);
      mirror_->poll(1000, Clock::now());
      if (Clock::now() >= mirror_->next_timer()) mirror_->on_timer(Clock::now());
    }
    resolver_->flush(now_);
  }

  // The same, again until it gives `wanted`: the kernel tells of a lost carrier late (net/core/link_watch.c).
  void settle_to(EncapId id, Reason wanted) {
    const TimePoint limit = Clock::now() + 5s;
    do settle();
    while (reason(id) != wanted && Clock::now() < limit);
  }

  static tunnel::Tunnel to(const std::string& remote, uint32_t table = tunnel::kTableMain) {
    tunnel::Tunnel tunnel;
    tunnel.name = "to-" + remote;
    tunnel.vni = 100;
    tunnel.local = *net::IpAddr::parse("192.0.2.1");
    tunnel.remote = *net::IpAddr::parse(remote);
    tunnel.table = table;
    return tunnel;
  }

  EncapId add(const tunnel::Tunnel& tunnel) { return resolver_->add(tunnel, now_); }
  void neighbour(const std::string& ip_address, const std::string& mac = "02:00:00:00:00:02") {
    ip("neighbour replace " + ip_address + " lladdr " + mac + " nud permanent dev uplink");
  }
  // As ip(8) shows it. (No event tells of INCOMPLETE and DELAY: net/core/neighbour.c, __neigh_event_send.)
  static std::string kernel_neighbour(const std::string& ip_address) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
        ::popen(("ip -d neighbour show " + ip_address).c_str(), "r"), ::pclose);
    char line[256]{};
    return std::fgets(line, sizeof(line), pipe.get()) != nullptr ? line : "";
  }
  static NeighbourKey neighbour_key(const char* address) {
    return {static_cast<int>(::if_nametoindex("uplink")), *net::IpAddr::parse(address)};
  }
  Reason reason(EncapId id) { return resolver_->at(id).reason; }
  const tunnel::EncapRule& rule(EncapId id) { return *resolver_->at(id).rule; }
  const std::string& text(EncapId id) { return resolver_->at(id).reason_text; }

  TimePoint now_ = Clock::now();
  std::unique_ptr<mirror::Mirror> mirror_;
  std::unique_ptr<Resolver> resolver_;
  std::map<EncapId, int> changes_;
};

TEST_F(ResolverTest, ResolvesOnLink) {
  neighbour("192.0.2.2");
  settle();
  const EncapId id = add(to("192.0.2.2"));
  ASSERT_EQ(reason(id), Reason::none) << text(id);
  EXPECT_EQ(rule(id).port, 3);
  EXPECT_EQ(rule(id).dst_mac.to_string(), "02:00:00:00:00:02");
  EXPECT_EQ(rule(id).src_mac.to_string(), "02:00:00:00:00:01");
  EXPECT_EQ(rule(id).via.to_string(), "192.0.2.2");
  EXPECT_EQ(rule(id).mtu, 1500u);
  EXPECT_EQ(rule(id).header.hex().substr(0, 28),
            "020000000002020000000001"
            "0800");
}

TEST_F(ResolverTest, FollowsMacRouteAndMtu) {
  neighbour("192.0.2.2");
  neighbour("192.0.2.254", "02:00:00:00:00:fe");
  settle();
  const EncapId id = add(to("192.0.2.2"));
  neighbour("192.0.2.2", "02:00:00:00:00:03");
  settle();
  EXPECT_EQ(rule(id).dst_mac.to_string(), "02:00:00:00:00:03");
  ip("route add 192.0.2.2/32 via 192.0.2.254 mtu 1400");
  settle();
  EXPECT_EQ(rule(id).dst_mac.to_string(), "02:00:00:00:00:fe");
  EXPECT_EQ(rule(id).mtu, 1400u);
  ip("link set uplink address 02:00:00:00:00:99");
  neighbour("192.0.2.254",
            "02:00:00:00:00:fe");  // the kernel forgets all neighbours of a link whose MAC changes
  settle();
  EXPECT_EQ(rule(id).src_mac.to_string(), "02:00:00:00:00:99");
  EXPECT_EQ(changes_[id], 4);
}

TEST_F(ResolverTest, SaysWhyNotAndHeals) {
  neighbour("192.0.2.2");
  settle();
  const EncapId id = add(to("192.0.2.2"));
  struct Case {
    std::string breaks, mends;
    Reason reason;
    std::string words;
  };
  const Case cases[] = {
      {"address del 192.0.2.1/24 dev uplink", "address add 192.0.2.1/24 dev uplink", Reason::no_local_address,
       "no local address: 192.0.2.1"},
      {"route add blackhole 192.0.2.2/32", "route del 192.0.2.2/32", Reason::rejected,
       "blackhole route 192.0.2.2/32"},
      {"route add unreachable 192.0.2.2/32", "route del 192.0.2.2/32", Reason::rejected,
       "unreachable route 192.0.2.2/32"},
      {"route add prohibit 192.0.2.2/32", "route del 192.0.2.2/32", Reason::rejected,
       "prohibit route 192.0.2.2/32"},
      {"route del 192.0.2.0/24 dev uplink", "route add 192.0.2.0/24 dev uplink", Reason::no_route,
       "no route to 192.0.2.2 in table main"},
      {"link set far down", "link set far up", Reason::link_down, "nexthop link down: uplink"},
      {"route add 192.0.2.2/32 dev far", "route del 192.0.2.2/32", Reason::not_a_port,
       "not a culvert port: far"},
      {"route add 192.0.2.2/32 encap ip id 7 dst 192.0.2.9 dev uplink", "route del 192.0.2.2/32",
       Reason::kernel_encap, "encap of the kernel's own: route 192.0.2.2/32 has encap ip"},
      {"route add throw 192.0.2.2/32", "route del 192.0.2.2/32", Reason::no_route, "no route to 192.0.2.2"},
      {"address add 192.0.2.2/32 dev lo", "address del 192.0.2.2/32 dev lo", Reason::loop,
       "loops back into a tunnel"},
      {"neighbour del 192.0.2.2 dev uplink", "link set lo up", Reason::neighbour_unresolved,
       "neighbour unresolved: 192.0.2.2 on uplink"},
  };
  for (const Case& test : cases) {
    ip(test.breaks);
    settle_to(id, test.reason);
    EXPECT_EQ(reason(id), test.reason) << test.breaks << ": " << text(id);
    EXPECT_EQ(text(id).substr(0, test.words.size()), test.words) << test.breaks;
    ip(test.mends);
    neighbour("192.0.2.2");  // the kernel forgets a link's neighbours with its last address
    settle_to(id, Reason::none);
    EXPECT_EQ(reason(id), Reason::none) << test.mends << ": " << text(id);
  }
}

TEST_F(ResolverTest, LinkDownAndUpHeals) {
  neighbour("192.0.2.2");
  settle();
  const EncapId id = add(to("192.0.2.2"));
  ip("link set uplink down");
  settle();
  EXPECT_NE(reason(id), Reason::none);
  ip("link set uplink up");
  neighbour("192.0.2.2");  // the kernel has flushed it with the link
  settle();
  EXPECT_EQ(reason(id), Reason::none) << text(id);
  ip("link del uplink");
  settle();
  EXPECT_EQ(reason(id), Reason::no_local_address) << text(id);
}

TEST_F(ResolverTest, KernelTunnelIsALoop) {
  const EncapId id = add(to("198.51.100.9"));
  EXPECT_EQ(reason(id), Reason::no_route);
  ip("link add kvx type vxlan id 5 dstport 4789 local 192.0.2.1 remote 192.0.2.7");
  ip("link set kvx up");
  ip("route add 198.51.100.0/24 dev kvx");
  settle();
  EXPECT_EQ(reason(id), Reason::loop) << text(id);
}

TEST_F(ResolverTest, FindsThePortUnderAMacvlan) {
  ip("link add link uplink name mv address 02:00:00:00:00:aa type macvlan mode bridge");
  ip("link set mv up");
  ip("address add 203.0.113.1/24 dev mv");
  ip("neighbour replace 203.0.113.2 lladdr 02:00:00:00:00:bb nud permanent dev mv");
  settle();
  const EncapId id = add(to("203.0.113.2"));
  ASSERT_EQ(reason(id), Reason::none) << text(id);
  EXPECT_EQ(rule(id).port, 3);
  EXPECT_EQ(rule(id).src_mac.to_string(), "02:00:00:00:00:aa");
  EXPECT_FALSE(rule(id).vlan);
}

TEST_F(ResolverTest, OtherTable) {
  neighbour("192.0.2.254");
  settle();
  const EncapId id = add(to("198.51.100.1", 77));
  EXPECT_EQ(text(id), "no route to 198.51.100.1 in table 77");
  ip("route add 198.51.100.0/24 via 192.0.2.254 table 77");
  settle();
  EXPECT_EQ(reason(id), Reason::none) << text(id);
}

TEST_F(ResolverTest, NexthopObjectMoves) {
  neighbour("192.0.2.254");
  neighbour("192.0.2.253", "02:00:00:00:00:fd");
  ip("nexthop add id 10 via 192.0.2.254 dev uplink");
  ip("route add 198.51.100.0/24 nhid 10");
  settle();
  const EncapId id = add(to("198.51.100.1"));
  ASSERT_EQ(reason(id), Reason::none) << text(id);
  ip("nexthop replace id 10 via 192.0.2.253 dev uplink");
  settle();
  EXPECT_EQ(rule(id).dst_mac.to_string(), "02:00:00:00:00:fd");
  ip("nexthop replace id 10 blackhole");
  settle();
  EXPECT_EQ(reason(id), Reason::rejected) << text(id);
  ip("nexthop del id 10");
  settle();
  EXPECT_EQ(reason(id), Reason::no_route) << text(id);
}

// A neighbour event costs the encaps on that neighbour, a route event those whose remote it covers; nothing
// else.
TEST_F(ResolverTest, ChangesReachOnlyWhatTheyConcern) {
  neighbour("192.0.2.2");
  neighbour("192.0.2.3");
  settle();
  const EncapId two = add(to("192.0.2.2"));
  const EncapId three = add(to("192.0.2.3"));
  changes_.clear();
  neighbour("192.0.2.3", "02:00:00:00:00:33");
  neighbour("192.0.2.77", "02:00:00:00:00:77");
  ip("route add 198.51.100.0/24 via 192.0.2.2");
  settle();
  EXPECT_EQ(changes_[two], 0);
  EXPECT_EQ(changes_[three], 1);
}

TEST_F(ResolverTest, AnEncapMayBecomeAnotherTunnels) {
  neighbour("192.0.2.2");
  settle();
  const EncapId id = add(to("192.0.2.2"));
  resolver_->change(id, to("192.0.2.3"), now_);
  EXPECT_EQ(reason(id), Reason::neighbour_unresolved) << text(id);
  EXPECT_EQ(changes_[id], 2);
  neighbour("192.0.2.2", "02:00:00:00:00:09");  // no longer its concern
  settle();
  EXPECT_EQ(changes_[id], 2);
  neighbour("192.0.2.3", "02:00:00:00:00:03");
  settle();
  ASSERT_EQ(reason(id), Reason::none) << text(id);
  EXPECT_EQ(rule(id).dst_mac.to_string(), "02:00:00:00:00:03");
  resolver_->remove(id);
  EXPECT_EQ(
      resolver_->encaps_on({mirror_->link_by_name("uplink")->ifindex, *net::IpAddr::parse("192.0.2.3")}), 0u);
}

TEST_F(ResolverTest, ManyTunnelsOnOneNeighbour) {
  neighbour("192.0.2.254");
  ip("route add 198.51.100.0/24 via 192.0.2.254");
  settle();
  std::vector<EncapId> ids;
  for (uint32_t vni = 1; vni <= 4000; ++vni) {
    tunnel::Tunnel tunnel = to("198.51.100.1");
    tunnel.vni = vni;
    ids.push_back(add(tunnel));
  }
  const NeighbourKey key{mirror_->link_by_name("uplink")->ifindex, *net::IpAddr::parse("192.0.2.254")};
  EXPECT_EQ(resolver_->encaps_on(key), 4000u);
  changes_.clear();
  neighbour("192.0.2.254", "02:00:00:00:00:ee");
  settle();
  EXPECT_EQ(changes_.size(), 4000u);
  for (const EncapId id : ids) resolver_->remove(id);
  EXPECT_EQ(resolver_->encaps_on(key), 0u);
  EXPECT_EQ(add(to("192.0.2.2")), 0u) << "ids are reused";
}

// The kernel is asked to resolve what an encap waits for: the entry appears, and what nobody answers for
// fails.
TEST_F(ResolverTest, AsksTheKernelToResolve) {
  const EncapId id = add(to("192.0.2.2"));
  EXPECT_EQ(reason(id), Reason::neighbour_unresolved);
  settle();
  EXPECT_NE(kernel_neighbour("192.0.2.2").find("INCOMPLETE"), std::string::npos)
      << kernel_neighbour("192.0.2.2");
  ASSERT_TRUE(resolver_->next_timer());
  EXPECT_EQ(*resolver_->next_timer() - now_, NeighbourDemand::kFirstRetry);
  resolver_->remove(id);
  EXPECT_FALSE(resolver_->next_timer()) << "nobody waits any more";
}

TEST_F(ResolverTest, LeavesTheOperatorsNeighboursAlone) {
  ip("neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:02 nud stale extern_learn dev uplink");
  settle();
  const EncapId id = add(to("192.0.2.2"));
  ASSERT_EQ(reason(id), Reason::none) << text(id);
  resolver_->used(neighbour_key("192.0.2.2"));
  EXPECT_NE(kernel_neighbour("192.0.2.2").find("extern_learn"), std::string::npos)
      << kernel_neighbour("192.0.2.2");
  EXPECT_NE(kernel_neighbour("192.0.2.2").find("STALE"), std::string::npos);
}

TEST_F(ResolverTest, UsedEncapConfirmsAStaleNeighbour) {
  ip("neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:02 nud stale dev uplink");
  settle();
  const EncapId id = add(to("192.0.2.2"));
  ASSERT_EQ(reason(id), Reason::none) << text(id);
  resolver_->used(neighbour_key("192.0.2.2"));
  EXPECT_NE(kernel_neighbour("192.0.2.2").find("DELAY"), std::string::npos) << kernel_neighbour("192.0.2.2");
}

TEST_F(ResolverTest, UsedEncapIsSaidOfAReachableNeighbour) {
  ip("ntable change name arp_cache dev uplink base_reachable 500 delay_probe 2000");
  ip("neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:02 nud reachable dev uplink");
  settle();
  resolver_->used(neighbour_key("192.0.2.2"));
  const TimePoint limit = Clock::now() + 5s;
  std::string state;
  do state = kernel_neighbour("192.0.2.2");
  while (state.find("REACHABLE") != std::string::npos && Clock::now() < limit);
  EXPECT_NE(state.find("DELAY"), std::string::npos) << "used: not STALE, but probed. " << state;
}

// Times of the kernel's defaults: delay_probe 5 s, so a look every 2.5 s.
TEST(Keepalive, TellsOfNeighboursWhoseEncapsSend) {
  std::map<EncapId, uint64_t> packets;
  std::vector<std::pair<NeighbourKey, EncapId>> used;
  Duration delay_probe = 5s;
  Keepalive keepalive({
      .packets = [&](EncapId id) { return packets[id]; },
      .delay_probe = [&](const NeighbourKey&) { return delay_probe; },
      .used = [&](const NeighbourKey& key, EncapId id) { used.emplace_back(key, id); },
  });
  const NeighbourKey a{1, *net::IpAddr::parse("192.0.2.2")}, b{1, *net::IpAddr::parse("192.0.2.3")};
  using Used = std::vector<std::pair<NeighbourKey, EncapId>>;
  TimePoint now{};
  const auto after = [&](Duration time) {
    used.clear();
    for (const TimePoint end = now + time; now < end; now += 100ms) keepalive.run(now);
    keepalive.run(now);
    return used;
  };
  packets = {{0, 100}, {1, 100}, {2, 100}};
  for (const EncapId id : {0, 1}) keepalive.set(id, a, now);
  keepalive.set(2, b, now);
  EXPECT_EQ(after(10s), Used{}) << "nothing was sent since";

  packets[1] = 101;
  packets[0] = 102;
  EXPECT_EQ(after(2500ms), (Used{{a, 1}})) << "once for all encaps of a neighbour";
  EXPECT_EQ(after(10s), Used{});

  packets[2] = 101;
  keepalive.set(2, a, now);  // moved before anybody looked
  EXPECT_EQ(after(5s), Used{});
  packets[2] = 102;
  EXPECT_EQ(after(5s), (Used{{a, 2}}));

  delay_probe = 1s;
  EXPECT_EQ(after(2500ms), Used{});
  packets[0] = 103;
  EXPECT_EQ(after(500ms), (Used{{a, 0}})) << "the interval follows the kernel's";
  delay_probe = 0s;
  after(500ms);
  size_t looks = 0;
  for (int i = 0; i < 10; ++i) {
    ++packets[0];
    looks += after(100ms).size();
  }
  EXPECT_EQ(looks, 10u) << "no busy loop";

  for (const EncapId id : {0, 1, 2}) keepalive.set(id, std::nullopt, now);
  packets[0] = packets[1] = packets[2] = 1000;
  EXPECT_EQ(after(20s), Used{});
}

TEST(NeighbourDemand, BacksOffTo30s) {
  std::vector<TimePoint> asked;
  const TimePoint start{};
  TimePoint now = start;
  NeighbourDemand demand([&](const NeighbourKey&) { asked.push_back(now); });
  const NeighbourKey key{1, *net::IpAddr::parse("192.0.2.2")};
  demand.add(key, now);
  demand.add(key, now);  // a second encap: no second request
  std::vector<int> seconds;
  while (asked.size() < 8) {
    now = *demand.next();
    demand.run(now);
  }
  for (const TimePoint at : asked) seconds.push_back(static_cast<int>((at - start) / 1s));
  EXPECT_EQ(seconds, (std::vector<int>{0, 1, 3, 7, 15, 31, 61, 91}));
  demand.remove(key);
  EXPECT_TRUE(demand.next());
  demand.remove(key);
  EXPECT_FALSE(demand.next());
}

}  // namespace
}  // namespace culvert::resolver
