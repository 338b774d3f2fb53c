// Many routes and neighbours. Small by default; CULVERT_SCALE=50 makes it a million and a hundred thousand.
#include <sys/resource.h>

#include <thread>

#include "bench/kernel_load.hpp"
#include "mirror_lab.hpp"

namespace culvert::mirror {
namespace {

using bench::KernelLoad;

class Scale : public Lab {
 protected:
  void SetUp() override {
    Lab::SetUp();
    make_links();
    const char* text = std::getenv("CULVERT_SCALE");
    scale = text == nullptr ? 1 : static_cast<uint32_t>(std::atoi(text));
    routes = 20000 * scale;
    neighbours = 2000 * scale;
  }
  void load_routes(bool add) const {
    KernelLoad load;
    for (uint32_t i = 0; i < routes; ++i) load.route(add, i, v0, 0x0a000009);
  }
  // Others keep the kernel busy while the mirror reads: in the same namespace, on a thread of its own.
  template <typename Work>
  void while_pumping(Mirror& mirror, const Work& work, Duration nap = 0ms) const {
    std::atomic<bool> done{false};
    std::thread thread([&] {
      work();
      done = true;
    });
    while (!done) {
      pollfd fd{mirror.fd(), POLLIN, 0};
      ::poll(&fd, 1, 10);
      mirror.poll(512, Clock::now());
      mirror.on_timer(Clock::now());
      std::this_thread::sleep_for(nap);
    }
    thread.join();
  }
  static void settle(Mirror& mirror) {
    pump_until(
        mirror,
        [&] {
          mirror.on_timer(Clock::now());
          return mirror.ready() && mirror.stats().consistent;
        },
        120s);
    sync(mirror);
  }
  void expect_equal(Mirror& mirror) const {
    auto fresh = make();
    settle(*fresh);
    EXPECT_TRUE(lines(mirror) == lines(*fresh)) << "the mirror differs from a fresh dump";
  }
  int v0 = 3;  // make_links()
  uint32_t scale = 1, routes = 0, neighbours = 0;
};

TEST_F(Scale, RoutesAreKeptInLessThanAHundredBytes) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer keeps several bytes beside each of ours: the process's size says nothing";
#endif
  load_routes(true);
  const auto used_kb = [] {
    rusage usage;
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const long before = used_kb();
  auto mirror = make();
  const auto start = Clock::now();
  settle(*mirror);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  ASSERT_GE(mirror->stats().routes, routes);
  const double bytes = 1024.0 * static_cast<double>(used_kb() - before) / routes;
  RecordProperty("seconds", std::to_string(seconds));
  RecordProperty("bytes", std::to_string(bytes));
  EXPECT_LT(bytes, 100 + 8e6 / routes) << "sockets and the rest come on top";
}

// The kernel drops events, again and again; what did not change is told to nobody.
TEST_F(Scale, FlushAndReloadWithABufferTooSmall) {
  ip("route add 99.0.0.0/24 via 10.0.0.8\nneigh add 10.0.0.8 lladdr 02:00:00:00:00:08 dev v0 nud permanent");
  load_routes(true);
  Options options;
  options.receive_buffer_bytes = 16384;
  options.retry_after = 10ms;
  auto mirror = make(options);
  settle(*mirror);
  Replica replica;
  mirror->subscribe(replica);
  replica.deltas.clear();
  const auto flush_and_reload = [&] {
    load_routes(false);
    load_routes(true);
  };
  while_pumping(*mirror, flush_and_reload, 5ms);
  settle(*mirror);
  EXPECT_GE(mirror->stats().overruns, 1u);
  expect_equal(*mirror);
  for (const char* unchanged : {"99.0.0.0", "10.0.0.8", "link", "address", "rule"})
    EXPECT_EQ(replica.deltas_with(unchanged), 0u) << unchanged;
  mirror->unsubscribe(replica);
}

// net.ipv4.nexthop_compat_mode: the kernel tells of every route on it, and none of them is another.
TEST_F(Scale, TheFloodAfterANexthopChangesNothing) {
  ip("nexthop add id 1 via 10.0.0.9 dev v0");
  {
    KernelLoad load;
    for (uint32_t i = 0; i < routes; ++i) load.route_on(1, i);
  }
  auto mirror = make();
  settle(*mirror);
  Replica replica;
  mirror->subscribe(replica);
  replica.deltas.clear();
  while_pumping(*mirror, [] { ip("nexthop replace id 1 via 10.0.0.8 dev v0"); });
  settle(*mirror);
  EXPECT_EQ(replica.deltas_with("nexthop 1 "), 2u) << "before and after";
  EXPECT_EQ(replica.deltas_with("route "), 0u);
  EXPECT_EQ(mirror->stats().overruns, 0u);
  EXPECT_EQ(mirror->stats().epoch, 1u);
  EXPECT_EQ(mirror->lookup(RT_TABLE_MAIN, *net::IpAddr::parse("40.0.0.1"))->hops[0].via,
            net::IpAddr::parse("10.0.0.8"));
  expect_equal(*mirror);
  mirror->unsubscribe(replica);
}

TEST_F(Scale, NeighboursThatChangeAllTheTime) {
  {
    KernelLoad load;
    for (uint32_t i = 0; i < neighbours; ++i) load.neighbour(0x0a020000 + i, v0, i);
  }
  auto mirror = make();
  settle(*mirror);
  const uint64_t before = mirror->stats().sequence;
  const uint32_t seconds = scale == 1 ? 1 : 60;
  while_pumping(*mirror, [&] {
    KernelLoad load;
    const auto start = Clock::now();
    for (uint32_t turn = 0; turn < 100 * seconds; ++turn) {  // 10,000 events a second
      for (uint32_t i = 0; i < 100; ++i)
        load.neighbour(0x0a020000 + (turn * 100 + i) * 7919 % neighbours, v0, 0x10000000 + turn * 100 + i);
      load.flush();
      std::this_thread::sleep_until(start + turn * 10ms);
    }
  });
  settle(*mirror);
  EXPECT_EQ(mirror->stats().sequence - before, 10000u * seconds) << "each is one change";
  EXPECT_EQ(mirror->stats().overruns, 0u);
  EXPECT_EQ(mirror->stats().epoch, 1u);
  expect_equal(*mirror);
}

}  // namespace
}  // namespace culvert::mirror
