// Losing and finding the kernel again: overruns, resyncs, lost sockets, namespaces, late subscribers.
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/c_handle.hpp"
#include "mirror_lab.hpp"

namespace culvert::mirror {
namespace {

// `count` routes 50.x.y.0/24 by one `ip -batch`.
std::string many_routes(const char* verb, int count, const char* gateway) {
  std::string commands;
  for (int i = 0; i < count; ++i)
    commands += fmt::format("route {} 50.{}.{}.0/24 via {}\n", verb, i / 256, i % 256, gateway);
  return commands;
}

// A named namespace, as `ip netns` makes them, removed at the end.
class NamedNetns {
 public:
  NamedNetns() : name(fmt::format("culvert-test-{}", ::getpid())) {
    EXPECT_EQ(std::system(("ip netns add " + name).c_str()), 0);
    EXPECT_EQ(std::system(("ip -n " + name + " link add inside type veth peer name other").c_str()), 0);
  }
  ~NamedNetns() { EXPECT_EQ(std::system(("ip netns del " + name).c_str()), 0); }
  const std::string name;
};

class Synced : public Followed {
 protected:
  // These tests make epochs; Followed wants one.
  void TearDown() override {
    expect_fresh(*mirror);
    expect_replica(*mirror, replica);
    EXPECT_TRUE(mirror->stats().consistent);
    EXPECT_EQ(mirror->stats().behind, 0u);
  }
};

TEST_F(Synced, OverrunEndsEqualAndLeavesTheUnchangedAlone) {
  Options options;
  options.receive_buffer_bytes = 8192;
  auto tight = make(options);
  Replica seen;
  tight->subscribe(seen);
  sync(*tight);
  seen.deltas.clear();

  ip(many_routes("add", 3000, "10.0.0.9"));
  ip(many_routes("replace", 3000, "10.0.0.8"));
  ip("link set v1 mtu 1400\naddr add 10.9.0.1/24 dev v1");
  sync(*tight);
  EXPECT_GE(tight->stats().overruns, 1u);
  EXPECT_GE(tight->stats().resyncs, 1u);
  EXPECT_EQ(lines(*tight).size(), [&] {
    sync(*mirror);
    return lines(*mirror).size();
  }());
  EXPECT_EQ(lines(*tight), lines(*mirror));
  expect_replica(*tight, seen);
  for (const char* unchanged : {" 20.0.", " 30.0.", "link 1 ", "nexthop", "2001:db8"})
    EXPECT_EQ(seen.deltas_with(unchanged), 0u) << unchanged;
}

TEST_F(Synced, OverrunsInARowEndEqualToo) {
  Options options;
  options.receive_buffer_bytes = 8192;
  options.retry_after = 1ms;
  auto tight = make(options);
  for (int round = 0; round < 10; ++round) {  // each in the middle of the sync that the last one began
    ip(many_routes(round % 2 == 0 ? "add" : "del", 300, "10.0.0.9"));
    tight->poll(16, Clock::now());
  }
  pump_until(*tight, [&] {
    tight->on_timer(Clock::now());
    return tight->ready() && tight->stats().consistent;
  });
  sync(*tight);
  sync(*mirror);
  EXPECT_EQ(lines(*tight), lines(*mirror));
}

TEST_F(Synced, ResyncFlapsNothing) {
  ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent");
  sync(*mirror);
  const auto before = replica.deltas;
  mirror->resync();
  EXPECT_FALSE(mirror->stats().consistent);
  sync(*mirror);
  EXPECT_EQ(mirror->stats().epoch, 2u);
  EXPECT_EQ(mirror->stats().resyncs, 1u);
  EXPECT_EQ(replica.deltas, before);
}

TEST_F(Synced, OrderAmongEqualsIsRestored) {
  ip("route add 40.0.0.0/24 via 10.0.0.3\nroute append 40.0.0.0/24 via 10.0.0.4\n"
     "route append 40.0.0.0/24 via 10.0.0.5");
  sync(*mirror);
  ip("route del 40.0.0.0/24 via 10.0.0.3\nroute append 40.0.0.0/24 via 10.0.0.3");
  mirror->resync();  // what the kernel has queued is thrown away
  sync(*mirror);
  EXPECT_EQ(route("40.0.0.1")->hops[0].via, net::IpAddr::parse("10.0.0.4"));
}

TEST_F(Synced, ChangesDuringAResyncAreFollowed) {
  mirror->resync();
  for (int i = 0; i < 50; ++i) {
    ip(
        fmt::format("route add 60.0.{0}.0/24 via 10.0.0.9\nlink set v1 {1}\nroute del 60.0.{0}.0/24\n"
                    "route add 60.1.{0}.0/24 via 10.0.0.9",
                    i, i % 2 == 0 ? "down" : "up"));
    mirror->poll(3, Clock::now());
  }
  bool done = false;
  mirror->barrier([&] { done = true; });
  pump_until(*mirror, [&] { return done; });
  EXPECT_TRUE(mirror->stats().consistent);
  EXPECT_TRUE(route("60.1.49.1"));
  EXPECT_FALSE(route("60.0.49.1"));
}

TEST_F(Synced, BarrierHoldsBeforeTheFirstSync) {
  auto other = make();
  ip("route add 60.0.0.0/24 via 10.0.0.9");
  bool done = false;
  other->barrier([&] {
    EXPECT_TRUE(other->ready());
    EXPECT_TRUE(other->lookup(RT_TABLE_MAIN, *net::IpAddr::parse("60.0.0.1")));
    done = true;
  });
  EXPECT_FALSE(done);
  pump_until(*other, [&] { return done; });
}

TEST_F(Synced, LateSubscriberIsToldTheState) {
  Replica late;
  mirror->subscribe(late);
  expect_replica(*mirror, late);
  ip("route add 60.0.0.0/24 via 10.0.0.9\nlink set v1 down");
  sync(*mirror);
  expect_replica(*mirror, late);
  mirror->unsubscribe(late);
  ip("route del 60.0.0.0/24");
  sync(*mirror);
  EXPECT_EQ(late.deltas_with("- route 254 unicast 60.0.0.0/24"), 0u);
}

// Before the first dump, and before there is any port.
TEST_F(Synced, EarlySubscriberIsToldAsTheDumpComes) {
  auto other = make();
  auto subscription = other->subscribe(SubscribeOptions{});
  ASSERT_TRUE(subscription);
  Replica early;
  EXPECT_EQ((*subscription)->deliver(early, SIZE_MAX), 0u);
  sync(*other);
  ip("route add 60.0.0.0/24 via 10.0.0.9\nlink set v1 down\nnexthop del id 1");
  sync(*other);
  (*subscription)->deliver(early, SIZE_MAX);
  expect_replica(*other, early);
}

TEST_F(Synced, SelfCheckMendsWhatNoRuleKnows) {
  // With this the kernel calls a hop without carrier dead too, and tells nobody.
  run("sysctl -qw net.ipv4.conf.all.ignore_routes_with_linkdown=1");
  ip("link set p0 down");
  pump_until(*mirror, [&] { return !link_has_carrier("v0"); });
  sync(*mirror);
  check(*mirror);
  EXPECT_GE(mirror->stats().corrections, 1u);
  EXPECT_EQ(mirror->stats().resyncs, 0u);
  EXPECT_EQ(mirror->next_timer(), TimePoint::max()) << "one check, no loop";
}

TEST_F(Synced, IdleMirrorNeedsNoCheck) {
  check(*mirror);
  ip("route add 60.0.0.0/24 via 10.0.0.9\nneigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0");
  sync(*mirror);
  EXPECT_EQ(mirror->next_timer(), TimePoint::max());
}

TEST_F(Synced, OperatorsNeighboursAreNeverUsed) {
  const int v0 = mirror->link_by_name("v0")->ifindex;
  ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent\n"
     "neigh add 10.0.0.8 lladdr 02:00:00:00:00:08 dev v0 nud stale extern_learn\n"
     "neigh add 10.0.0.7 dev v0 managed");
  sync(*mirror);
  const auto before = lines(*mirror);
  for (const char* text : {"10.0.0.9", "10.0.0.8", "10.0.0.7"})
    mirror->use_neighbour(v0, *net::IpAddr::parse(text));
  sync(*mirror);
  EXPECT_EQ(lines(*mirror), before);
  expect_fresh(*mirror);
  EXPECT_TRUE(mirror->neighbour(v0, *net::IpAddr::parse("10.0.0.8"))->is_operators());
}

// The kernel tells a veth's peer in the attribute in which it tells what a VLAN stands on.
TEST_F(Synced, APeerIsNoLowerLink) {
  EXPECT_EQ(mirror->link_by_name("v0")->lower, 0);
  EXPECT_EQ(mirror->link_by_name("p0")->lower, 0);
}

// The operator's entry is in the kernel, and its event not read yet.
TEST_F(Synced, OperatorsNeighbourIsNotUsedThoughItsEventIsBehind) {
  const int v0 = mirror->link_by_name("v0")->ifindex;
  const auto peer = *net::IpAddr::parse("10.0.0.9");
  ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent");
  mirror->use_neighbour(v0, peer);
  sync(*mirror);
  ASSERT_NE(mirror->neighbour(v0, peer), nullptr);
  EXPECT_EQ(mirror->neighbour(v0, peer)->nud_name(), "permanent");
  expect_fresh(*mirror);
}

// No event tells of an entry that is FAILED from the start (neighbour.c, __neigh_update).
TEST_F(Synced, UntoldNeighbourIsResolvedToo) {
  const int v0 = mirror->link_by_name("v0")->ifindex;
  const auto peer = *net::IpAddr::parse("fd00::77");
  ip("addr add fd00::77/64 dev p0 nodad\nneigh add fd00::77 dev v0 nud failed");
  sync(*mirror);
  ASSERT_EQ(mirror->neighbour(v0, peer), nullptr);
  mirror->use_neighbour(v0, peer);
  pump_until(*mirror, [&] {
    const auto* neighbour = mirror->neighbour(v0, peer);
    return neighbour != nullptr && neighbour->is_valid();
  });
}

TEST_F(Synced, UsedNeighbourIsResolved) {
  const int v0 = mirror->link_by_name("v0")->ifindex;
  const auto peer = *net::IpAddr::parse("fd00::77");
  ip("addr add fd00::77/64 dev p0 nodad");
  sync(*mirror);
  mirror->use_neighbour(v0, peer);
  pump_until(*mirror, [&] { return mirror->neighbour(v0, peer) != nullptr; });
  pump_until(*mirror, [&] { return mirror->neighbour(v0, peer)->nud != NUD_INCOMPLETE; });
}

// The first socket that a mirror opens is that of the events.
class SocketSwapped : public Synced {
 protected:
  std::unique_ptr<Mirror> make_and_find(int& event_fd) {
    const auto before = socket_fds();
    auto made = make();
    for (const int fd : socket_fds()) {
      if (before.contains(fd)) continue;
      event_fd = fd;
      break;
    }
    sync(*made);
    return made;
  }
};

TEST_F(SocketSwapped, LostSocketIsReplaced) {
  int event_fd = -1;
  auto victim = make_and_find(event_fd);
  Replica seen;
  victim->subscribe(seen);
  seen.deltas.clear();
  const UniqueFd null(::open("/dev/null", O_RDONLY));
  ASSERT_EQ(::dup2(null.get(), event_fd), event_fd);
  ip("route add 60.0.0.0/24 via 10.0.0.9");
  sync(*victim);
  sync(*mirror);
  EXPECT_EQ(victim->stats().resyncs, 1u);
  EXPECT_EQ(lines(*victim), lines(*mirror));
  EXPECT_EQ(seen.deltas.size(), 1u);
}

TEST_F(SocketSwapped, MalformedMessagesAreCountedAndSkipped) {
  int event_fd = -1;
  auto victim = make_and_find(event_fd);
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
  const UniqueFd ours(pair[0]), theirs(pair[1]);
  ASSERT_EQ(::dup2(theirs.get(), event_fd), event_fd);

  const auto before = lines(*victim);
  for (const uint16_t type : {RTM_NEWLINK, RTM_DELADDR, RTM_NEWNEIGH, RTM_NEWROUTE, RTM_NEWNEXTHOP}) {
    nlmsghdr message{sizeof(nlmsghdr), type, 0, 0, 0};
    ASSERT_EQ(::send(ours.get(), &message, sizeof(message), 0), static_cast<ssize_t>(sizeof(message)));
  }
  victim->poll(64, Clock::now());
  EXPECT_EQ(victim->stats().malformed, 5u);
  EXPECT_EQ(lines(*victim), before);
}

TEST_F(Lab, NamespaceByNameAndByPath) {
  const NamedNetns netns;
  for (const std::string& where : {netns.name, "/run/netns/" + netns.name}) {
    Options options;
    options.netns = where;
    auto mirror = make(options);
    ASSERT_NE(mirror, nullptr);
    sync(*mirror);
    EXPECT_NE(mirror->link_by_name("inside"), nullptr) << where;
    run("ip -n " + netns.name + " link set inside up");
    run("ip -n " + netns.name + " link set inside mtu 1400");
    sync(*mirror);
    EXPECT_EQ(mirror->link_by_name("inside")->mtu, 1400u);
  }
  EXPECT_FALSE(Mirror::create({.netns = "culvert-no-such-netns"}));
}

TEST_F(Lab, NamespaceThatIsGoneIsTriedAgainAndTheLastStateKept) {
  std::unique_ptr<Mirror> mirror;
  {
    const NamedNetns netns;
    Options options;
    options.netns = netns.name;
    const auto before = socket_fds();
    mirror = make(options);
    ASSERT_NE(mirror, nullptr);
    sync(*mirror);
    for (const int fd : socket_fds())
      if (!before.contains(fd)) ::dup2(UniqueFd(::open("/dev/null", O_RDONLY)).get(), fd);
  }
  const TimePoint now = Clock::now();
  mirror->poll(64, now);
  EXPECT_FALSE(mirror->stats().consistent);
  EXPECT_NE(mirror->link_by_name("inside"), nullptr);
  EXPECT_EQ(mirror->next_timer(), now + 1s);
  mirror->on_timer(now + 1s);
  EXPECT_EQ(mirror->next_timer(), now + 3s) << "the back-off doubles";

  mirror->resync();  // an operator may try in between
  EXPECT_EQ(mirror->next_timer(), now + 5s);

  const NamedNetns again;
  mirror->on_timer(now + 5s);
  sync(*mirror);
  EXPECT_TRUE(mirror->stats().consistent);
}

}  // namespace
}  // namespace culvert::mirror
