#include "harness.hpp"

#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_flow.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "registry.hpp"
#include "switch.hpp"
#include "test_wire.hpp"

namespace eswitch_test {
namespace {

void check(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "harness: %s failed (rte_errno %d)\n", what, rte_errno);
  std::abort();
}

Bytes take_bytes(rte_mbuf* mbuf) {
  Bytes frame(rte_pktmbuf_pkt_len(mbuf));
  const void* data = rte_pktmbuf_read(mbuf, 0, static_cast<uint32_t>(frame.size()), frame.data());
  if (data != frame.data()) std::memcpy(frame.data(), data, frame.size());
  rte_pktmbuf_free(mbuf);
  return frame;
}

rte_mbuf* make_mbuf(rte_mempool* pool, const Bytes& frame) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(pool);
  check(mbuf != nullptr, "rte_pktmbuf_alloc");
  char* data = rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size()));
  check(data != nullptr, "rte_pktmbuf_append");
  std::memcpy(data, frame.data(), frame.size());
  return mbuf;
}

unsigned serial = 0;

}  // namespace

void start_eal(const char* program) {
  static bool started = false;
  if (std::exchange(started, true)) return;
  const std::string prefix = "--file-prefix=eswitch_test_" + std::to_string(getpid());
  const std::string pool = std::string("--mbuf-pool-ops-name=") + kPoolOps;
  const char* arguments[] = {program,
                             "--no-huge",
                             "-m",
                             "512",
                             "--no-pci",
                             "--no-telemetry",
                             "-l",
                             "0",
                             prefix.c_str(),
                             pool.c_str(),
                             "--log-level=critical"};
  check(rte_eal_init(static_cast<int>(std::size(arguments)), const_cast<char**>(arguments)) >= 0,
        "rte_eal_init");
  check(rte_flow_dynf_metadata_register() == 0, "rte_flow_dynf_metadata_register");
}

TestSwitch::TestSwitch(unsigned wires, const std::string& arguments, const PortSetup& setup)
    : queues_(setup.queues) {
  const unsigned id = serial++;
  name_ = "net_eswitch" + std::to_string(id);
  std::string options;
  for (unsigned i = 0; i < wires; ++i) {
    const std::string wire = "wire" + std::to_string(id) + "_" + std::to_string(i);
    wires_.push_back(std::make_unique<TestWire>());
    wire_ports_.push_back(make_test_wire(wire, *wires_.back()));
    options += std::string(i == 0 ? "uplink=" : ",rep=") + wire;
  }
  pool_ = rte_pktmbuf_pool_create(("test_pool" + std::to_string(id)).c_str(), 8191, 0, 0, 2048 + 256,
                                  SOCKET_ID_ANY);
  check(pool_ != nullptr, "rte_pktmbuf_pool_create");
  if (!arguments.empty()) options += "," + arguments;
  check(rte_eal_hotplug_add("vdev", name_.c_str(), options.c_str()) == 0, "rte_eal_hotplug_add");
  for (unsigned i = 0; i < wires; ++i) {
    uint16_t port;
    const std::string name = i == 0 ? name_ : name_ + "_rep" + std::to_string(i - 1);
    check(rte_eth_dev_get_port_by_name(name.c_str(), &port) == 0, "port by name");
    check(rte_eth_dev_configure(port, queues_, queues_, &setup.conf) == 0, "configure");
    for (uint16_t queue = 0; queue < queues_; ++queue) {
      check(rte_eth_rx_queue_setup(port, queue, 4096, SOCKET_ID_ANY, nullptr, pool_) == 0, "rx queue");
      check(rte_eth_tx_queue_setup(port, queue, 4096, SOCKET_ID_ANY, nullptr) == 0, "tx queue");
    }
    rte_eth_promiscuous_enable(port);
    check(rte_eth_dev_start(port) == 0, "start");
    ports_.push_back(port);
  }
}

TestSwitch::~TestSwitch() {
  for (unsigned i = 0; i < size(); ++i) {
    received(i);
    left(i);
  }
  rte_eal_hotplug_remove("vdev", name_.c_str());
  for (const uint16_t wire : wire_ports_) rte_eth_dev_close(wire);
  rte_mempool_free(pool_);
}

void TestSwitch::arrive(unsigned vport, const Bytes& frame) {
  check(wires_[vport]->to_switch.push(make_mbuf(pool_, frame)), "room on the wire");
  ++arrived_;
}

void TestSwitch::send(unsigned vport, const Bytes& frame, const std::function<void(rte_mbuf&)>& prepare,
                      uint16_t queue) {
  rte_mbuf* mbuf = make_mbuf(pool_, frame);
  if (prepare) prepare(*mbuf);
  check(rte_eth_tx_burst(port(vport), queue, &mbuf, 1) == 1, "tx burst");
  ++sent_;
}

std::vector<Bytes> TestSwitch::left(unsigned vport) {
  std::vector<Bytes> frames;
  auto& ring = wires_[vport]->from_switch;
  const uint32_t count = ring.ready();
  for (uint32_t i = 0; i < count; ++i) frames.push_back(take_bytes(ring.at(i)));
  ring.release(count);
  return frames;
}

std::vector<Bytes> TestSwitch::received(unsigned vport) {
  std::vector<Bytes> frames;
  for (Received& packet : received_packets(vport)) frames.push_back(std::move(packet.frame));
  return frames;
}

std::vector<Received> TestSwitch::received_packets(unsigned vport) {
  std::vector<Received> packets;
  if (!rte_eth_dev_is_valid_port(port(vport))) return packets;  // closed
  rte_mbuf* mbufs[32];
  for (uint16_t queue = 0; queue < queues_; ++queue)
    while (const uint16_t count = rte_eth_rx_burst(port(vport), queue, mbufs, 32))
      for (uint16_t i = 0; i < count; ++i) {
        const rte_mbuf& mbuf = *mbufs[i];
        const uint32_t meta = rte_flow_dynf_metadata_avail() != 0 ? rte_flow_dynf_metadata_get(mbufs[i]) : 0;
        packets.push_back({{}, queue, mbuf.ol_flags, mbuf.hash.fdir.hi, meta, mbuf.hash.rss, mbuf.vlan_tci});
        packets.back().frame = take_bytes(mbufs[i]);
      }
  return packets;
}

void TestSwitch::set_fault(const char* key, const char* value) {
  eswitch::with_switch(name_,
                       [&](eswitch::Switch& sw) { check(sw.faults.set(key, value), "setting a fault"); });
}

uint64_t TestSwitch::xstat(unsigned vport, const char* name) const {
  uint64_t id, value;
  check(rte_eth_xstats_get_id_by_name(port(vport), name, &id) == 0, "xstat name");
  check(rte_eth_xstats_get_by_id(port(vport), &id, &value, 1) == 1, "xstat");
  return value;
}

void TestSwitch::settle() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    uint64_t arrived = 0, sent = 0;
    eswitch::with_switch(name_, [&](eswitch::Switch& sw) {
      for (const auto& wire : sw.wires) arrived += wire->rx_packets.get();
    });
    for (const uint16_t port : ports_) {
      rte_eth_stats stats;
      if (rte_eth_stats_get(port, &stats) == 0) sent += stats.opackets + stats.oerrors;
    }
    if (arrived >= arrived_ && sent >= sent_) break;
    check(std::chrono::steady_clock::now() < deadline, "settling within 10 s");
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  // The round in which the last frame was taken is over once the switch thread reports a quiescent state.
  eswitch::with_switch(name_, [](eswitch::Switch& sw) { sw.rcu.synchronize(); });
}

}  // namespace eswitch_test
