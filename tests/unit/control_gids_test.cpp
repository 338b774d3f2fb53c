// The provider of the GID tables between its two threads: an address is ours until nobody decapsulates for
// it.
#include <gtest/gtest.h>

#include "control/gids.hpp"
#include "eal.hpp"
#include "mirror_lab.hpp"

namespace culvert::control {
namespace {

using namespace std::chrono_literals;

net::IpAddr ip_of(const char* text) { return *net::IpAddr::parse(text); }

class ControlGids : public mirror::Lab {
 protected:
  void SetUp() override {
    testing::start_eal();
    Lab::SetUp();
    ip("link add v0 type veth peer name p0\nlink set v0 up\nlink set p0 up\naddr add 10.0.0.1/24 dev v0\n"
       "addr add 10.1.0.1/24 dev v0");
    domain = std::move(*rcu::Domain::create());
    mirror = make();
    sync(*mirror);
    loop.add_fd(mirror->fd(), EPOLLIN, [this](uint32_t) { mirror->poll(64, Clock::now()); });
    loop.every(1ms, [this] {
      if (gids) gids->poll();
    });
    gids = std::move(*Gids::create(
        loop, *mirror, *domain, {{.name = "uplink", .netdev = "v0", .gids = 64}, {.name = "tenant"}},
        {.is_used = [](const net::IpAddr& local) { return local == ip_of("10.0.0.1"); },
         .changed = [this](const net::IpAddr& local) { changed.push_back(local); },
         .barrier = [this](std::function<void()> done) { barriers.push_back(std::move(done)); }}));
    gids->poll();
    turn_until([this] { return gids->is_settled(); });
    changed.clear();
    domain->add(1);  // a worker
    domain->online(1);
  }
  void TearDown() override {
    gids.reset();
    domain->offline(1);
    domain->remove(1);
  }

  void turn_until(const std::function<bool()>& reached) {
    const TimePoint deadline = Clock::now() + 20s;
    while (!reached()) {
      ASSERT_LT(Clock::now(), deadline);
      loop.turn(10ms);
    }
  }
  // Some turns in which nothing of what is awaited may happen.
  void turn_a_while() {
    for (const TimePoint end = Clock::now() + 30ms; Clock::now() < end;) loop.turn(1ms);
  }
  std::string state_of(const std::string& gid, const std::string& type) const {
    for (const GidView& view : gids->views())
      if (view.gid == gid && view.type == type && !view.is_default) return view.state;
    return "none";
  }
  void begin_departure() {
    ip("addr del 10.0.0.1/24 dev v0");
    turn_until([this] { return !barriers.empty(); });
  }

