// Where stations are: cycles a look-up, of MACs that are known and of others, and how fast MACs are learned.
// No worker runs: the caller's thread is both.
#include <rte_cycles.h>

#include <algorithm>
#include <array>
#include <random>

#include "base/clock.hpp"
#include "bench.hpp"
#include "dataplane/fdb.hpp"
#include "dataplane/path_lookup.hpp"
#include "dataplane/stamps.hpp"

namespace culvert::bench {

namespace {

using namespace dataplane;

constexpr size_t kCapacity = 1 << 20, kLookups = 1 << 20, kStations = PathLookup::kMost;
constexpr size_t kBudget = 1024;  // of a turn of the control lcore

// Locally administered, spread as a network's vendors are not: no hash gains by their order.
StationKey station(uint64_t number) {
  return {0, (number * 0x9e3779b97f4a7c15 >> 16 & 0xfffffffffffc) | 0x2};
}

struct Table {
  static Result<std::unique_ptr<Table>> make() {
    auto table = std::make_unique<Table>();
    auto domain = rcu::Domain::create();
    if (!domain) return tl::make_unexpected(domain.error());
    table->domain = std::move(*domain);
    table->retired.emplace(*table->domain);
    auto fdb =
        Fdb::create(table->published, *table->retired, *table->domain, kCapacity, {table->stamps.get()});
    if (!fdb) return tl::make_unexpected(fdb.error());
    table->fdb = std::move(*fdb);
    return table;
  }

  // As many a turn as the control lcore decides on. Error: not all were learned.
  Status learn(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      fdb->learn(station(i), Where::tunnel(i % 1000), {}, 1);
      if (i % kBudget == 0) turn();
    }
    if (fdb->count() != count) return error("{} of {} MACs were learned", fdb->count(), count);
    return {};
  }
  void turn() {
    fdb->grow(4 * kBudget, 1);
    retired->reclaim(kBudget);
  }

  std::unique_ptr<rcu::Domain> domain;
  rcu::Published<FdbHash> published;
  std::optional<rcu::RetireQueue> retired;
  Stamps stamps = make_stamps(kCapacity);
  std::unique_ptr<Fdb> fdb;
};

Result<Measured> measure_look_up(bool known, size_t paths, unsigned runs) {
  auto table = Table::make();
  if (!table) return tl::make_unexpected(table.error());
  if (const Status learned = (*table)->learn(paths); !learned) return tl::make_unexpected(learned.error());
  std::mt19937_64 random(1);
  std::vector<StationKey> keys(kLookups);
  for (StationKey& key : keys) key = station(random() % paths + (known ? 0 : kCapacity));
  PathLookup lookup(kDefaultPathBuckets);
  Measured measured;
  size_t found = 0;
  std::array<Where, kStations> where;
  for (unsigned run = 0; run <= runs; ++run) {
    const uint64_t start = rte_rdtsc_precise();
    for (size_t i = 0; i < keys.size(); i += kStations) {
      lookup.find({&keys[i], kStations}, *(*table)->published.load(), (*table)->stamps.get(), {1, 1}, where);
      found += where[0].is_nowhere() ? 0 : 1;
    }
    const uint64_t cycles = rte_rdtsc_precise() - start;
    if (run != 0) measured.values.push_back(static_cast<double>(cycles) / static_cast<double>(keys.size()));
  }
  if (found != (known ? (runs + 1) * (kLookups / kStations) : 0)) return error("{} MACs were found", found);
  return measured;
}

Result<Measured> measure_learn(size_t macs, unsigned runs) {
  Measured measured;
  double longest_us = 0;
  for (unsigned run = 0; run < runs; ++run) {
    auto table = Table::make();
    if (!table) return tl::make_unexpected(table.error());
    const TimePoint start = Clock::now();
    TimePoint last = start;
    for (size_t i = 0; i < macs; ++i) {
      (*table)->fdb->learn(station(i), Where::port(0), {}, 1);
      if (i % kBudget != 0) continue;
      (*table)->turn();
      const TimePoint now = Clock::now();
      longest_us = std::max(longest_us, std::chrono::duration<double, std::micro>(now - last).count());
      last = now;
    }
    const std::chrono::duration<double> took = Clock::now() - start;
    if ((*table)->fdb->count() != macs) return error("{} MACs were learned", (*table)->fdb->count());
    measured.values.push_back(static_cast<double>(macs) / took.count());
  }
  measured.note = fmt::format("the longest turn of {} took {:.0f} us", kBudget, longest_us);
  return measured;
}

}  // namespace

std::vector<Benchmark> path_benchmarks() {
  std::vector<Benchmark> benchmarks;
  for (const size_t paths : {1000, 100000, 1000000}) {
    for (const bool known : {true, false})
      benchmarks.push_back(
          {fmt::format("path_lookup.{}.{}", known ? "hit" : "miss", paths), "cycles/look-up",
           fmt::format("{} MACs among {}, {} at once, path table of {} buckets before the FDB",
                       known ? "known" : "unknown", paths, kStations, kDefaultPathBuckets),
           [=](unsigned runs) { return measure_look_up(known, paths, runs); }});
    benchmarks.push_back({fmt::format("fdb_learn.{}", paths), "operations/s",
                          "new MACs, from an FDB of its first size, growing",
                          [=](unsigned runs) { return measure_learn(paths, runs); }});
  }
  return benchmarks;
}

}  // namespace culvert::bench
