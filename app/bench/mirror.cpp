// The mirror: how fast it reads the kernel's routes, and follows their changes.
#include <net/if.h>
#include <poll.h>
#include <sched.h>

#include <cstdlib>
#include <thread>

#include "bench.hpp"
#include "kernel_load.hpp"
#include "mirror/mirror.hpp"

namespace culvert::bench {

namespace {

double seconds_since(TimePoint then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

// Work in a network namespace of its own, with a link v0 that has 10.0.0.1/24: on a thread that ends with it.
Result<Measured> in_own_netns(const std::function<Result<Measured>(int v0)>& work) {
  Result<Measured> result = error("not measured");
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      result = error("cannot make a network namespace: run as root");
      return;
    }
    const int made = std::system(
        "ip link add v0 type veth peer name p0 && ip link set v0 up && ip link set p0 up && "
        "ip address add 10.0.0.1/24 dev v0");
    result = made == 0 ? work(static_cast<int>(::if_nametoindex("v0"))) : error("ip: cannot make a link");
  }).join();
  return result;
}

void turn(mirror::Mirror& mirror) {
  pollfd fd{mirror.fd(), POLLIN, 0};
  ::poll(&fd, 1, 100);
  mirror.poll(512, Clock::now());
}

Result<std::unique_ptr<mirror::Mirror>> synced() {
  auto mirror = mirror::Mirror::create({.receive_buffer_bytes = size_t{256} << 20});
  while (mirror && !(*mirror)->ready()) turn(**mirror);
  return mirror;
}

void load_routes(uint32_t count, int v0, uint32_t gateway) {
  KernelLoad load;
  for (uint32_t i = 0; i < count; ++i) load.route(true, i, v0, gateway);
}

Result<Measured> measure_sync(uint32_t routes, unsigned runs) {
  return in_own_netns([=](int v0) -> Result<Measured> {
    load_routes(routes, v0, 0x0a000009);
    std::vector<double> values;
    for (unsigned run = 0; run < runs; ++run) {
      const TimePoint start = Clock::now();
      const auto mirror = synced();
      if (!mirror) return tl::make_unexpected(mirror.error());
      values.push_back(static_cast<double>((*mirror)->stats().routes) / seconds_since(start));
    }
    return Measured{std::move(values)};
  });
}

// Every route gets another gateway while the mirror follows; the other core makes the changes.
Result<Measured> measure_events(uint32_t routes, unsigned runs) {
  return in_own_netns([=](int v0) -> Result<Measured> {
    load_routes(routes, v0, 0x0a000009);
    const auto mirror = synced();
    if (!mirror) return tl::make_unexpected(mirror.error());
    std::vector<double> values;
    for (unsigned run = 0; run < runs; ++run) {
      const uint64_t wanted = (*mirror)->stats().sequence + routes;
      const TimePoint start = Clock::now();
      std::thread loader([&] { load_routes(routes, v0, 0x0a000010 + run); });
      while ((*mirror)->stats().sequence < wanted && (*mirror)->stats().overruns == 0) turn(**mirror);
      values.push_back(routes / seconds_since(start));
      loader.join();
      if ((*mirror)->stats().overruns != 0) return error("the kernel dropped events");
    }
    return Measured{std::move(values)};
  });
}

}  // namespace

std::vector<Benchmark> mirror_benchmarks() {
  std::vector<Benchmark> benchmarks;
  for (const uint32_t routes : {10000u, 1000000u})
    benchmarks.push_back({fmt::format("mirror_sync.{}", routes), "routes/s",
                          "from the opening of the sockets until the tables are the kernel's; IPv4 /24",
                          [=](unsigned runs) { return measure_sync(routes, runs); }});
  for (const uint32_t routes : {10000u, 200000u, 1000000u})
    benchmarks.push_back({fmt::format("mirror_events.{}", routes), "events/s",
                          "another thread replaces every route; the kernel's own work is in it",
                          [=](unsigned runs) { return measure_events(routes, runs); }});
  return benchmarks;
}

}  // namespace culvert::bench
