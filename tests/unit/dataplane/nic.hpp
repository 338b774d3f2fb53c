// A plain NIC (net_eswitch without representors) under the packet path, with the rules that a test makes. The
// ends of all wires are the test's, so that sanitizers see each mbuf pass from thread to thread.
#pragma once

#include <gtest/gtest.h>
#include <rte_bus_vdev.h>
#include <rte_flow.h>
#include <rte_mbuf_pool_ops.h>

#include <cstring>

#include "../eal.hpp"
#include "bytes.hpp"
#include "dataplane/dataplane.hpp"
#include "dataplane/worker.hpp"
#include "eswitch/test_wire.hpp"

namespace culvert::testing {

inline constexpr dataplane::PortIndex kTenant = 0, kNic = 1;
inline constexpr uint32_t kMark = 0x80000007;

inline std::vector<Bytes> take(eswitch_test::TestWire& wire) {
  std::vector<Bytes> frames;
  const uint32_t count = wire.from_switch.ready();
  for (uint32_t i = 0; i < count; ++i) {
    rte_mbuf* mbuf = wire.from_switch.at(i);
    const auto* data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    frames.emplace_back(data, data + rte_pktmbuf_data_len(mbuf));
    rte_pktmbuf_free(mbuf);
  }
  wire.from_switch.release(count);
  return frames;
}

// One tenant port and one plain NIC; encap 0 is VXLAN to the gateway, encap 1 another tunnel.
class Nic : public ::testing::Test {
 protected:
  explicit Nic(const std::string& arguments = "") {
    start_eal();
    static const int ops = rte_mbuf_set_platform_mempool_ops(eswitch_test::kPoolOps);
    EXPECT_EQ(ops, 0);
    static unsigned serial = 0;
    const std::string number = std::to_string(serial++);
    pool = std::move(*port::create_mempool("nic_pool" + number, 8191));
    wire_ports = {make_test_wire("nic_wire" + number, wire), make_test_wire("nic_tenant" + number, tenant)};
    vdev = "net_eswitch_nic" + number;
    EXPECT_EQ(rte_vdev_init(vdev.c_str(), ("uplink=nic_wire" + number + arguments).c_str()), 0);
    dataplane::Setup setup;
    for (const std::string& ethdev : {"nic_tenant" + number, vdev}) {
      ports.push_back(std::move(*port::Port::open({.name = ethdev, .ethdev = ethdev, .pool = pool.get()})));
      EXPECT_TRUE(ports.back()->start());
      setup.ports.push_back({.port = ports.back().get()});
    }
    setup.lcores = {1};
    domain = std::move(*rcu::Domain::create());
    setup.domain = domain.get();
    setup.fdb_capacity = 64;
    path = std::move(*dataplane::Dataplane::create(setup));
    EXPECT_TRUE(path->set_networks({{.id = 0, .ports = {kTenant}, .encaps = {0, 1}}}));
    EXPECT_TRUE(path->add_path(0, to_mac(9), dataplane::Where::tunnel(0)));
    path->poll(now, 64);
  }

  ~Nic() override {
    path.reset();
    for (auto& port : ports) port->close();
    rte_vdev_uninit(vdev.c_str());
    for (eswitch_test::TestWire* end : {&wire, &tenant}) take(*end);
    rte_eth_dev_close(wire_ports[0]);
    EXPECT_EQ(rte_mempool_in_use_count(pool.get()), 0u) << "mbufs leaked";
  }

  static tunnel::Tunnel tunnel(unsigned encap) {
    tunnel::Tunnel result;
    result.name = "vx" + std::to_string(encap);
    result.vni = 100 * (encap + 1);
    result.local = net::IpAddr::v4(net::be32{kLocal});
    result.remote = net::IpAddr::v4(net::be32{kRemote + encap});
    return result;
  }
  static tunnel::EncapRule rule(unsigned encap, unsigned gateway) {
    tunnel::EncapRule rule;
    rule.port = kNic;
    rule.mtu = 1500;
    rule.header = make_header(tunnel(encap), to_mac(gateway), to_mac(kOurMac), std::nullopt);
    return rule;
  }
  void resolve(unsigned encap, unsigned gateway, uint32_t mark) {
    const tunnel::EncapRule made = rule(encap, gateway);
    EXPECT_TRUE(path->set_encap(encap, tunnel(encap), &made, dataplane::Unresolved::tunnel, mark));
  }

