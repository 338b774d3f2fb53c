// A network namespace of one's own, a mirror in it, and ways to compare mirrors.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "mirror/mirror.hpp"

namespace culvert::mirror {

using namespace std::chrono_literals;

inline std::string text(const Hop& hop) {
  return fmt::format("[{} {} w{} f{:#x} e{}/{:x}]", hop.ifindex, hop.via ? hop.via->to_string() : "-",
                     hop.weight, hop.flags, hop.encap, hop.encap_digest);
}
inline std::string text(const Link& link) {
  return fmt::format("link {} {} {} {} mtu {} {:#x} lower {} master {}", link.ifindex, link.name, link.kind,
                     link.mac, link.mtu, link.flags, link.lower, link.master);
}
inline std::string text(const Address& a) {
  return fmt::format("address {} {}/{} peer {} scope {} {:#x}", a.ifindex, a.local, a.prefix_length, a.peer,
                     a.scope, a.flags);
}
inline std::string text(const Neighbour& n) {
  return fmt::format("neighbour {} {} {} {} {:#x} {:#x}", n.ifindex, n.ip, n.mac ? n.mac->to_string() : "-",
                     n.nud_name(), n.flags, n.ext_flags);
}
inline std::string text(const Nexthop& n) {
  std::string line = fmt::format("nexthop {} {} {} {}", n.id, n.blackhole, text(n.hop), n.protocol);
  for (const auto& [id, weight] : n.group) line += fmt::format(" {},{}", id, weight);
  return line;
}
inline std::string text(const net::Prefix& dst, const Path& r) {
  std::string line = fmt::format("route {} {} {} tos {} metric {} {} scope {} src {} mtu {} nhid {}", r.table,
                                 r.type_name(), dst, r.tos, r.metric, r.protocol_name(), r.scope,
                                 r.prefsrc ? r.prefsrc->to_string() : "-", r.mtu, r.nexthop_id);
  for (const Hop& hop : r.hops) line += text(hop);
  return line;
}
inline std::string text(const Route& r) { return text(r.dst, r); }
inline std::string text(const PolicyRule& r) {
  return fmt::format(
      "rule {} {} not {} from {} to {} tos {} mark {}/{} iif {} oif {} l3mdev {} action {} table {} "
      "goto {} suppress {} {} proto {}",
      static_cast<int>(r.family), r.priority, r.inverted, r.src ? r.src->to_string() : "-",
      r.dst ? r.dst->to_string() : "-", r.tos, r.mark, r.mask, r.iif, r.oif, r.l3mdev, r.action, r.table,
      r.target, r.suppress_length.value_or(UINT32_MAX), r.suppress_group.value_or(UINT32_MAX), r.protocol);
}
// As listeners are told it: its nexthop object is told apart.
inline std::string told(Route r) {
  if (r.nexthop_id == 0) return text(r);
  r.hops.clear();
  r.type = RTN_UNICAST;
  return text(r);
}

// The kernel makes entries for traffic and moves them from reachable or stale to delay without events: such
// entries and such differences are not compared.
inline bool is_compared(const Neighbour& n) { return (n.nud & (NUD_INCOMPLETE | NUD_NOARP)) == 0; }
inline Neighbour without_timers(Neighbour n) {
  if ((n.nud & (NUD_REACHABLE | NUD_DELAY | NUD_PROBE)) != 0) n.nud = NUD_STALE;
  return n;
}

inline std::vector<std::string> lines(const Mirror& mirror) {
  std::vector<std::string> all;
  for (const Link* link : mirror.links()) all.push_back(text(*link));
  for (const Address* address : mirror.addresses()) all.push_back(text(*address));
  for (const Neighbour* neighbour : mirror.neighbours())
    if (is_compared(*neighbour)) all.push_back(text(without_timers(*neighbour)));
  for (const Nexthop* nexthop : mirror.nexthops()) all.push_back(text(*nexthop));
  for (const PolicyRule& rule : mirror.rules()) all.push_back(text(rule));
  for (const Route& route : mirror.routes()) all.push_back(text(route));
  return all;
}

// Keeps what the deltas add up to, and every delta as a line. Fails on an add of what is there and on a
// removal of what is not.
class Replica : public Listener {
 public:
  void on_link(const Link* before, const Link* after) override { change(before, after); }
  void on_address(const Address* before, const Address* after) override { change(before, after); }
  void on_neighbour(const Neighbour* before, const Neighbour* after) override { change(before, after); }
  void on_nexthop(const Nexthop* before, const Nexthop* after) override { change(before, after); }
  void on_rule(const PolicyRule* before, const PolicyRule* after) override { change(before, after); }
  void on_route(const net::Prefix& dst, const Path* before, const Path* after) override {
    change(before, after, [&](const Path& path) { return text(dst, path); });
  }