  EventLoop loop;
  std::unique_ptr<rcu::Domain> domain;
  std::unique_ptr<mirror::Mirror> mirror;
  std::unique_ptr<Gids> gids;
  std::vector<net::IpAddr> changed;
  std::vector<std::function<void()>> barriers;
};

TEST_F(ControlGids, TheTablesArePortsWithALink) {
  EXPECT_EQ(state_of("::ffff:10.0.0.1", "RoCE v1"), "valid");
  EXPECT_EQ(state_of("::ffff:10.0.0.1", "RoCE v2"), "valid");
  EXPECT_TRUE(gids->admits(ip_of("10.0.0.1")));
  EXPECT_FALSE(gids->admits(ip_of("10.0.0.9")));
  for (const GidView& view : gids->views()) EXPECT_EQ(view.port, "uplink");
}

TEST_F(ControlGids, AnAddressThatGoesIsUpdatingUntilWorkersAndNicAreWithoutIt) {
  begin_departure();
  EXPECT_EQ(changed.back(), ip_of("10.0.0.1"));
  EXPECT_FALSE(gids->admits(ip_of("10.0.0.1")));
  EXPECT_EQ(state_of("::ffff:10.0.0.1", "RoCE v2"), "updating");
  turn_a_while();
  EXPECT_FALSE(gids->is_settled()) << "the NIC has not answered";
  barriers.front()();
  turn_a_while();
  EXPECT_FALSE(gids->is_settled()) << "a worker may use what it has found";
  EXPECT_EQ(state_of("::ffff:10.0.0.1", "RoCE v2"), "updating");
  domain->quiescent(1);
  turn_until([this] { return gids->is_settled(); });
  EXPECT_EQ(state_of("::ffff:10.0.0.1", "RoCE v2"), "none");

  changed.clear();
  ip("addr add 10.0.0.1/24 dev v0");
  turn_until([this] { return state_of("::ffff:10.0.0.1", "RoCE v2") == "valid"; });
  EXPECT_TRUE(gids->admits(ip_of("10.0.0.1")));
  EXPECT_EQ(changed.back(), ip_of("10.0.0.1"));
}

TEST_F(ControlGids, AnAddressOfNoTunnelWaitsForNobody) {
  ip("addr del 10.1.0.1/24 dev v0");
  turn_until([this] { return state_of("::ffff:10.1.0.1", "RoCE v2") == "none"; });
  turn_until([this] { return gids->is_settled(); });
  EXPECT_TRUE(barriers.empty());
}

TEST_F(ControlGids, AnAddressThatIsElsewhereTooStays) {
  ip("addr add 10.0.0.1/32 dev lo");
  sync(*mirror);
  ip("addr del 10.0.0.1/24 dev v0");
  turn_until([this] { return state_of("::ffff:10.0.0.1", "RoCE v2") == "none"; });
  EXPECT_TRUE(gids->admits(ip_of("10.0.0.1")));
  EXPECT_TRUE(barriers.empty());
  changed.clear();
  ip("addr del 10.0.0.1/32 dev lo");
  turn_until([this] { return !changed.empty(); });
  EXPECT_FALSE(gids->admits(ip_of("10.0.0.1")));
}

// The kernel has it all the time: nobody ceases to decapsulate for it.
TEST_F(ControlGids, AnAddressThatMovesToAnotherLinkStaysOurs) {
  ip("link add mv0 link v0 type macvlan\nlink set mv0 up");
  turn_until([this] { return gids->is_settled(); });
  changed.clear();
  ip("addr add 10.0.0.1/24 dev mv0\naddr del 10.0.0.1/24 dev v0");
  sync(*mirror);
  EXPECT_TRUE(gids->admits(ip_of("10.0.0.1")));
  const auto has_moved = [this] {
    const auto views = gids->views();
    return std::ranges::count_if(views, [](const GidView& view) {
             return view.gid == "::ffff:10.0.0.1" && view.netdev == "mv0" && view.state == "valid";
           }) == 2;
  };
  turn_until([&] {
    EXPECT_TRUE(gids->admits(ip_of("10.0.0.1")));
    return has_moved() && gids->is_settled();
  });
  EXPECT_TRUE(barriers.empty());
}

// An address whose entry the full table refuses is ours as long as a link of no port has it.
TEST_F(ControlGids, ATableThatIsFull) {
  for (int i = 0; i < 40; ++i) ip(fmt::format("addr add 10.2.0.{}/24 dev v0", i + 1));
  ip("addr add 10.3.0.1/24 dev v0");
  sync(*mirror);
  turn_until([this] { return gids->is_settled(); });
  const net::IpAddr late = ip_of("10.3.0.1");
  EXPECT_FALSE(gids->admits(late));
  for (const bool there : {true, false}) {
    changed.clear();
    ip(there ? "addr add 10.3.0.1/32 dev lo" : "addr del 10.3.0.1/32 dev lo");
    turn_until([&] { return std::ranges::find(changed, late) != changed.end() && gids->is_settled(); });
    EXPECT_EQ(gids->admits(late), there);
  }
}

// The update thread sleeps for good, were it not told.
TEST_F(ControlGids, ItEndsWhileAnAddressIsGoing) {
  begin_departure();
  gids.reset();
  EXPECT_EQ(barriers.size(), 1u);
  barriers.front()();  // the NIC's answer comes late
}

}  // namespace
}  // namespace culvert::control
