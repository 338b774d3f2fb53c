// Route look-ups: cycles a look-up among a table's worth of routes, beside DPDK's own tables, and how fast
// the table is built and changed.
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/clock.hpp"
#include "base/compat.hpp"
#include "bench.hpp"
#include "fib/fib.hpp"
#include "rcu/domain.hpp"

namespace culvert::bench {

namespace {

constexpr size_t kKeys = 1 << 20, kBurst = 32, kDestinations = 1000;
constexpr unsigned kHops = 16;

template <size_t kBytes>
using Routes = std::vector<fib::Route<kBytes>>;  // sorted
template <size_t kBytes>
using Keys = std::vector<fib::Address<kBytes>>;

template <size_t kBytes>
fib::Address<kBytes> masked(fib::Address<kBytes> address, unsigned length) {
  for (size_t i = 0; i < kBytes; ++i) {
    const size_t bits = length > i * 8 ? std::min<size_t>(length - i * 8, 8) : 0;
    address[i] &= static_cast<uint8_t>(0xff00 >> bits);
  }
  return address;
}

// Of a thousand routes of the default-free zone so many have this length, about (bgp.potaroo.net, 2023).
struct Share {
  unsigned length, of_1000;
};
constexpr std::array kShares4{Share{24, 600}, Share{23, 100}, Share{22, 110}, Share{21, 50}, Share{20, 50},
                              Share{19, 30},  Share{18, 20},  Share{17, 15},  Share{16, 25}};
constexpr std::array kShares6{Share{48, 450}, Share{44, 150}, Share{40, 120},
                              Share{36, 100}, Share{32, 120}, Share{29, 60}};

template <size_t kBytes>
Routes<kBytes> routes_of(size_t count) {
  std::mt19937_64 random(1);
  const auto length = [&](const auto& shares) {
    auto draw = static_cast<unsigned>(random() % 1000);
    for (const Share& share : shares) {
      if (draw < share.of_1000) return share.length;
      draw -= share.of_1000;
    }
    return shares.front().length;
  };
  std::set<std::pair<fib::Address<kBytes>, unsigned>> prefixes;
  while (prefixes.size() < count) {
    fib::Address<kBytes> address;
    for (uint8_t& byte : address) byte = static_cast<uint8_t>(random());
    unsigned bits = 0;
    if constexpr (kBytes == 4) {
      address[0] = static_cast<uint8_t>(1 + address[0] % 223);
      bits = length(kShares4);
    } else {
      address[0] = static_cast<uint8_t>(0x20 | (address[0] & 0x0f));  // 2000::/4
      bits = length(kShares6);
    }
    prefixes.emplace(masked(address, bits), bits);
  }
  Routes<kBytes> routes;
  for (const auto& [address, bits] : prefixes)
    routes.push_back({address, static_cast<uint8_t>(bits), static_cast<fib::Hop>(1 + random() % kHops)});
  return routes;
}

// Addresses in routes drawn at random, or in `destinations` of them.
template <size_t kBytes>
Keys<kBytes> keys_in(const Routes<kBytes>& routes, size_t destinations) {
  std::mt19937_64 random(2);
  Keys<kBytes> drawn(destinations == 0 ? kKeys : destinations), keys(kKeys);
  for (auto& key : drawn) {
    const auto& route = routes[random() % routes.size()];
    for (size_t i = 0; i < kBytes; ++i) {
      const size_t bits = route.length > i * 8 ? std::min<size_t>(route.length - i * 8, 8) : 0;
      key[i] = static_cast<uint8_t>(route.address[i] | (random() & (0xff >> bits)));
    }
  }
  for (auto& key : keys)
    key = drawn[destinations == 0 ? static_cast<size_t>(&key - keys.data()) : random() % destinations];
  return keys;
}

// Cycles a key; `look(first key, hops)` looks up kBurst of them.
template <size_t kBytes, typename Look>
Measured cycles_a_key(const Keys<kBytes>& keys, unsigned runs, Look look) {
  Measured measured;
  uint64_t sum = 0;
  for (unsigned run = 0; run <= runs; ++run) {
    const uint64_t start = rte_rdtsc_precise();
    for (size_t i = 0; i < keys.size(); i += kBurst) sum += look(&keys[i]);
    const uint64_t cycles = rte_rdtsc_precise() - start;
    if (run != 0) measured.values.push_back(static_cast<double>(cycles) / static_cast<double>(keys.size()));
  }
  measured.note = fmt::format("sum of hops {}", sum);
  return measured;
}

// A table with its domain, and nobody else who reads.
template <size_t kBytes>
struct Lab {
  static Result<std::unique_ptr<Lab>> make(size_t count) {
    auto domain = rcu::Domain::create();
    if (!domain) return tl::make_unexpected(domain.error());
    auto lab = std::make_unique<Lab>();
    lab->domain = std::move(*domain);
    lab->retired = std::make_unique<rcu::RetireQueue>(*lab->domain);
    lab->table = std::make_unique<fib::Table<kBytes>>(*lab->retired);
    lab->routes = routes_of<kBytes>(count);
    return lab;
  }
  std::string memory() const {
    return fmt::format("{} bytes, {:.1f} a route", table->memory_bytes(),
                       static_cast<double>(table->memory_bytes()) / static_cast<double>(routes.size()));
  }