  rte_flow* make_rule(const rte_flow_attr& attr, const rte_flow_item* items, const rte_flow_action* actions) {
    rte_flow_error error{};
    rte_flow* flow = rte_flow_create(ports[kNic]->id(), &attr, items, actions, &error);
    EXPECT_NE(flow, nullptr) << (error.message == nullptr ? "" : error.message);
    return flow;
  }
  void destroy(rte_flow* flow) { EXPECT_EQ(rte_flow_destroy(ports[kNic]->id(), flow, nullptr), 0); }

  // To group 1; there marks that no slot rule takes are dropped.
  void never_leak() {
    const rte_flow_action_jump to_slots{.group = 1};
    const rte_flow_item any[] = {{RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr}};
    const rte_flow_action jump[] = {{RTE_FLOW_ACTION_TYPE_JUMP, &to_slots},
                                    {RTE_FLOW_ACTION_TYPE_END, nullptr}};
    make_rule({.egress = 1}, any, jump);
    const rte_flow_item_meta bit{.data = 0x80000000};
    const rte_flow_item marked[] = {{RTE_FLOW_ITEM_TYPE_META, &bit, nullptr, &bit},
                                    {RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr}};
    const rte_flow_action drop[] = {{RTE_FLOW_ACTION_TYPE_DROP, nullptr},
                                    {RTE_FLOW_ACTION_TYPE_END, nullptr}};
    make_rule({.group = 1, .priority = 9, .egress = 1}, marked, drop);
  }
  rte_flow* make_slot(uint32_t mark, const tunnel::Header& header) {
    const rte_flow_item_meta meta{.data = mark}, all_bits{.data = UINT32_MAX};
    const rte_flow_item items[] = {{RTE_FLOW_ITEM_TYPE_META, &meta, nullptr, &all_bits},
                                   {RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr}};
    Bytes bytes(header.view().begin(), header.view().end());
    const rte_flow_action_raw_encap encap{.data = bytes.data(), .preserve = nullptr, .size = bytes.size()};
    const rte_flow_action actions[] = {{RTE_FLOW_ACTION_TYPE_RAW_ENCAP, &encap},
                                       {RTE_FLOW_ACTION_TYPE_END, nullptr}};
    return make_rule({.group = 1, .egress = 1}, items, actions);
  }

  void arrive(eswitch_test::TestWire& at, const Bytes& frame) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(pool.get());
    ASSERT_NE(mbuf, nullptr);
    std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
    ASSERT_TRUE(at.to_switch.push(mbuf));
  }
  void turn() {
    domain->online(1);
    path->worker(0).turn();
    domain->offline(1);
    path->poll(now, 64);
  }
  // Until `done`, for 10 s at most; `meanwhile` each time.
  template <typename Done, typename Meanwhile>
  bool wait_for(Done done, Meanwhile meanwhile) {
    const auto deadline = Clock::now() + std::chrono::seconds(10);
    while (!done() && Clock::now() < deadline) meanwhile();
    return done();
  }
  // The next `count` frames on the wire.
  std::vector<Bytes> leave(size_t count) {
    EXPECT_TRUE(wait_for([&] { return wire.from_switch.ready() >= count; }, [] { usleep(100); }));
    usleep(2000);  // no more?
    return take(wire);
  }
  static unsigned vni_of(const Bytes& frame) {
    return frame.size() < 50 ? 0 : static_cast<unsigned>(frame[46] << 16 | frame[47] << 8 | frame[48]);
  }

  TimePoint now{std::chrono::seconds(1000)};
  eswitch_test::TestWire wire, tenant;
  std::vector<uint16_t> wire_ports;
  port::Mempool pool;
  std::string vdev;
  std::unique_ptr<rcu::Domain> domain;
  std::vector<std::unique_ptr<port::Port>> ports;
  std::unique_ptr<dataplane::Dataplane> path;
};

}  // namespace culvert::testing
