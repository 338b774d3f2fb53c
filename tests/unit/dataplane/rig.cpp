#include "rig.hpp"

#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_mbuf.h>

#include <numeric>

namespace culvert::testing {

using namespace dataplane;

RingPort::RingPort(const std::string& name, unsigned workers, unsigned ring_size) {
  pool_ = std::move(*port::create_mempool("pool_" + name, 8191));
  rx_.reset(rte_ring_create(("rx_" + name).c_str(), ring_size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ));
  tx_.reset(rte_ring_create(("tx_" + name).c_str(), ring_size, SOCKET_ID_ANY, RING_F_SC_DEQ));
  rte_ring* rx = rx_.get();
  rte_ring* tx = tx_.get();
  EXPECT_GE(rte_eth_from_rings(name.c_str(), &rx, 1, &tx, 1, 0), 0);
  auto port =
      port::Port::open({.name = name, .ethdev = "net_ring_" + name, .workers = workers, .pool = pool_.get()});
  if (!port) throw std::runtime_error(port.error().message);
  port_ = std::move(*port);
  EXPECT_TRUE(port_->start());
}

RingPort::~RingPort() {
  drain();
  EXPECT_EQ(in_use(), 0u) << "mbufs leaked";
  const std::string vdev = port_->ethdev();
  port_.reset();
  rte_vdev_uninit(vdev.c_str());
}

void RingPort::drain() {
  void* packet = nullptr;
  while (rte_ring_dequeue(rx_.get(), &packet) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
  sent();
}

bool RingPort::arrive(const Bytes& frame, size_t segment_bytes, std::optional<uint32_t> mark,
                      std::optional<uint16_t> stripped_tci) {
  rte_mbuf* head = nullptr;
  size_t at = 0;
  do {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_.get());
    if (mbuf == nullptr) break;
    const size_t bytes = std::min(segment_bytes, frame.size() - at);
    std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(bytes)), frame.data() + at, bytes);
    at += bytes;
    if (head == nullptr)
      head = mbuf;
    else
      EXPECT_EQ(rte_pktmbuf_chain(head, mbuf), 0);
  } while (at < frame.size());
  if (head != nullptr && mark) {
    head->ol_flags |= RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID;
    head->hash.fdir.hi = *mark;
  }
  if (head != nullptr && stripped_tci) {
    head->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    head->vlan_tci = *stripped_tci;
  }
  if (head != nullptr && at == frame.size() && rte_ring_enqueue(rx_.get(), head) == 0) return true;
  rte_pktmbuf_free(head);
  return false;
}

namespace {

// All segments' bytes; what the first one says of them must be so.
Bytes bytes_of(const rte_mbuf* mbuf) {
  Bytes bytes;
  unsigned segments = 0;
  for (const rte_mbuf* segment = mbuf; segment != nullptr; segment = segment->next, ++segments) {
    const auto* data = rte_pktmbuf_mtod(segment, const uint8_t*);
    bytes.insert(bytes.end(), data, data + rte_pktmbuf_data_len(segment));
  }
  EXPECT_EQ(rte_pktmbuf_pkt_len(mbuf), bytes.size());
  EXPECT_EQ(mbuf->nb_segs, segments);
  return bytes;
}

}  // namespace

std::vector<Bytes> RingPort::sent() {
  std::vector<Bytes> frames;
  void* packet = nullptr;
  while (rte_ring_dequeue(tx_.get(), &packet) == 0) {
    auto* mbuf = static_cast<rte_mbuf*>(packet);
    frames.push_back(bytes_of(mbuf));
    rte_pktmbuf_free(mbuf);
  }
  return frames;
}

Rig::Rig(const RigOptions& options) {
  start_eal();
  static unsigned serial = 0;
  domain = std::move(*rcu::Domain::create());
  Setup setup;
  for (const char* name : {"a", "b", "u"}) {
    ports.push_back(
        std::make_unique<RingPort>(name + std::to_string(serial), options.workers, options.ring_size));
    setup.ports.push_back({.port = &ports.back()->port(),
                           .kernel_frames = options.kernel_frames,
                           .own_macs = {to_mac(kOurMac)},
                           .bifurcated = options.bifurcated});
  }
  setup.ports[kUplink].underlay = options.underlay;
  ++serial;
  for (unsigned i = 0; i < options.workers; ++i) setup.lcores.push_back(1 + i);
  setup.domain = domain.get();
  setup.fdb_capacity = options.fdb_capacity;
  auto made = Dataplane::create(setup);
  if (!made) throw std::runtime_error(made.error().message);
  path = std::move(*made);
  EXPECT_TRUE(path->set_networks(networks()));
  EXPECT_TRUE(path->set_terminations(terminations()));
  for (unsigned encap : {0, 1}) resolve(encap, tunnel(encap));
  control();
}

Rig::~Rig() {
  // First all, then one after the other: a packet waits in another port's ring than the one that it came
  // from.
  for (auto& port : ports) port->drain();
}

std::vector<NetworkSpec> Rig::networks() const { return {{.id = 0, .ports = {0, 1}, .encaps = {0, 1}}}; }

std::vector<Termination> Rig::terminations() const {
  std::vector<Termination> result;
  for (unsigned encap : {0, 1}) {
    const tunnel::Tunnel t = tunnel(encap);
    result.push_back({t.local, t.remote, t.dst_port, t.vni, encap, NetworkId{0}});
  }
  return result;
}

tunnel::Tunnel Rig::tunnel(unsigned encap) const {
  tunnel::Tunnel result;
  result.name = "vx" + std::to_string(encap);
  result.vni = 100 * (encap + 1);
  result.local = net::IpAddr::v4(net::be32{kLocal});
  result.remote = net::IpAddr::v4(net::be32{kRemote + encap});
  return result;
}

void Rig::resolve(unsigned encap, const tunnel::Tunnel& tunnel, uint32_t mtu, std::optional<uint16_t> vlan,
                  unsigned gateway) {
  tunnel::EncapRule rule;
  rule.port = kUplink;
  rule.vlan = vlan;
  rule.dst_mac = to_mac(gateway);
  rule.src_mac = to_mac(kOurMac);
  rule.mtu = mtu;
  rule.header = make_header(tunnel, rule.dst_mac, rule.src_mac, vlan);
  EXPECT_TRUE(path->set_encap(encap, tunnel, &rule));
}

void Rig::turn(unsigned worker) {
  domain->online(1 + worker);
  path->worker(worker).turn();
  domain->offline(1 + worker);
  control();
}

std::vector<Bytes> Rig::carry(unsigned in, const Bytes& frame, unsigned out) {
  EXPECT_TRUE(ports[in]->arrive(frame));
  turn();
  return ports[out]->sent();
}

void Rig::teach(unsigned station, Where where) { EXPECT_TRUE(path->add_path(0, to_mac(station), where)); }

uint64_t Rig::all_drops() const {
  const auto drops = path->stats().drops;
  return std::accumulate(drops.begin(), drops.end(), uint64_t{0});
}

}  // namespace culvert::testing
