// The parts of mirror.sh that are ours, in the caller's network namespace; each prints one line.
//   mirror_bench load LINK N4 N6   fills the kernel's main table, 16 gateways: lengths as in the default-free
//   zone mirror_bench dump              reads the routes and keeps 32 bytes of each:      seconds MiB routes
//   mirror_bench mirror            a mirror until it is ready:                       seconds MiB routes
//   mirror_bench fib               and lib/fib built of its routes: ready to forward: seconds MiB routes
//   FIB-MiB
// MiB: the process's peak, less what it had before it began.
#include <net/if.h>
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "bench/kernel_load.hpp"
#include "fib/fib.hpp"
#include "mirror/mirror.hpp"
#include "netlink/requests.hpp"

namespace culvert {
namespace {

double peak_mib() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Of a thousand routes so many have this length (bgp.potaroo.net, 2023).
struct Share {
  uint8_t length;
  unsigned of_1000;
};
constexpr std::array kShares4{Share{24, 600}, Share{23, 100}, Share{22, 110}, Share{21, 50}, Share{20, 50},
                              Share{19, 30},  Share{18, 20},  Share{17, 15},  Share{16, 25}};
constexpr std::array kShares6{Share{48, 450}, Share{44, 150}, Share{40, 120},
                              Share{36, 100}, Share{32, 120}, Share{29, 60}};

class Prefixes {
 public:
  // The upper `width` bits of an address between `low` and `high`, in the upper bits of a word; none twice.
  template <typename Shares>
  std::pair<uint64_t, uint8_t> next(const Shares& shares, uint64_t low, uint64_t high) {
    for (;;) {
      auto draw = static_cast<unsigned>(random_() % 1000);
      uint8_t length = 0;
      for (const Share& share : shares) {
        length = share.length;
        if (draw < share.of_1000) break;
        draw -= share.of_1000;
      }
      const uint64_t prefix = (low + random_() % (high - low)) & ~uint64_t{0} << (64 - length);
      if (seen_.emplace(prefix, length).second) return {prefix, length};
    }
  }
  unsigned gateway() { return static_cast<unsigned>(random_() % 16); }

 private:
  std::mt19937_64 random_{1};
  std::set<std::pair<uint64_t, uint8_t>> seen_;
};

int load(const char* link, unsigned count4, unsigned count6) {
  const int ifindex = static_cast<int>(::if_nametoindex(link));
  bench::KernelLoad kernel;
  Prefixes prefixes;
  for (unsigned i = 0; i < count4; ++i) {
    const auto [prefix, length] =
        prefixes.next(kShares4, uint64_t{0x0b000000} << 32, uint64_t{0x7f000000} << 32);
    kernel.prefix4(static_cast<uint32_t>(prefix >> 32), length, ifindex, 0xc6336401 + 1 + prefixes.gateway());
  }
  for (unsigned i = 0; i < count6; ++i) {
    const auto [prefix, length] = prefixes.next(kShares6, uint64_t{0x2400} << 48, uint64_t{0x2a00} << 48);
    kernel.prefix6(prefix, length, ifindex, 2 + prefixes.gateway());
  }
  return 0;
}

void print(TimePoint begin, double mib_before, size_t routes, double fib_mib = 0) {
  std::printf("%.3f %.0f %zu %.0f\n", std::chrono::duration<double>(Clock::now() - begin).count(),
              peak_mib() - mib_before, routes, fib_mib);
}

int dump() {
  const double before = peak_mib();
  const TimePoint begin = Clock::now();
  auto socket = netlink::Socket::open({.receive_buffer_bytes = 1 << 20});
  if (!socket) return 1;
  struct Kept {
    uint8_t bytes[32];
  };
  std::vector<Kept> kept;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    if (!socket->send(netlink::dump_request(RTM_GETROUTE, family))) return 1;
    bool done = false;
    while (!done) {
      pollfd one{socket->fd(), POLLIN, 0};
      ::poll(&one, 1, -1);
      socket->receive([&](const nlmsghdr& message) {
        done = done || message.nlmsg_type == NLMSG_DONE;
        if (message.nlmsg_type != RTM_NEWROUTE) return;
        Kept& one_kept = kept.emplace_back();
        int left = RTM_PAYLOAD(&message);
        for (auto* at = RTM_RTA(NLMSG_DATA(&message)); RTA_OK(at, left); at = RTA_NEXT(at, left))
          if (at->rta_type < 8) one_kept.bytes[at->rta_type * 4] = *static_cast<const uint8_t*>(RTA_DATA(at));
      });
    }
  }
  print(begin, before, kept.size());
  return 0;
}

// The routes of the main table as lib/fib wants them, each path a number.
class FibRoutes : public mirror::Listener {
 public:
  void on_route(const net::Prefix& dst, const mirror::Path*, const mirror::Path* after) override {
    if (after == nullptr || after->table != RT_TABLE_MAIN) return;
    const fib::Hop hop = after->hops.empty() || !after->hops[0].via ? 1 : hop_of(*after->hops[0].via);
    if (dst.address.is_v4())
      add(v4, dst, hop);
    else
      add(v6, dst, hop);
  }
  std::vector<fib::Route<4>> v4;
  std::vector<fib::Route<16>> v6;

 private:
  fib::Hop hop_of(const net::IpAddr& via) {
    return hops_.try_emplace(via, static_cast<fib::Hop>(hops_.size() + 2)).first->second;
  }
  template <typename Routes>
  static void add(Routes& routes, const net::Prefix& dst, fib::Hop hop) {
    auto& route = routes.emplace_back();
    std::ranges::copy(dst.address.bytes(), route.address.begin());
    route.length = static_cast<uint8_t>(dst.length);
    route.hop = hop;
  }
  std::unordered_map<net::IpAddr, fib::Hop> hops_;
};

template <typename Routes>
void sort_unique(Routes& routes) {
  std::ranges::sort(routes);
  const auto same = std::ranges::unique(
      routes, {}, [](const auto& route) { return std::pair(route.address, route.length); });
  routes.erase(same.begin(), same.end());
}

int mirror_until_ready(bool with_fib) {
  auto domain = rcu::Domain::create();
  if (!domain) return 1;
  const double before = peak_mib();
  const TimePoint begin = Clock::now();
  const auto mirror = mirror::Mirror::create({.domain = domain->get()});
  if (!mirror) return 1;
  FibRoutes routes;
  if (with_fib) (*mirror)->subscribe(routes);
  while (!(*mirror)->ready()) {
    pollfd one{(*mirror)->fd(), POLLIN, 0};
    ::poll(&one, 1, 100);
    (*mirror)->poll(256, Clock::now());
  }
  if (!with_fib) {
    print(begin, before, (*mirror)->stats().routes);
    return 0;
  }
  rcu::RetireQueue retired(**domain);
  fib::Table<4> fib4(retired);
  fib::Table<16> fib6(retired);
  sort_unique(routes.v4);
  sort_unique(routes.v6);
  fib4.load(routes.v4);
  fib6.load(routes.v6);
  print(begin, before, fib4.size() + fib6.size(),
        static_cast<double>(fib4.memory_bytes() + fib6.memory_bytes()) / 1048576);
  return 0;
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "load" && argc == 5)
    return culvert::load(argv[2], static_cast<unsigned>(std::atoi(argv[3])),
                         static_cast<unsigned>(std::atoi(argv[4])));
  if (what == "dump") return culvert::dump();
  if (what == "mirror" || what == "fib") return culvert::mirror_until_ready(what == "fib");
  std::fprintf(stderr, "usage: mirror_bench load LINK N4 N6 | dump | mirror | fib\n");
  return 2;
}
