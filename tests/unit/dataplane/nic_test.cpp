// Marks: a plain NIC (net_eswitch without representors) writes and removes the outer headers, by rules that
// the test makes. The ends of all wires are the test's, so that sanitizers see each mbuf pass from thread to
// thread.
#include <gtest/gtest.h>
#include <rte_bus_vdev.h>
#include <rte_flow.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_vxlan.h>

#include <atomic>
#include <map>
#include <thread>

#include "../eal.hpp"
#include "bytes.hpp"
#include "dataplane/dataplane.hpp"
#include "dataplane/worker.hpp"
#include "eswitch/test_wire.hpp"

namespace culvert::testing {
namespace {

using dataplane::DropReason;
using dataplane::Where;
using eswitch_test::TestWire;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr dataplane::PortIndex kTenant = 0, kNic = 1;
constexpr uint32_t kMark = 0x80000007;

net::Mac to_mac(unsigned station) {
  net::Mac result;
  const Bytes bytes = mac(station);
  std::copy(bytes.begin(), bytes.end(), result.bytes.begin());
  return result;
}

std::vector<Bytes> take(TestWire& wire) {
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
    EXPECT_TRUE(path->add_path(0, to_mac(9), Where::tunnel(0)));
    path->poll(now, 64);
  }

  ~Nic() override {
    path.reset();
    for (auto& port : ports) port->close();
    rte_vdev_uninit(vdev.c_str());
    for (TestWire* end : {&wire, &tenant}) take(*end);
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

  void arrive(TestWire& at, const Bytes& frame) {
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
    const auto deadline = Clock::now() + seconds(10);
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

  TimePoint now{seconds(1000)};
  TestWire wire, tenant;
  std::vector<uint16_t> wire_ports;
  port::Mempool pool;
  std::string vdev;
  std::unique_ptr<rcu::Domain> domain;
  std::vector<std::unique_ptr<port::Port>> ports;
  std::unique_ptr<dataplane::Dataplane> path;
};

TEST_F(Nic, WritesTheHeader) {
  never_leak();
  make_slot(kMark, rule(0, 0x1111).header);  // not the workers' gateway: who wrote it is seen
  resolve(0, 0x2222, kMark);
  const Bytes inner = udp_frame(9, 1, 100);
  arrive(tenant, inner);
  turn();
  auto sent = leave(1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(Bytes(sent[0].begin(), sent[0].begin() + 6), mac(0x1111));
  EXPECT_EQ(Bytes(sent[0].begin() + 50, sent[0].end()), inner);
  EXPECT_EQ(vni_of(sent[0]), 100u);
  EXPECT_EQ(path->stats().encapsulated, 1u);
  EXPECT_EQ(path->stats().marked, 1u);
  EXPECT_EQ(path->encap_counters(0).bytes, 100u);

  resolve(0, 0x2222, 0);
  arrive(tenant, inner);
  turn();
  sent = leave(1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(Bytes(sent[0].begin(), sent[0].begin() + 6), mac(0x2222));
  EXPECT_EQ(Bytes(sent[0].begin() + 50, sent[0].end()), inner);
  EXPECT_EQ(path->stats().marked, 1u);
  EXPECT_EQ(path->encap_counters(0).packets, 2u);
}

TEST_F(Nic, FlowsTakeMarksToo) {
  never_leak();
  make_slot(kMark, rule(1, 0x1111).header);
  resolve(1, 0x2222, kMark);
  ASSERT_TRUE(path->set_flow(0, {.port = kTenant, .match = {.ip_proto = 17}, .encap = 1}));
  arrive(tenant, udp_frame(9, 1, 100));
  turn();
  const auto sent = leave(1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(vni_of(sent[0]), 200u);
  EXPECT_EQ(path->flow_counters(0).packets, 1u);
}

TEST_F(Nic, TheMtuHolds) {
  resolve(0, kGatewayMac, kMark);
  arrive(tenant, udp_frame(9, 1, 1465));
  turn();
  EXPECT_EQ(path->stats().drops[static_cast<size_t>(DropReason::too_big)], 1u);
  EXPECT_EQ(path->stats().marked, 0u);
  never_leak();
  make_slot(kMark, rule(0, kGatewayMac).header);
  arrive(tenant, udp_frame(9, 1, 1464));
  turn();
  EXPECT_EQ(leave(1).size(), 1u);
}

// A copy for each tunnel: the mark of one is not the other's.
TEST_F(Nic, FloodsMarkedAndUnmarked) {
  never_leak();
  make_slot(kMark, rule(0, kGatewayMac).header);
  for (const uint32_t first : {kMark, uint32_t{0}}) {
    make_slot(kMark + 1, rule(1, kGatewayMac).header);
    resolve(0, kGatewayMac, first);
    resolve(1, kGatewayMac, first == 0 ? kMark + 1 : 0);
    const Bytes inner = udp_frame(77, 1, 100);
    arrive(tenant, inner);
    turn();
    const auto sent = leave(2);
    ASSERT_EQ(sent.size(), 2u);
    EXPECT_EQ(vni_of(sent[0]) + vni_of(sent[1]), 300u);
    for (const Bytes& frame : sent) EXPECT_EQ(Bytes(frame.begin() + 50, frame.end()), inner);
  }
  EXPECT_EQ(path->stats().marked, 2u);
  EXPECT_EQ(path->stats().encapsulated, 4u);
}

TEST_F(Nic, RemovesTheHeader) {
  const tunnel::Tunnel t = tunnel(1);
  ASSERT_TRUE(path->set_terminations({{t.local, t.remote, t.dst_port, t.vni, 1, dataplane::NetworkId{0}}}));
  ASSERT_TRUE(path->add_path(0, to_mac(5), Where::port(kTenant)));
  rte_flow_item_vxlan vxlan_spec{}, vxlan_mask{};
  vxlan_spec.hdr.vx_vni = rte_cpu_to_be_32(t.vni << 8);
  vxlan_mask.hdr.vx_vni = rte_cpu_to_be_32(0xffffff00);
  const rte_flow_item items[] = {{RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr, nullptr},
                                 {RTE_FLOW_ITEM_TYPE_IPV4, nullptr, nullptr, nullptr},
                                 {RTE_FLOW_ITEM_TYPE_UDP, nullptr, nullptr, nullptr},
                                 {RTE_FLOW_ITEM_TYPE_VXLAN, &vxlan_spec, nullptr, &vxlan_mask},
                                 {RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr}};
  const rte_flow_action_mark tunnel_mark{.id = 2};
  const rte_flow_action_queue queue{.index = 0};
  const rte_flow_action actions[] = {{RTE_FLOW_ACTION_TYPE_MARK, &tunnel_mark},
                                     {RTE_FLOW_ACTION_TYPE_VXLAN_DECAP, nullptr},
                                     {RTE_FLOW_ACTION_TYPE_QUEUE, &queue},
                                     {RTE_FLOW_ACTION_TYPE_END, nullptr}};
  make_rule({.ingress = 1}, items, actions);
  const Bytes inner = udp_frame(5, 4, 100);
  arrive(wire, arriving(inner, {.src = kRemote + 1, .vni = t.vni}));
  EXPECT_TRUE(wait_for([&] { return tenant.from_switch.ready() != 0; }, [&] { turn(); }));
  EXPECT_EQ(take(tenant), std::vector<Bytes>{inner});
  EXPECT_EQ(path->stats().decapsulated, 1u);
  EXPECT_EQ(path->stats().exceptions, 0u);
}

class SlowNic : public Nic {
 protected:
  SlowNic() : Nic(",tx_delay_us=20000") {
    never_leak();
    make_slot(kMark, rule(0, 0x1111).header);
    resolve(0, 0x2222, kMark);
  }
  // A switch that gets no core sends nothing, and a full queue drops: at most half of one (512) is under way.
  static constexpr uint32_t kMaxUnderWay = 256;
};

TEST_F(SlowNic, AFenceWaitsUntilAllIsSent) {
  for (int i = 0; i < 10; ++i) arrive(tenant, udp_frame(9, 1, 100));
  turn();
  const auto fence = path->fence();
  turn();
  EXPECT_FALSE(path->passed(fence));
  EXPECT_TRUE(wait_for([&] { return path->passed(fence); }, [&] { turn(); }));
  EXPECT_TRUE(wait_for([&] { return wire.from_switch.ready() == 10; }, [] {}));
}

TEST_F(SlowNic, AFencePassesUnderTraffic) {
  uint64_t posted = 0;
  const auto traffic = [&] {
    if (posted - wire.from_switch.ready() < kMaxUnderWay) {
      arrive(tenant, udp_frame(9, 1, 100));
      ++posted;
    }
    turn();
    usleep(500);
  };
  for (int i = 0; i < 20; ++i) traffic();
  const auto fence = path->fence();
  const uint64_t before = posted;
  EXPECT_TRUE(wait_for([&] { return path->passed(fence); }, traffic));
  EXPECT_LT(posted, before + 2000);  // long before the traffic ends
  // What was posted before is through the rules, though it may still be on its way through the test's wire.
  resolve(0, 0x2222, 0);
  EXPECT_TRUE(wait_for([&] { return wire.from_switch.ready() >= before; }, [] {}));
  EXPECT_TRUE(wait_for([&] { return wire.from_switch.ready() == posted; }, [] {}));
  for (const Bytes& frame : take(wire)) EXPECT_EQ(frame.size(), 150u);
}

// The whole manoeuvre, again and again, under traffic: the workers write the new header themselves, a fence
// passes, the old rule goes and the new one takes its mark, which the workers then use. No frame is lost,
// none goes without a header, none comes out of order, and none with an old next hop once a change is
// through.
TEST_F(SlowNic, ANewNextHopLosesNothing) {
  std::atomic<bool> running{true};
  std::atomic<uint32_t> sent{0}, came{0};
  constexpr uint32_t kOwnMark = kMark + 1;
  unsigned gateway = 1;
  rte_flow* slot = make_slot(kOwnMark, rule(0, gateway).header);
  resolve(0, gateway, kOwnMark);
  std::thread worker([&] {
    domain->online(1);
    while (running.load()) {
      const uint32_t number = sent.load();
      const bool more = number - came.load() < kMaxUnderWay;
      if (more) {
        Bytes frame = udp_frame(9, 1, 100);
        put16(frame, 60, number >> 16);
        put16(frame, 62, number & 0xffff);
        arrive(tenant, frame);
      }
      path->worker(0).turn();
      if (more) sent.store(number + 1);
      domain->offline(1);
      usleep(200);
      domain->online(1);
    }
    for (int i = 0; i < 3; ++i) path->worker(0).turn();
    domain->offline(1);
  });
  std::vector<Bytes> frames;
  const auto drain = [&] {
    for (Bytes& frame : take(wire)) frames.push_back(std::move(frame));
    came.store(static_cast<uint32_t>(frames.size()));
  };
  const auto pass = [&] {
    const auto fence = path->fence();
    EXPECT_TRUE(wait_for([&] { return path->passed(fence); },
                         [&] {
                           path->poll(now, 64);
                           drain();
                           usleep(200);
                         }));
  };
  std::map<unsigned, uint32_t> begun_at, done_at;  // by gateway: numbers of frames
  for (int change = 0; change < 15; ++change) {
    begun_at[gateway + 1] = sent.load();
    resolve(0, ++gateway, 0);
    pass();
    done_at[gateway] = sent.load();
    destroy(slot);
    slot = make_slot(kOwnMark, rule(0, gateway).header);
    resolve(0, gateway, kOwnMark);
    const uint64_t marked = path->stats().marked;
    EXPECT_TRUE(wait_for([&] { return path->stats().marked >= marked + 5; },
                         [&] {
                           drain();
                           usleep(200);
                         }));
  }
  running.store(false);
  worker.join();
  EXPECT_TRUE(wait_for([&] { return frames.size() >= sent.load(); }, drain));
  ASSERT_EQ(frames.size(), sent.load());
  for (uint32_t number = 0; number < frames.size(); ++number) {
    ASSERT_EQ(frames[number].size(), 150u);
    ASSERT_EQ(static_cast<uint32_t>(get16(frames[number], 110) << 16 | get16(frames[number], 112)), number);
    const unsigned used = frames[number][5];
    if (used != 1) {
      EXPECT_GE(number, begun_at[used]);
    }
    if (done_at.contains(used + 1)) {
      EXPECT_LT(number, done_at[used + 1]);
    }
  }
  const auto stats = path->stats();
  EXPECT_GT(stats.marked, 50u);
  EXPECT_GT(stats.encapsulated - stats.marked, 50u);
  destroy(slot);
}

}  // namespace
}  // namespace culvert::testing
