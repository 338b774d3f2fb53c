// Random operations on everything that is mirrored: after each burst the mirror equals a fresh dump, by its
// own rules, and uses the routes that the kernel uses. CULVERT_SEED and CULVERT_OPERATIONS choose another
// course.
#include <array>
#include <random>

#include "kernel_routes.hpp"
#include "recorded.hpp"

namespace culvert::mirror {
namespace {

constexpr int kBurst = 100;
constexpr int kAsked = 10;  // routes, after each burst

unsigned setting(const char* name, unsigned fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : static_cast<unsigned>(std::strtoul(text, nullptr, 0));
}

// Lines for `ip -batch`; many are refused, as the state has it.
class Operations {
 public:
  explicit Operations(unsigned seed) : random_(seed) {}

  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
  std::string next() {
    using Make = std::string (Operations::*)();
    static constexpr std::array<Make, 16> kMakers{
        &Operations::link,    &Operations::address, &Operations::address,   &Operations::rule,
        &Operations::route,   &Operations::route,   &Operations::route,     &Operations::route,
        &Operations::route,   &Operations::route6,  &Operations::route6,    &Operations::route6,
        &Operations::nexthop, &Operations::nexthop, &Operations::neighbour, &Operations::neighbour};
    return (this->*kMakers[below(kMakers.size())])() + "\n";
  }
  net::IpAddr destination() {
    const std::string text = below(2) == 0 ? fmt::format("20.0.{}.{}", below(8), below(4))
                                           : fmt::format("2001:db8:{}::{}", below(8), below(4));
    return *net::IpAddr::parse(text);
  }

 private:
  template <size_t size>
  const char* one_of(const char* const (&choices)[size]) {
    return choices[below(size)];
  }
  std::string dev() { return fmt::format("v{}", below(3)); }
  std::string via() { return fmt::format("via 10.{}.0.{}", below(3), 9 + below(3)); }
  std::string via6() {
    const unsigned link = below(3);
    return fmt::format("via fd0{}::{} dev v{}", link, 9 + below(3), link);
  }

  std::string link() {
    switch (below(8)) {
      case 0:
        return "link set " + dev() + one_of({" down", " up", " up"});
      // Carriers are in mirror_test.cpp: link watch tells of them when it likes, and a route that was added
      // between the loss and its event may be linkdown here and not there (doc/kernel-silence.md).
      case 1:
        return fmt::format("link set {} mtu {}", dev(), 1300 + below(3) * 100);
      case 3:
        return fmt::format("link set {} group {}", dev(), below(3));
      case 4:
        return fmt::format("link add w{0} type veth peer name x{0}", below(3));
      case 5:
        return fmt::format("link del w{}", below(3));
      case 6:
        return fmt::format("link add m{} link {} type macvlan", below(2), dev());
      default:
        return fmt::format("link del m{}", below(2));
    }
  }
  std::string address() {
    const unsigned link = below(3);
    const char* verb = one_of({"add", "add", "del"});
    if (below(2) == 0)
      return fmt::format("addr {} fd0{}::{}/64 dev v{} nodad", verb, link, 1 + below(3), link);
    return fmt::format("addr {} 10.{}.0.{}/24 dev v{}", verb, link, 1 + below(3), link);
  }
  std::string rule() {
    std::string line = fmt::format("rule {} pref {}", one_of({"add", "del", "del"}), 100 + below(10));
    const bool v4 = below(2) == 0;
    if (below(2) == 0) line += " not";
    line += v4 ? fmt::format(" from 10.{}.0.0/16", below(3)) : fmt::format(" from fd0{}::/64", below(3));
    if (below(2) == 0)
      line += v4 ? fmt::format(" to 20.0.{}.0/24", below(8)) : fmt::format(" to 2001:db8:{}::/48", below(8));
    if (below(3) == 0) line += fmt::format(" fwmark {:#x}/0xff", below(3));
    switch (below(6)) {
      case 0:
        return line + fmt::format(" goto {}", 100 + below(12));
      case 1:
        return line + one_of({" blackhole", " unreachable", " prohibit"});
      case 2:
        return line +
               fmt::format(" lookup {} suppress_prefixlength {}", one_of({"100", "main"}), 20 + below(30));
      default:
        return line + " lookup " + one_of({"100", "200", "main"});
    }
  }
  std::string route() {
    std::string line =
        fmt::format("route {} ", one_of({"add", "add", "replace", "append", "prepend", "change", "del"}));
    const unsigned kind = below(12);
    if (kind == 0) line += one_of({"blackhole ", "unreachable ", "prohibit ", "throw "});
    line += fmt::format("20.0.{}.0/{}", below(8) & ~1u, one_of({"24", "24", "23"}));
    line += fmt::format(" table {}", one_of({"main", "main", "100", "200"}));
    if (below(3) == 0) line += fmt::format(" metric {}", below(3));
    if (below(8) == 0) line += " tos 0x10";
    if (kind == 0) return line;
    if (below(6) == 0) line += fmt::format(" src 10.{}.0.{}", below(3), 1 + below(3));
    if (kind < 4) return line + fmt::format(" nhid {}", nexthop_id());
    if (kind < 6)
      return line + fmt::format(" nexthop {} weight {} nexthop {} weight {}", via(), 1 + below(3), via(),
                                1 + below(3));
    if (kind == 6) return line + fmt::format(" via inet6 fd00::9 dev v0");
    if (kind == 7) return line + " dev " + dev();
    if (kind == 8) return line + fmt::format(" via 99.9.9.9 dev {} onlink", dev());
    return line + " " + via();
  }
  std::string route6() {
    const unsigned kind = below(8);
    // RTM_NEWROUTE does not say which of several equals one on a nexthop object replaces.
    const bool by_object = kind == 2 || kind == 3;
    std::string line =
        fmt::format("route {} ", one_of({"add", "add", by_object ? "add" : "replace", "append", "del"}));
    if (kind == 0) line += one_of({"blackhole ", "unreachable ", "prohibit "});
    line += fmt::format("2001:db8:{}::/{}", below(8), one_of({"48", "64"}));
    line += fmt::format(" table {}", one_of({"main", "main", "100"}));
    // A dump hides what stands between the siblings of a multipath route (doc/kernel-silence.md).
    line += fmt::format(" metric {}", (kind < 4 ? 100u : 1024u) + below(2));
    if (kind == 0) return line;
    if (kind == 1) return line + " dev " + dev();
    if (kind < 4) return line + fmt::format(" nhid {}", nexthop_id());
    if (kind == 4) return line + fmt::format(" nexthop {} nexthop {}", via6(), via6());
    return line + " " + via6();
  }
  unsigned nexthop_id() { return below(3) == 0 ? 11 + below(3) : 1 + below(6); }
  std::string nexthop() {
    if (below(4) == 0) return fmt::format("nexthop del id {}", nexthop_id());
    if (below(4) == 0) {
      const unsigned a = 1 + below(3), b = 4 + below(3);
      return fmt::format("nexthop {} id {} group {},{}/{},{}{}", one_of({"add", "replace"}), 11 + below(3), a,
                         1 + below(3), b, 1 + below(3), one_of({"", "", " type resilient buckets 8"}));
    }
    const unsigned id = 1 + below(6);
    return fmt::format("nexthop {} id {} {}", one_of({"add", "replace"}), id,
                       below(8) == 0   ? std::string("blackhole")
                       : below(3) == 0 ? via6()
                                       : fmt::format("{} dev {}", via(), dev()));
  }
  std::string neighbour() {
    const unsigned link = below(3);
    const std::string where = below(2) == 0 ? fmt::format("10.{}.0.{}", link, 9 + below(4))
                                            : fmt::format("fd0{}::{}", link, 9 + below(4));
    if (below(4) == 0) return fmt::format("neigh del {} dev v{}", where, link);
    return fmt::format("neigh replace {} lladdr 02:00:00:00:00:{:02x} dev v{} nud {}", where, below(256),
                       link, one_of({"permanent", "reachable", "stale", "noarp"}));
  }

