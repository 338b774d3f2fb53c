// The packet path with its threads: under TSan the proof that nothing is shared that should not be.
#include <rte_bus_vdev.h>

#include <atomic>
#include <deque>
#include <thread>

#include "rig.hpp"

namespace culvert::testing {
namespace {

// The sink frees what it is given at once, on the thread that sends: no mbuf goes from thread to thread,
// which would be hidden from TSan in DPDK's libraries.
class Sink {
 public:
  Sink(rte_mempool* pool, unsigned workers) {
    EXPECT_EQ(rte_vdev_init("net_null_sink", "no-rx=1"), 0);
    port = std::move(
        *port::Port::open({.name = "sink", .ethdev = "net_null_sink", .workers = workers, .pool = pool}));
    EXPECT_TRUE(port->start());
  }
  ~Sink() {
    port.reset();
    rte_vdev_uninit("net_null_sink");
  }
  std::unique_ptr<port::Port> port;
};

class TwoWorkers : public ::testing::Test {
 protected:
  static constexpr unsigned kWorkers = 2;

  TwoWorkers() {
    start_eal();
    domain = std::move(*rcu::Domain::create());
    for (const char* name : {"t0", "t1"}) tenants.push_back(std::make_unique<RingPort>(name, 1, 256));
    sink = std::make_unique<Sink>(tenants[0]->port().pool(), kWorkers);
    dataplane::Setup setup;
    for (auto& tenant : tenants) setup.ports.push_back({&tenant->port(), true, {}});
    setup.ports.push_back({sink->port.get(), false, {}});
    setup.lcores = {1, 2};
    setup.domain = domain.get();
    setup.fdb_capacity = 1 << 18;
    path = std::move(*dataplane::Dataplane::create(setup));
    EXPECT_TRUE(path->set_networks(networks(200)));
  }

  // Tenants do not reach each other: all goes to the sink, by tunnel.
  static std::vector<dataplane::NetworkSpec> networks(uint32_t max_macs) {
    return {{.id = 0, .ports = {0}, .encaps = {0, 1}, .max_macs = max_macs},
            {.id = 1, .ports = {1}, .encaps = {2, 3}}};
  }

  void resolve(unsigned encap, unsigned gateway) {
    tunnel::Tunnel tunnel;
    tunnel.vni = encap;
    tunnel::EncapRule rule;
    rule.port = 2;
    rule.mtu = 1600;
    rule.header = make_header(tunnel, to_mac(gateway), to_mac(kOurMac), std::nullopt);
    EXPECT_TRUE(path->set_encap(encap, tunnel, &rule));
  }

  // Two masks; tables that grow, empty and go.
  void change_flows(unsigned round) {
    for (unsigned i = 0; i < 20; ++i) {
      const unsigned station = (round * 20 + i) % 1000;
      dataplane::FlowRule rule{.port = static_cast<dataplane::PortIndex>(i % 2), .encap = i % 4};
      rule.match.eth_src = to_mac(station);
      if (i % 3 == 0) rule.match.ip_proto = 17;
      EXPECT_TRUE(path->set_flow(station, rule));
      if (round % 100 > 50) path->remove_flow((station + 500) % 1000);
    }
    for (unsigned id = 0; round % 100 == 99 && id < 1000; ++id) path->remove_flow(id);
    path->flow_counters(round % 1000);
  }

  // Of changing stations.
  static Bytes bridged(unsigned turn, unsigned place) {
    const unsigned station = (turn + place) % 400;
    return udp_frame(1 + (station * 7 + place) % 400, 1 + station, 64);
  }

  // One worker's thread: makes its own traffic, and runs the worker's turns; half of them not before 100
  // rounds of the other thread's changes.
  void work(unsigned worker, unsigned turns, Bytes (*frame_of)(unsigned turn, unsigned place) = bridged) {
    domain->online(1 + worker);
    for (unsigned i = 0; i < turns; ++i) {
      while (i == turns / 2 && rounds < 100) {
        path->worker(worker).turn();
        domain->offline(1 + worker);
        std::this_thread::yield();
        domain->online(1 + worker);
      }
      for (unsigned j = 0; j < 8; ++j) tenants[worker]->arrive(frame_of(i, j));
      path->worker(worker).turn();
      if (i % 64 == 0) {
        domain->offline(1 + worker);
        std::this_thread::yield();
        domain->online(1 + worker);
      }
    }
    domain->offline(1 + worker);
    done.fetch_add(1);
  }