  bool allows_twins = false;  // IPv6 can be brought to have a route twice
  std::multiset<std::string> objects;
  std::vector<std::string> deltas;

  size_t deltas_with(const std::string& part) const {
    size_t count = 0;
    for (const std::string& delta : deltas) count += delta.find(part) != std::string::npos;
    return count;
  }

 private:
  template <typename T>
  void change(const T* before, const T* after) {
    change(before, after, [](const T& object) { return text(object); });
  }
  template <typename T, typename Line>
  void change(const T* before, const T* after, const Line& line) {
    ASSERT_TRUE(before != nullptr || after != nullptr);
    if (before != nullptr) {
      const auto found = objects.find(line(*before));
      ASSERT_NE(found, objects.end()) << "removed or changed, but not there: " << line(*before);
      objects.erase(found);
      deltas.push_back("- " + line(*before));
    }
    if (after != nullptr) {
      EXPECT_TRUE(allows_twins || !objects.contains(line(*after))) << "added twice: " << line(*after);
      objects.insert(line(*after));
      deltas.push_back("+ " + line(*after));
    }
  }
};

// What the deltas add up to is what the mirror has.
inline void expect_replica(const Mirror& mirror, const Replica& replica) {
  std::vector<std::string> have;
  for (const std::string& line : replica.objects) have.push_back(line);
  std::vector<std::string> want;
  for (const Link* link : mirror.links()) want.push_back(text(*link));
  for (const Address* address : mirror.addresses()) want.push_back(text(*address));
  for (const Neighbour* neighbour : mirror.neighbours()) want.push_back(text(*neighbour));
  for (const Nexthop* nexthop : mirror.nexthops()) want.push_back(text(*nexthop));
  for (const PolicyRule& rule : mirror.rules()) want.push_back(text(rule));
  for (const Route& route : mirror.routes()) want.push_back(told(route));
  std::sort(want.begin(), want.end());
  EXPECT_EQ(have, want);
}

class Lab : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "these tests need root";
    run("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0");
    run("ip link set lo up");
  }

  static void run(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }
  // Several ip commands, one a line, in one process.
  static void ip(const std::string& commands) { batch("ip -batch -", commands); }
  static void ip6(const std::string& commands) { batch("ip -6 -batch -", commands); }
  static void batch(const char* program, const std::string& commands) {
    FILE* pipe = ::popen(program, "w");
    ASSERT_NE(pipe, nullptr);
    std::fwrite(commands.data(), 1, commands.size(), pipe);
    ASSERT_EQ(::pclose(pipe), 0) << commands.substr(0, 1000);
  }

  // Two veth pairs with addresses: v0 10.0.0.1 fd00::1 (peer p0), v1 10.1.0.1 fd01::1 (peer p1).
  static void make_links() {
    ip("link add v0 type veth peer name p0\nlink add v1 type veth peer name p1\n"
       "link set v0 up\nlink set p0 up\nlink set v1 up\nlink set p1 up\n"
       "addr add 10.0.0.1/24 dev v0\naddr add 10.0.0.2/24 dev v0\naddr add 10.1.0.1/24 dev v1\n"
       "addr add fd00::1/64 dev v0 nodad\naddr add fd00::2/64 dev v0 nodad\naddr add fd01::1/64 dev v1 "
       "nodad");
  }

  // Routes of every kind over them.
  static void make_routes() {
    ip("route add 20.0.0.0/24 via 10.0.0.9\n"
       "route add 20.0.1.0/24 via 10.0.0.9 src 10.0.0.2\n"
       "route add 20.0.2.0/24 via 10.0.0.9 src 10.0.0.2 table 100\n"
       "route add 20.0.3.0/24 nexthop via 10.0.0.9 weight 2 nexthop via 10.1.0.9 weight 3\n"
       "route add 20.0.4.0/24 via 10.0.0.9 table 200 metric 5\n"
       "route add 20.0.4.0/24 via 10.1.0.9 table 200 metric 6\n"
       "route add blackhole 20.0.5.0/24\n"
       "route add 20.0.6.0/24 dev v0 mtu 1400\n"
       "route add 20.0.7.0/24 via inet6 fd00::9 dev v0\n"
       "nexthop add id 1 via 10.0.0.9 dev v0\nnexthop add id 2 via 10.1.0.9 dev v1\n"
       "nexthop add id 3 group 1,4/2,2\nnexthop add id 4 group 1\nnexthop add id 5 blackhole\n"
       "nexthop add id 6 via fd00::9 dev v0\nnexthop add id 7 via fd01::9 dev v1\n"
       "nexthop add id 8 group 6/7\n"
       "route add 30.0.1.0/24 nhid 1\nroute add 30.0.2.0/24 nhid 1 src 10.0.0.2\n"
       "route add 30.0.3.0/24 nhid 3\nroute add 30.0.4.0/24 nhid 4\nroute add 30.0.5.0/24 nhid 5\n"
       "route add 30.0.6.0/24 nhid 2\nroute add 30.0.7.0/24 nhid 6");
    ip6("route add 2001:db8:0::/64 via fd00::9\n"
        "route add 2001:db8:1::/64 via fd00::9 src fd00::2\n"
        "route add 2001:db8:2::/64 nexthop via fd00::9 dev v0 nexthop via fd01::9 dev v1\n"
        "route add unreachable 2001:db8:3::/64\n"
        "route add 2001:db8:4::/64 nhid 6\nroute add 2001:db8:5::/64 nhid 8\n"
        "route add 2001:db8:6::/64 dev v1");
  }

  static std::unique_ptr<Mirror> make(Options options = {}) {
    options.check_after = 1h;  // the rules are tested, not what mends them
    auto mirror = Mirror::create(options);
    EXPECT_TRUE(mirror) << mirror.error().message;
    return mirror ? std::move(*mirror) : nullptr;
  }

  // Runs the mirror as the event loop would.
  static void pump_until(Mirror& mirror, const std::function<bool()>& reached, Duration limit = 20s) {
    const TimePoint deadline = Clock::now() + limit;
    while (!reached()) {
      ASSERT_LT(Clock::now(), deadline) << "the mirror does not get there";
      pollfd fd{mirror.fd(), POLLIN, 0};
      ::poll(&fd, 1, 50);
      mirror.poll(64, Clock::now());
    }
  }
  static void sync(Mirror& mirror) {
    bool done = false;
    mirror.barrier([&] { done = true; });
    pump_until(mirror, [&] { return done; });
  }

  // Compares with a mirror that knows nothing but a fresh dump. The kernel may be about to change something
  // by itself (IPv6 addresses, link watch), so a difference counts only if it stays.
  static void expect_fresh(Mirror& mirror) {
    std::vector<std::string> have, fresh;
    for (int attempt = 0; attempt < 20; ++attempt) {
      auto other = make();
      sync(*other);
      sync(mirror);
      have = lines(mirror);
      fresh = lines(*other);
      if (have == fresh) break;
      ::poll(nullptr, 0, 100);
    }
    EXPECT_EQ(fmt::format("{}", fmt::join(have, "\n")), fmt::format("{}", fmt::join(fresh, "\n")));
  }

  // Runs the self-check now; it is to find nothing.
  static void check(Mirror& mirror) {
    const uint64_t before = mirror.stats().checks;
    for (int attempt = 0; attempt < 20 && mirror.stats().checks == before; ++attempt) {
      if (mirror.next_timer() == TimePoint::max()) return;  // nothing happened that would need one
      mirror.on_timer(mirror.next_timer());
      pump_until(mirror,
                 [&] { return mirror.next_timer() != TimePoint::max() || mirror.stats().checks > before; });
    }
    EXPECT_EQ(mirror.stats().checks, before + 1);
  }
  static void expect_rules_right(Mirror& mirror, const Replica& replica) {
    expect_fresh(mirror);
    check(mirror);
    EXPECT_EQ(mirror.stats().corrections, 0u);
    EXPECT_EQ(mirror.stats().epoch, 1u);
    expect_replica(mirror, replica);
  }
  // The descriptors of this process that are sockets.
  static std::set<int> socket_fds() {
    std::set<int> fds;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
      if (target.starts_with("socket:")) fds.insert(std::stoi(entry.path().filename()));
    }
    return fds;
  }
};

// A mirror over links and routes, ready, with a listener.
class Followed : public Lab {
 protected:
  void SetUp() override {
    Lab::SetUp();
    make_links();
    make_routes();
    mirror = make();
    mirror->subscribe(replica);
    sync(*mirror);
    ASSERT_TRUE(mirror->ready());
    expect_fresh(*mirror);
  }
  void TearDown() override {
    if (!mirror) return;
    expect_rules_right(*mirror, replica);
    mirror->unsubscribe(replica);
  }
  bool link_has_carrier(const char* name) const {
    const Link* link = mirror->link_by_name(name);
    return link != nullptr && link->has_carrier();
  }
  std::optional<Route> route(const char* destination, uint32_t table = 254) const {
    return mirror->lookup(table, *net::IpAddr::parse(destination));
  }

  Replica replica;
  std::unique_ptr<Mirror> mirror;
};

}  // namespace culvert::mirror