  std::minstd_rand random_;
};

class Random : public Lab {
 protected:
  void SetUp() override {
    Lab::SetUp();
    // A gateway forwards: else IPv6 looks at neighbours too when it chooses a route (route.c, ip6_pol_route).
    run("sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1");
    ip("link add v0 type veth peer name p0\nlink add v1 type veth peer name p1\n"
       "link add v2 type veth peer name p2");
    for (const char* name : {"v0", "p0", "v1", "p1", "v2", "p2"}) ip(fmt::format("link set {} up", name));
    mirror = make({.open = file.opener()});
    replica.allows_twins = true;
    mirror->subscribe(replica);
    sync(*mirror);
  }
  static void try_all(const std::string& commands) {
    FILE* pipe = ::popen("ip -force -batch - >/dev/null 2>&1", "w");
    ASSERT_NE(pipe, nullptr);
    std::fwrite(commands.data(), 1, commands.size(), pipe);
    ::pclose(pipe);
  }
  Flow some_flow(Operations& operations) const {
    Flow flow{.dst = operations.destination()};
    if (flow.dst.is_v4()) flow.ip_protocol = IPPROTO_UDP;
    flow.mark = operations.below(3);
    const auto addresses = mirror->addresses();
    const Address* from = addresses[operations.below(static_cast<unsigned>(addresses.size()))];
    // The kernel refuses packets from a loopback address on a wire, whatever the route.
    if (from->local.family() == flow.dst.family() && from->scope == RT_SCOPE_UNIVERSE) flow.src = from->local;
    return flow;
  }
  RecordingPath file;
  Replica replica;
  std::unique_ptr<Mirror> mirror;
  KernelRoutes kernel;
};

TEST_F(Random, OperationsOnEverything) {
  const unsigned seed = setting("CULVERT_SEED", 1), count = setting("CULVERT_OPERATIONS", 10000);
  Operations operations(seed);
  unsigned answered = 0;
  for (unsigned done = 0; done < count; done += kBurst) {
    std::string commands;
    for (int i = 0; i < kBurst; ++i) commands += operations.next();
    try_all(commands);
    sync(*mirror);
    expect_fresh(*mirror);
    for (int i = 0; i < kAsked; ++i) {
      const Flow flow = some_flow(operations);
      const std::string kernels = verdict(kernel.ask(flow));
      answered += kernels != "none";
      EXPECT_EQ(verdict(mirror->route_to(flow)), kernels)
          << flow.dst.to_string() << " from " << (flow.src ? flow.src->to_string() : "-") << " mark "
          << flow.mark;
    }
    ASSERT_FALSE(HasFailure()) << "seed " << seed << ", operation " << done << "; the last were\n"
                               << commands;
  }
  expect_replica(*mirror, replica);
  check(*mirror);
  EXPECT_EQ(mirror->stats().corrections, 0u);
  EXPECT_EQ(mirror->stats().malformed, 0u);
  EXPECT_GT(answered, count / 400) << "too few of the questions had an answer";
  expect_replays(file, std::move(mirror), replica);
}

}  // namespace
}  // namespace culvert::mirror
