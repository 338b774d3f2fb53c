// The packet path: TSC cycles of one worker for each packet, from a source that replays frames without end
// (net_pcap, which copies each into a fresh mbuf) to a sink that counts and frees (net_null). The floors run
// the same ports and bursts with nothing between, or a MAC swap: what is above them is our own work.
#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <optional>

#include "bench.hpp"
#include "dataplane/dataplane.hpp"
#include "frames.hpp"
#include "port/port.hpp"

namespace culvert::bench {

namespace {

constexpr double kWindowS = 0.5;
constexpr uint16_t kBurst = 32;
constexpr unsigned kSpareMbufs = 24000;

// A temporary folder with the pcap file in it.
class TempDir {
 public:
  TempDir() {
    std::string pattern = std::filesystem::temp_directory_path() / "culvert-bench.XXXXXX";
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A vdev and the port on it; both go with it.
class VdevPort {
 public:
  VdevPort(std::string vdev, const std::string& arguments, rte_mempool* pool) : vdev_(std::move(vdev)) {
    if (const int rc = rte_vdev_init(vdev_.c_str(), arguments.c_str()); rc != 0) {
      status = error("{} does not start: {}", vdev_, errno_text(rc));
      return;
    }
    auto opened = port::Port::open({.name = vdev_, .ethdev = vdev_, .pool = pool});
    if (!opened)
      status = tl::make_unexpected(opened.error());
    else
      status = (port = std::move(*opened))->start();
  }
  VdevPort(const VdevPort&) = delete;
  VdevPort& operator=(const VdevPort&) = delete;
  ~VdevPort() {
    port.reset();
    rte_vdev_uninit(vdev_.c_str());
  }

  Status status;
  std::unique_ptr<port::Port> port;

 private:
  std::string vdev_;
};

// Source and sink.
struct Bench {
  static Result<std::unique_ptr<Bench>> make(Kind kind, unsigned flows) {
    auto bench = std::make_unique<Bench>();
    const std::string file = bench->directory.file("frames.pcap");
    if (auto status = write_pcap(file, kind, flows); !status) return tl::make_unexpected(status.error());
    auto pool = port::create_mempool("bench", flows + kSpareMbufs);
    if (!pool) return tl::make_unexpected(pool.error());
    bench->pool = std::move(*pool);
    bench->source.emplace("net_pcap_bench", "rx_pcap=" + file + ",infinite_rx=1", bench->pool.get());
    bench->sink.emplace("net_null_bench", "no-rx=1", bench->pool.get());
    for (const auto* port : {&bench->source, &bench->sink})
      if (!(*port)->status) return tl::make_unexpected((*port)->status.error());
    return bench;
  }

  TempDir directory;
  port::Mempool pool;
  std::optional<VdevPort> source, sink;
};

unsigned worker_lcore() { return rte_get_next_lcore(UINT_MAX, 1, 0); }

// Cycles a packet over `runs` windows after one to warm up; `packets` tells how many went out by now.
std::vector<double> measure(unsigned runs, const std::function<uint64_t()>& packets,
                            const std::function<void()>& meanwhile) {
  std::vector<double> values;
  for (unsigned run = 0; run <= runs; ++run) {
    const uint64_t before = packets();
    const uint64_t start = rte_rdtsc();
    uint64_t now = start;
    while (static_cast<double>(now - start) < kWindowS * static_cast<double>(rte_get_tsc_hz())) {
      meanwhile();
      usleep(5000);
      now = rte_rdtsc();
    }
    const uint64_t count = packets() - before;
    if (run != 0) values.push_back(static_cast<double>(now - start) / static_cast<double>(count));
  }
  return values;
}

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
  auto bench = Bench::make(kind, flows);
  if (!bench) return tl::make_unexpected(bench.error());
  Floor floor;
  floor.source = (*bench)->source->port->id();
  floor.sink = (*bench)->sink->port->id();
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

constexpr dataplane::PortIndex kSource = 0, kSink = 1;

// One network with one port and one tunnel. To encapsulate the source is the tenant and the sink the
// underlay; to decapsulate it is the other way about.
Status set_up(dataplane::Dataplane& path, bool encap) {
  using dataplane::Where;
  tunnel::Tunnel tunnel;
  tunnel.vni = kVni;
  tunnel.local = net::IpAddr::v4(net::be32{kOuterDst});
  tunnel.remote = net::IpAddr::v4(net::be32{kOuterSrc});
  tunnel::EncapRule rule;
  rule.port = encap ? kSink : kSource;
  rule.mtu = 1600;
  rule.header = make_header(tunnel, kInnerDst, kInnerSrc, std::nullopt);
  const dataplane::PortIndex tenant = encap ? kSource : kSink;
  const Where destination = encap ? Where::tunnel(0) : Where::port(tenant);
  return path.set_encap(0, tunnel, &rule)
      .and_then([&] { return path.set_networks({{.id = 0, .ports = {tenant}, .encaps = {0}}}); })
      .and_then([&] {
        return path.set_terminations(
            {{tunnel.local, tunnel.remote, tunnel.dst_port, kVni, 0, dataplane::NetworkId{0}}});
      })
      .and_then([&] { return path.add_path(0, kInnerDst, destination); });
}

Result<std::vector<double>> measure_tunnel(bool encap, unsigned flows, unsigned runs) {
  auto bench = Bench::make(encap ? Kind::inner : Kind::vxlan, flows);
  if (!bench) return tl::make_unexpected(bench.error());
  auto domain = rcu::Domain::create();
  if (!domain) return tl::make_unexpected(domain.error());
  dataplane::Setup setup;
  setup.ports = {{.port = (*bench)->source->port.get()}, {.port = (*bench)->sink->port.get()}};
  setup.lcores = {worker_lcore()};
  setup.domain = domain->get();
  auto path = dataplane::Dataplane::create(setup);
  if (!path) return tl::make_unexpected(path.error());
  const Status ready = set_up(**path, encap).and_then([&] { return (*path)->launch(); });
  if (!ready) return tl::make_unexpected(ready.error());
  auto values = measure(
      runs, [&] { return (*path)->stats().tx; }, [&] { (*path)->poll(Clock::now(), 64); });
  (*path)->shutdown();
  const auto stats = (*path)->stats();
  if ((encap ? stats.encapsulated : stats.decapsulated) != stats.rx)
    return error("{} of {} packets went through the tunnel", encap ? stats.encapsulated : stats.decapsulated,
                 stats.rx);
  return values;
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
    add("vxlan_decap_l2", "114 B VXLAN frames to 64 B, one worker",
        [=](unsigned runs) { return measure_tunnel(false, flows, runs); });
  }
  return benchmarks;
}

}  // namespace culvert::bench
