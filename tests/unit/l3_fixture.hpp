// l3 networks of a real kernel, in a namespace of the test's own.
#pragma once

#include <rte_bus_vdev.h>

#include "control/l3_networks.hpp"
#include "eal.hpp"
#include "mirror_lab.hpp"

namespace culvert::control {

using dataplane::DropReason;
using dataplane::Way;
using Kind = Way::Kind;

inline constexpr uint32_t kTable = 100;

// v0 is port 0's link; vx2 and vx3 are tunnels to 10.1.0.2 and 10.1.0.3, on the side of v1.
class L3NetworksTest : public mirror::Lab {
 protected:
  void SetUp() override {
    culvert::testing::start_eal();
    Lab::SetUp();
    make_links();
    ip("neighbour add 10.0.0.9 dev v0 lladdr 02:00:00:00:00:09 nud permanent");
    domain = std::move(*rcu::Domain::create());
    ASSERT_EQ(rte_vdev_init("net_null_l3", "no-rx=1"), 0);
    pool = std::move(*port::create_mempool("l3", 1024));
    port = std::move(*port::Port::open({.name = "tenant", .ethdev = "net_null_l3", .pool = pool.get()}));
    ASSERT_TRUE(port->start());
    dataplane::Setup setup;
    setup.ports = {{.port = port.get()}};
    setup.lcores = {1};
    setup.domain = domain.get();
    path = std::move(*dataplane::Dataplane::create(setup));
    ASSERT_TRUE(path->set_networks({{.id = 0, .ports = {0}, .encaps = {2, 3}, .routed = true}}));
    mirror = make();
    sync(*mirror);
    make_networks();
  }
  void make_networks(dataplane::HopId hops_end = dataplane::kMaxHops) {
    networks = std::make_unique<L3Networks>(
        *mirror, *path, *domain, [this](const NeighbourKey& key) { used.push_back(key); }, hops_end);
    configure();
  }
  void TearDown() override {
    networks.reset();
    path.reset();
    port.reset();
    rte_vdev_uninit("net_null_l3");
  }

  void configure(std::vector<config::StaticRoute> routes = {}, std::optional<uint32_t> table = kTable) {
    L3Spec spec;
    spec.network.name = "red";
    spec.network.type = config::Network::Type::l3;
    spec.network.ports = {{"tenant", {}}};
    spec.network.tunnels = {"vx2", "vx3"};
    spec.network.table = table;
    spec.network.routes = std::move(routes);
    spec.tunnels = {{"vx2", 2, *net::IpAddr::parse("10.1.0.2"), 200},
                    {"vx3", 3, *net::IpAddr::parse("10.1.0.3"), 300}};
    spec.ports = {{0, "v0", port->mac(), 1500}};
    networks->set({spec}, Clock::now());
  }
  // Until all that the kernel has said is in the tables.
  void settle() {
    sync(*mirror);
    do {
      networks->flush(Clock::now());
    } while (networks->is_behind());
    path->poll(Clock::now(), 1 << 16);
  }
  // The longest turn until all is in the tables, for a person to read.
  Duration longest_turn() {
    Duration longest{};
    do {
      const TimePoint begin = Clock::now();
      networks->flush(begin);
      longest = std::max(longest, Clock::now() - begin);
    } while (networks->is_behind());
    std::printf("longest turn: %.1f ms\n", std::chrono::duration<double, std::milli>(longest).count());
    return longest;
  }
  static void many_routes(unsigned count, const char* what, const std::string& how) {
    std::string commands;
    for (unsigned i = 0; i < count; ++i)
      commands +=
          fmt::format("route {} {}.{}.{}.0/24 {}\n", what, 40 + i / 65536, i / 256 % 256, i % 256, how);
    ip(commands);
  }
  fib::Hop hop(const char* address) const { return path->routes(0)->find(*net::IpAddr::parse(address)); }
  const dataplane::RouteHop& leads(const char* address) const {
    static const dataplane::RouteHop none;
    const dataplane::RouteHop* const found = path->hop(hop(address));
    return found != nullptr ? *found : none;
  }
  Way way(const char* address) const { return leads(address).only; }
  static Way into(unsigned encap) { return {.kind = Kind::tunnel, .encap = encap}; }
  static Way dropped(DropReason reason) { return {.reason = reason}; }
  net::Mac mac_of_v0() const { return mirror->link_by_name("v0")->mac; }

  std::unique_ptr<rcu::Domain> domain;
  port::Mempool pool;
  std::unique_ptr<port::Port> port;
  std::unique_ptr<dataplane::Dataplane> path;
  std::unique_ptr<mirror::Mirror> mirror;
  std::unique_ptr<L3Networks> networks;
  std::vector<NeighbourKey> used;
};

}  // namespace culvert::control
