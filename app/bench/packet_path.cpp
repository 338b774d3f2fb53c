// The packet path: TSC cycles of one worker for each packet (see rig.hpp). The floors run the same ports and
// bursts with nothing between, or a MAC swap: what is above them is our own work.
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <array>
#include <atomic>

#include "bench.hpp"
#include "rig.hpp"

namespace culvert::bench {

namespace {

constexpr uint16_t kBurst = 32;

struct Floor {
  uint16_t source = 0, sink = 0;
  bool swap_macs = false;
  std::atomic<bool> running{true};
  alignas(RTE_CACHE_LINE_SIZE) std::atomic<uint64_t> packets{0};  // the lcore writes
};

int run_floor(void* argument) {
  auto& floor = *static_cast<Floor*>(argument);
  std::array<rte_mbuf*, kBurst> burst;
  while (floor.running.load(std::memory_order_relaxed)) {
    const uint16_t count = rte_eth_rx_burst(floor.source, 0, burst.data(), kBurst);
    if (floor.swap_macs) {
      for (uint16_t i = 0; i < count; ++i) {
        auto* header = rte_pktmbuf_mtod(burst[i], rte_ether_hdr*);
        std::swap(header->src_addr, header->dst_addr);
      }
    }
    const uint16_t sent = rte_eth_tx_burst(floor.sink, 0, burst.data(), count);
    for (uint16_t i = sent; i < count; ++i) rte_pktmbuf_free(burst[i]);
    floor.packets.store(floor.packets.load(std::memory_order_relaxed) + sent, std::memory_order_relaxed);
  }
  return 0;
}

Result<std::vector<double>> measure_floor(Kind kind, bool swap_macs, unsigned flows, unsigned runs) {
  auto ends = Ends::make(kind, flows);
  if (!ends) return tl::make_unexpected(ends.error());
  Floor floor;
  floor.source = (*ends)->source->port->id();
  floor.sink = (*ends)->sink->port->id();
  floor.swap_macs = swap_macs;
  const unsigned lcore = worker_lcore();
  if (const int rc = rte_eal_remote_launch(run_floor, &floor, lcore); rc != 0)
    return error("lcore {} does not start: {}", lcore, errno_text(rc));
  auto values = measure(
      runs, [&] { return floor.packets.load(std::memory_order_relaxed); }, [] {});
  floor.running.store(false, std::memory_order_relaxed);
  rte_eal_wait_lcore(lcore);
  return values;
}

Result<std::vector<double>> measure_tunnel(bool encap, unsigned flows, unsigned runs) {
  auto gateway = Gateway::make(encap ? Kind::inner : Kind::vxlan, flows);
  if (!gateway) return tl::make_unexpected(gateway.error());
  if (auto status = (*gateway)->set_up(encap); !status) return tl::make_unexpected(status.error());
  return (*gateway)->run(encap, runs);
}

Result<std::vector<double>> measure_routed(unsigned flows, unsigned runs) {
  auto gateway = Gateway::make(Kind::inner, flows);
  if (!gateway) return tl::make_unexpected(gateway.error());
  if (auto status = (*gateway)->set_up_routed(flows); !status) return tl::make_unexpected(status.error());
  return (*gateway)->run(true, runs);
}

}  // namespace

std::vector<Benchmark> packet_path_benchmarks() {
  struct FloorSort {
    const char* name;
    Kind kind;
    bool swap_macs;
    const char* what;
  };
  constexpr std::array<FloorSort, 4> kFloors{
      FloorSort{"floor_io", Kind::inner, false, "64 B frames, nothing between source and sink"},
      {"floor_macswap", Kind::inner, true, "64 B frames, a MAC swap between source and sink"},
      {"floor_io_vxlan", Kind::vxlan, false, "114 B VXLAN frames, nothing between source and sink"},
      {"floor_macswap_vxlan", Kind::vxlan, true, "114 B VXLAN frames, a MAC swap between source and sink"}};
  std::vector<Benchmark> benchmarks;
  for (const unsigned flows : {1u, 1000u, 100000u}) {
    const auto add = [&](const char* name, const char* what, auto run) {
      benchmarks.push_back({fmt::format("{}.{}", name, flows), "cycles/packet",
                            fmt::format("{}; {} flows", what, flows), run});
    };
    for (const FloorSort& floor : kFloors)
      add(floor.name, floor.what,
          [=](unsigned runs) { return measure_floor(floor.kind, floor.swap_macs, flows, runs); });
    add("vxlan_encap_l2", "64 B frames into VXLAN over IPv4, one worker",
        [=](unsigned runs) { return measure_tunnel(true, flows, runs); });
    add("vxlan_encap_l3", "64 B packets routed into VXLAN over IPv4, a /24 each, one worker",
        [=](unsigned runs) { return measure_routed(flows, runs); });
    add("vxlan_decap_l2", "114 B VXLAN frames to 64 B, one worker",
        [=](unsigned runs) { return measure_tunnel(false, flows, runs); });
  }
  return benchmarks;
}

}  // namespace culvert::bench