  std::unique_ptr<rcu::Domain> domain;
  std::vector<std::unique_ptr<RingPort>> tenants;
  std::unique_ptr<Sink> sink;
  std::unique_ptr<dataplane::Dataplane> path;
  std::atomic<unsigned> done{0}, rounds{0};
};

// Learning, moves, ageing, new next hops, networks and flows that come and go: all while both workers
// forward.
TEST_F(TwoWorkers, ForwardWhileEverythingChanges) {
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < kWorkers; ++worker)
    workers.emplace_back([this, worker] { work(worker, 4000); });
  TimePoint now{seconds(1)};
  std::optional<dataplane::Fence> fence;
  for (unsigned round = 0; done != kWorkers; ++round, ++rounds) {
    now += milliseconds(700);
    path->poll(now, 64);
    resolve(round % 4, round);
    if (round % 3 == 0) {
      const auto where = round % 2 == 0 ? Where::tunnel(0) : Where::tunnel(1);
      EXPECT_TRUE(path->add_path(0, to_mac(1 + round % 50), where));
    }
    if (round % 50 == 7) {
      EXPECT_TRUE(path->set_networks(networks(100 + round % 100)));
    }
    if (round % 50 == 20) path->remove_encap(3);
    change_flows(round);
    if (!fence || path->passed(*fence)) fence = path->fence();
    if (round % 50 == 30) path->set_own_macs(0, {to_mac(round)});
    if (round % 7 == 0) path->set_path_buckets(size_t{2} << round % 12);
    path->set_collector_period(seconds(1 + round % 30));
    if (round % 10 == 0) {
      path->stats();
      path->paths(now);
    }
  }
  for (auto& worker : workers) worker.join();
  ASSERT_TRUE(fence);
  EXPECT_GT(fence->number, 10u);
  const auto stats = path->stats();
  EXPECT_GT(stats.learned, 100u);
  EXPECT_GT(stats.forwarded, 1000u);
  EXPECT_EQ(stats.rx, 2u * 4000 * 8);
}

// Of ever new stations, to others.
Bytes crowd(unsigned turn, unsigned place) {
  const unsigned station = (turn * 8 + place) % 20'000;
  return udp_frame(1 + (station * 7) % 20'000, 1 + station, 64);
}

// The FDB outgrows its table, rows move, age and are taken out and put back, all while both workers look up.
TEST_F(TwoWorkers, LookUpWhileTheFdbGrows) {
  using dataplane::Origin;
  EXPECT_TRUE(path->set_networks(networks(65536)));
  for (unsigned encap = 0; encap < 4; ++encap) resolve(encap, 5);
  std::atomic<bool> grown{false};
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < kWorkers; ++worker)
    workers.emplace_back([this, worker, &grown] {
      while (!grown) work(worker, 2500, crowd);
    });
  TimePoint now{seconds(1)};
  path->set_collector_period(seconds(1));
  size_t most = 0;
  const auto deadline = Clock::now() + seconds(120);
  for (unsigned round = 0; most <= 20'000 && Clock::now() < deadline; ++round, ++rounds) {
    now += std::chrono::microseconds(50);
    path->poll(now, 4096);
    const net::Mac mac = to_mac(1 + round % 500);
    const auto origin = round % 2 == 0 ? Origin::kernel : Origin::configured;
    EXPECT_TRUE(path->add_path(0, mac, Where::tunnel(round % 2), origin));
    if (round % 3 == 0) path->remove_path(0, mac, origin);
    path->touch(1, mac);
    if (round % 256 == 0) most = std::max(most, path->paths(now).size());
    if (round == 1000) path->flush_paths(1);
  }
  grown = true;
  for (auto& worker : workers) worker.join();
  EXPECT_GT(most, 20'000u) << "more than the first table has room for";
}

// To 64 networks of 16 stations each, all of which may be routed or not.
Bytes routed(unsigned turn, unsigned place) {
  const uint32_t destination = 0x0a070000 | ((turn * 8 + place) % 64) << 8 | turn % 16;
  return ethernet(mac(kOurMac), mac(0xa1), 0x0800,
                  ipv4({.dst = destination}, udp(1000 + turn % 100, 9, Bytes(20, 1))));
}

// Hops that come, change and go by the rules of control/hop_ids.hpp, with routes on them and neighbours
// behind them.
class Router {
 public:
  Router(dataplane::Dataplane& path, rcu::Domain& domain) : path_(path), domain_(domain) {
    for (dataplane::HopId id = 1; id < 200; ++id) free_.push_back(id);
  }

  void set_route(unsigned number, const std::vector<dataplane::WeightedWay>& ways) {
    give_back(path_.routes(0)->set(prefix(number), take(ways)));
  }
  void erase_route(unsigned number) { give_back(path_.routes(0)->set(prefix(number), fib::kNoRoute)); }
  void change_hop(unsigned number, const std::vector<dataplane::WeightedWay>& ways) {
    const dataplane::HopId hop = path_.routes(0)->find(prefix(number).address);
    if (hop != fib::kNoRoute) path_.set_hop(hop, dataplane::make_route_hop(ways));
  }
  void set_neighbour(unsigned number, const dataplane::Way& way) {
    const net::IpAddr ip = *net::IpAddr::parse(fmt::format("10.7.{}.{}", number % 64, number % 16));
    give_back(path_.neighbours(2).set({ip, 32}, number % 3 == 0 ? fib::kNoRoute : take({{way, 1}})));
  }
  // The same routes, built at once.
  void rebuild() {
    std::vector<fib::Route<4>> all;
    for (unsigned number = 0; number < 64; ++number) {
      const dataplane::HopId hop = path_.routes(0)->find(prefix(number).address);
      if (hop != fib::kNoRoute) all.push_back({fib::address_of<4>(prefix(number).address), 24, hop});
    }
    path_.routes(0)->v4.load(all);
  }
  // Numbers that no worker can have read any more.
  void reclaim() {
    for (; !gone_.empty() && domain_.passed(gone_.front().first); gone_.pop_front()) {
      path_.remove_hop(gone_.front().second);
      free_.push_back(gone_.front().second);
    }
  }

 private:
  static net::Prefix prefix(unsigned number) {
    return *net::Prefix::parse(fmt::format("10.7.{}.0/24", number % 64));
  }
  dataplane::HopId take(const std::vector<dataplane::WeightedWay>& ways) {
    if (free_.empty()) return fib::kNoRoute;
    const dataplane::HopId id = free_.back();
    free_.pop_back();
    path_.set_hop(id, dataplane::make_route_hop(ways));
    return id;
  }
  void give_back(dataplane::HopId id) {
    if (id != fib::kNoRoute) gone_.push_back({domain_.start(), id});
  }

  dataplane::Dataplane& path_;
  rcu::Domain& domain_;
  std::vector<dataplane::HopId> free_;
  std::deque<std::pair<uint64_t, dataplane::HopId>> gone_;
};

// Routes, hops, neighbours and the network itself come, change and go while both workers route.
TEST_F(TwoWorkers, RouteWhileEverythingChanges) {
  using dataplane::Way;
  path->set_own_macs(0, {to_mac(kOurMac)});
  path->set_own_macs(1, {to_mac(kOurMac)});
  const auto set_networks = [&](bool also_second) {
    std::vector<dataplane::NetworkSpec> specs{{.id = 0, .ports = {0, 2}, .encaps = {0, 1}, .routed = true}};
    if (also_second) specs.push_back({.id = 1, .ports = {1}, .encaps = {2, 3}, .routed = true});
    EXPECT_TRUE(path->set_networks(specs));
  };
  set_networks(true);
  for (unsigned encap = 0; encap < 4; ++encap) resolve(encap, 5);
  Router router(*path, *domain);
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < kWorkers; ++worker)
    workers.emplace_back([this, worker] { work(worker, 4000, routed); });
  TimePoint now{seconds(1)};
  const auto station = [](unsigned number) {
    return Way{.kind = Way::Kind::station, .port = 2, .dst_mac = to_mac(number), .src_mac = to_mac(kOurMac)};
  };
  for (unsigned round = 0; done != kWorkers; ++round, ++rounds) {
    now += milliseconds(700);
    path->poll(now, 64);
    router.reclaim();
    const Way tunnel{.kind = Way::Kind::tunnel, .encap = round % 2};
    const Way on_link{.kind = Way::Kind::on_link, .port = 2};
    router.set_route(round, {{round % 3 == 0 ? on_link : tunnel, 1}});
    router.change_hop(round * 5, {{tunnel, 1 + round % 4}, {station(round), 2}});
    router.set_neighbour(round * 7, station(round));
    if (round % 4 == 0) router.erase_route(round * 3);
    if (round % 50 == 10) router.rebuild();
    if (round % 50 == 20) set_networks(round % 100 == 20);
    resolve(round % 4, round);
  }
  for (auto& worker : workers) worker.join();
  const auto stats = path->stats();
  EXPECT_EQ(stats.rx, 2u * 4000 * 8);
  EXPECT_GT(stats.encapsulated, 100u);
  EXPECT_GT(stats.forwarded, stats.encapsulated);
  uint64_t dropped = 0;
  for (const uint64_t count : stats.drops) dropped += count;
  EXPECT_EQ(stats.forwarded + dropped + stats.exceptions, stats.rx) << "each is sent on or has a reason";
}

// The real loop on real lcores: launched, idle, stopped; every packet arrives.
TEST_F(TwoWorkers, OnTheirLcores) {
  for (unsigned encap = 0; encap < 4; ++encap) resolve(encap, 5);
  EXPECT_TRUE(path->add_path(0, to_mac(9), Where::tunnel(0)));
  EXPECT_TRUE(path->add_path(1, to_mac(9), Where::tunnel(2)));
  for (auto& tenant : tenants)
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(tenant->arrive(udp_frame(9, 1, 64)));
  ASSERT_TRUE(path->launch());
  EXPECT_FALSE(path->launch());  // they are busy
  const auto deadline = Clock::now() + seconds(20);
  while (path->stats().encapsulated != 200 && Clock::now() < deadline) {
    path->poll(Clock::now(), 64);
    std::this_thread::sleep_for(milliseconds(1));
  }
  path->shutdown();
  const auto stats = path->stats();
  EXPECT_EQ(stats.encapsulated, 200u);
  EXPECT_EQ(stats.tx, 200u);
  ASSERT_EQ(stats.lcores.size(), 2u);
  EXPECT_EQ(stats.lcores[0].rx, 100u);
  EXPECT_EQ(stats.lcores[1].rx, 100u);
  EXPECT_EQ(path->encap_counters(0).packets, 100u);
}

}  // namespace
}  // namespace culvert::testing