  std::unique_ptr<rcu::Domain> domain;
  std::unique_ptr<rcu::RetireQueue> retired;
  std::unique_ptr<fib::Table<kBytes>> table;
  Routes<kBytes> routes;
};

template <size_t kBytes>
Result<Measured> measure_lookup(size_t count, size_t destinations, unsigned runs) {
  auto lab = Lab<kBytes>::make(count);
  if (!lab) return tl::make_unexpected(lab.error());
  const fib::Table<kBytes>& table = *(*lab)->table;
  (*lab)->table->load((*lab)->routes);
  Measured measured =
      cycles_a_key(keys_in((*lab)->routes, destinations), runs, [&](const fib::Address<kBytes>* keys) {
        std::array<fib::Hop, kBurst> hops;
        table.find(keys, hops.data(), kBurst);
        uint64_t sum = 0;
        for (const fib::Hop hop : hops) sum += hop;
        return sum;
      });
  measured.note += ", " + (*lab)->memory();
  return measured;
}

// Routes a second that are built in at once, or changed one by one in random order.
template <size_t kBytes>
Result<Measured> measure_writer(size_t count, bool at_once, unsigned runs) {
  auto lab = Lab<kBytes>::make(count);
  if (!lab) return tl::make_unexpected(lab.error());
  auto& [domain, retired, table, routes] = **lab;
  Routes<kBytes> shuffled = routes;
  std::ranges::shuffle(shuffled, std::mt19937_64(3));
  Measured measured;
  table->load(routes);
  for (unsigned run = 0; run <= runs; ++run) {
    const TimePoint start = Clock::now();
    if (at_once) {
      table->load(routes);
    } else {
      for (fib::Route<kBytes>& route : shuffled) {
        route.hop = 1 + route.hop % kHops;
        table->set(route);
        retired->reclaim(8);
      }
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    while (retired->reclaim(1024) != 0) {
    }
    if (run != 0) measured.values.push_back(static_cast<double>(count) / seconds);
  }
  measured.note = (*lab)->memory();
  return measured;
}

// --- DPDK's own, which may not be changed while they are read.

Result<Measured> measure_rte_fib4(size_t count, size_t destinations, unsigned runs) {
  const Routes<4> routes = routes_of<4>(count);
  rte_fib_conf conf{};
  conf.type = RTE_FIB_DIR24_8;
  conf.max_routes = static_cast<int>(count) + 16;
  conf.dir24_8.nh_sz = RTE_FIB_DIR24_8_4B;
  conf.dir24_8.num_tbl8 = 1024;
  const CHandle<rte_fib, rte_fib_free> table(rte_fib_create("bench", -1, &conf));
  if (table == nullptr) return error("no memory for rte_fib: {}", errno_text(rte_errno));
  const auto host_order = [](const fib::Address<4>& address) {
    return uint32_t{address[0]} << 24 | uint32_t{address[1]} << 16 | uint32_t{address[2]} << 8 | address[3];
  };
  for (const auto& route : routes)
    if (rte_fib_add(table.get(), host_order(route.address), route.length, route.hop) != 0)
      return error("rte_fib takes no more routes");
  return cycles_a_key(keys_in(routes, destinations), runs, [&](const fib::Address<4>* keys) {
    std::array<uint32_t, kBurst> addresses;
    for (size_t i = 0; i < kBurst; ++i) addresses[i] = host_order(keys[i]);
    std::array<uint64_t, kBurst> hops;
    rte_fib_lookup_bulk(table.get(), addresses.data(), hops.data(), kBurst);
    uint64_t sum = 0;
    for (const uint64_t hop : hops) sum += hop;
    return sum;
  });
}

Result<Measured> measure_rte_fib6(size_t count, size_t destinations, unsigned runs) {
  const Routes<16> routes = routes_of<16>(count);
  rte_fib6_conf conf{};
  conf.type = RTE_FIB6_TRIE;
  conf.max_routes = static_cast<int>(count) * 2;
  conf.trie.nh_sz = RTE_FIB6_TRIE_4B;
  conf.trie.num_tbl8 = 1 << 19;
  const CHandle<rte_fib6, rte_fib6_free> table(rte_fib6_create("bench", -1, &conf));
  if (table == nullptr)
    return error("no memory for rte_fib6: {}; it needs more than 512 MiB", errno_text(rte_errno));
  for (const auto& route : routes)
    if (rte_fib6_add(table.get(), compat::fib6_address(route.address.data()), route.length, route.hop) != 0)
      return error("rte_fib6 takes no more routes");
  return cycles_a_key(keys_in(routes, destinations), runs, [&](const fib::Address<16>* keys) {
    std::array<uint64_t, kBurst> hops;
    rte_fib6_lookup_bulk(table.get(), compat::fib6_addresses(keys), hops.data(), kBurst);
    uint64_t sum = 0;
    for (const uint64_t hop : hops) sum += hop;
    return sum;
  });
}

}  // namespace

std::vector<Benchmark> fib_benchmarks() {
  std::vector<Benchmark> all;
  constexpr size_t k4 = 1000000, k6 = 200000;
  for (const auto& [suffix, destinations, where] :
       {std::tuple("", size_t{0}, "addresses in random routes"),
        std::tuple("_skewed", kDestinations, "addresses of 1,000 destinations")}) {
    const size_t d = destinations;
    all.push_back({fmt::format("fib4_lookup{}.{}", suffix, k4), "cycles", where,
                   [=](unsigned runs) { return measure_lookup<4>(k4, d, runs); }});
    all.push_back({fmt::format("floor_rte_fib4{}.{}", suffix, k4), "cycles", where,
                   [=](unsigned runs) { return measure_rte_fib4(k4, d, runs); }});
    all.push_back({fmt::format("fib6_lookup{}.{}", suffix, k6), "cycles", where,
                   [=](unsigned runs) { return measure_lookup<16>(k6, d, runs); }});
    all.push_back({fmt::format("floor_rte_fib6{}.{}", suffix, k6), "cycles", where,
                   [=](unsigned runs) { return measure_rte_fib6(k6, d, runs); }});
  }
  for (const bool at_once : {true, false}) {
    const char* const what =
        at_once ? "built at once, from sorted routes" : "each route gets another hop, in random order";
    all.push_back({fmt::format("fib4_{}.{}", at_once ? "load" : "change", k4), "routes/s", what,
                   [=](unsigned runs) { return measure_writer<4>(k4, at_once, runs); }});
    all.push_back({fmt::format("fib6_{}.{}", at_once ? "load" : "change", k6), "routes/s", what,
                   [=](unsigned runs) { return measure_writer<16>(k6, at_once, runs); }});
  }
  return all;
}

}  // namespace culvert::bench
