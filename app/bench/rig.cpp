#include "rig.hpp"

#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <unistd.h>

#include <filesystem>

namespace culvert::bench {

namespace {
constexpr double kWindowS = 0.5;
constexpr unsigned kSpareMbufs = 24000;
}  // namespace

TempDir::TempDir() {
  std::string pattern = std::filesystem::temp_directory_path() / "culvert-bench.XXXXXX";
  if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Vdev::Vdev(std::string name, const std::string& arguments) : name_(std::move(name)) {
  const int rc = rte_vdev_init(name_.c_str(), arguments.c_str());
  if (rc == -1)  // the vdev bus's answer, no errno
    status = error("{} does not start: its driver is not in this build", name_);
  else if (rc != 0)
    status = error("{} does not start: {}", name_, errno_text(rc));
}

Vdev::~Vdev() { rte_vdev_uninit(name_.c_str()); }

VdevPort::VdevPort(const std::string& name, const std::string& arguments, rte_mempool* pool)
    : vdev_(name, arguments) {
  if (!(status = vdev_.status)) return;
  auto opened = port::Port::open({.name = name, .ethdev = name, .pool = pool});
  if (!opened)
    status = tl::make_unexpected(opened.error());
  else
    status = (port = std::move(*opened))->start();
}

Result<std::unique_ptr<Ends>> Ends::make(Kind kind, unsigned flows) {
  auto ends = std::make_unique<Ends>();
  const std::string file = ends->directory.file("frames.pcap");
  if (auto status = write_pcap(file, kind, flows); !status) return tl::make_unexpected(status.error());
  auto pool = port::create_mempool("bench", flows + kSpareMbufs);
  if (!pool) return tl::make_unexpected(pool.error());
  ends->pool = std::move(*pool);
  ends->source.emplace("net_pcap_bench", "rx_pcap=" + file + ",infinite_rx=1", ends->pool.get());
  ends->sink.emplace("net_null_bench", "no-rx=1", ends->pool.get());
  for (const auto* port : {&ends->source, &ends->sink})
    if (!(*port)->status) return tl::make_unexpected((*port)->status.error());
  return ends;
}

Result<std::unique_ptr<Gateway>> Gateway::make(Kind kind, unsigned flows) {
  auto gateway = std::make_unique<Gateway>();
  auto ends = Ends::make(kind, flows);
  if (!ends) return tl::make_unexpected(ends.error());
  gateway->ends = std::move(*ends);
  auto domain = rcu::Domain::create();
  if (!domain) return tl::make_unexpected(domain.error());
  gateway->domain = std::move(*domain);
  dataplane::Setup setup;
  setup.ports = {{.port = gateway->ends->source->port.get(), .own_macs = {kInnerDst}},
                 {.port = gateway->ends->sink->port.get()}};
  setup.lcores = {worker_lcore()};
  setup.domain = gateway->domain.get();
  auto path = dataplane::Dataplane::create(setup);
  if (!path) return tl::make_unexpected(path.error());
  gateway->path = std::move(*path);
  return gateway;
}

Status Gateway::set_up(bool encap) {
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
  return path->set_encap(0, tunnel, &rule)
      .and_then([&] { return path->set_networks({{.id = 0, .ports = {tenant}, .encaps = {0}}}); })
      .and_then([&] {
        return path->set_terminations(
            {{tunnel.local, tunnel.remote, tunnel.dst_port, kVni, 0, dataplane::NetworkId{0}}});
      })
      .and_then([&] { return path->add_path(0, kInnerDst, destination); });
}

Status Gateway::set_up_routed(unsigned flows) {
  tunnel::Tunnel tunnel;
  tunnel.vni = kVni;
  tunnel.local = net::IpAddr::v4(net::be32{kOuterDst});
  tunnel.remote = net::IpAddr::v4(net::be32{kOuterSrc});
  tunnel.inner_dst_mac = kInnerSrc;
  tunnel.inner_src_mac = kInnerDst;
  tunnel::EncapRule rule;
  rule.port = kSink;
  rule.mtu = 1600;
  rule.header = make_header(tunnel, kInnerDst, kInnerSrc, std::nullopt);
  if (auto status = path->set_encap(0, tunnel, &rule); !status) return status;
  if (auto status = path->set_networks({{.id = 0, .ports = {kSource}, .encaps = {0}, .routed = true}});
      !status)
    return status;
  path->set_hop(1, dataplane::make_route_hop({{{.kind = dataplane::Way::Kind::tunnel, .encap = 0}, 1}}));
  for (const FlowAddresses& flow : flow_addresses(flows))
    path->routes(0)->set(net::Prefix::of(net::IpAddr::v4(net::be32{flow.dst}), 24), 1);
  return {};
}

Result<std::vector<double>> Gateway::run(bool encap, unsigned runs) {
  if (auto status = path->launch(); !status) return tl::make_unexpected(status.error());
  auto values = measure(
      runs, [&] { return path->stats().tx; }, [&] { path->poll(Clock::now(), 64); });
  path->shutdown();
  const auto stats = path->stats();
  const uint64_t through = encap ? stats.encapsulated : stats.decapsulated;
  if (through != stats.rx) return error("{} of {} packets went through the tunnel", through, stats.rx);
  return values;
}

unsigned worker_lcore() { return rte_get_next_lcore(UINT_MAX, 1, 0); }

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

}  // namespace culvert::bench
