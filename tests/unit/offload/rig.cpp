#include "rig.hpp"

#include <rte_flow.h>
#include <rte_mbuf.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "tunnel/encap_rule.hpp"

namespace culvert::offload::testing {

namespace {

// Once a process, before the first switch.
unsigned with_eal(unsigned wires) {
  static const bool started = (eswitch_test::start_eal("offload_rules"), true);
  return started ? wires : 0;
}

}  // namespace

Rig::Rig(unsigned wire_count, const Kind& kind, const std::string& arguments)
    : wires(with_eal(wire_count),
            kind.arguments + (kind.arguments.empty() || arguments.empty() ? "" : ",") + arguments) {
  any_source_ = any_source(kind.async);
  if (!kind.async) {
    queue = make_classic_queue(uplink());
    return;
  }
  // net_mlx5's templates take no SET_TAG.
  if (!kind.arguments.empty()) tags_ = TagWriter::modify_field;
  rte_eth_dev_stop(uplink());
  const auto operations = make_async(uplink());
  if (!operations) throw std::runtime_error(operations.error().message);
  rte_eth_dev_start(uplink());
  queue = make_template_queue(uplink(), *operations);
}

Rig::~Rig() { clear(); }

void Rig::clear() {
  for (rte_flow* handle : handles_) {
    const Completion done = unmake(handle);
    EXPECT_FALSE(done.refusal) << done.refusal->to_string();
  }
  handles_.clear();
}

Completion Rig::wait(void* cookie) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    const size_t before = completions_.size();
    queue->pull(completions_);
    const auto found =
        std::ranges::find(completions_, cookie, [](const Completion& one) { return one.cookie; });
    if (found != completions_.end()) {
      Completion done = *found;
      completions_.erase(found);
      return done;
    }
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("no completion within 10 s");
    if (completions_.size() == before) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

Completion Rig::make(const Rule& rule) {
  queue->create(rule, this);
  return wait(this);
}

Completion Rig::unmake(rte_flow* handle) {
  queue->destroy(handle, this);
  return wait(this);
}

std::vector<Bytes> Rig::through(unsigned in, const Bytes& frame, unsigned out) {
  for (unsigned port = 0; port < wires.size(); ++port) {
    wires.left(port);
    wires.received(port);
  }
  wires.arrive(in, frame);
  wires.settle();
  return wires.left(out);
}

std::vector<Bytes> send_with_meta(TestSwitch& wires, SendPool& pool, const Bytes& frame, uint32_t meta) {
  static const int registered = rte_flow_dynf_metadata_register();
  EXPECT_EQ(registered, 0);
  if (!pool) pool.reset(rte_pktmbuf_pool_create("sent", 63, 0, 0, 2048, SOCKET_ID_ANY));
  rte_mbuf* mbuf = rte_pktmbuf_alloc(pool.get());
  std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
  if (meta != 0) {
    mbuf->ol_flags |= RTE_MBUF_DYNFLAG_TX_METADATA;
    *RTE_FLOW_DYNF_METADATA(mbuf) = meta;
  }
  wires.left(0);
  EXPECT_EQ(rte_eth_tx_burst(wires.port(0), 0, &mbuf, 1), 1);
  // The switch's own thread sends it: settle() knows only of what the harness sent.
  const auto under_way = [&wires] {
    int status = RTE_ETH_TX_DESC_DONE;
    for (uint16_t offset = 0; status == RTE_ETH_TX_DESC_DONE; ++offset)
      status = rte_eth_tx_descriptor_status(wires.port(0), 0, offset);
    return status == RTE_ETH_TX_DESC_FULL;  // else an error: the ring's end
  };
  for (int i = 0; i < 10'000 && under_way(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return wires.left(0);
}

std::vector<Bytes> Rig::sent(const Bytes& frame, uint32_t meta) {
  return send_with_meta(wires, pool, frame, meta);
}

std::string name_of(const ::testing::TestParamInfo<Kind>& info) {
  return (info.param.arguments.empty() ? "plain" : "mlx5") +
         std::string(info.param.async ? "_async" : "_classic");
}

namespace {

template <typename T>
void append(Bytes& bytes, const T& header) {
  const auto* at = reinterpret_cast<const uint8_t*>(&header);
  bytes.insert(bytes.end(), at, at + sizeof(header));
}

}  // namespace

Bytes inner_frame(const net::Mac& src, const net::Mac& dst, uint16_t udp_dst) {
  Bytes frame;
  append(frame, net::EtherHdr{dst, src, net::kEtherIpv4});
  net::Ipv4Hdr ip{};
  ip.version_ihl = 0x45;
  ip.total_length = net::be16{uint16_t{sizeof(ip) + sizeof(net::UdpHdr) + 18}};
  ip.ttl = 9;
  ip.protocol = net::kProtoUdp;
  ip.src = net::be32{0x0a070001};
  ip.dst = net::be32{0x0a070002};
  append(frame, ip);
  append(frame, net::UdpHdr{net::be16{1000}, net::be16{udp_dst}, net::be16{uint16_t{26}}, {}});
  frame.resize(frame.size() + 18, 0x5a);
  return frame;
}

Bytes outer_header(uint32_t vni, std::optional<uint16_t> vlan) {
  tunnel::Tunnel one;
  one.vni = vni;
  one.local = kUnderlay.dst;
  one.remote = kUnderlay.src;
  const tunnel::Header header = tunnel::make_header(one, *net::Mac::parse("02:00:00:00:99:01"),
                                                    *net::Mac::parse("02:00:00:00:03:00"), vlan);
  const auto view = header.view();
  return {view.begin(), view.end()};
}

Bytes joined(const Bytes& header, const Bytes& frame) {
  Bytes whole = header;
  whole.insert(whole.end(), frame.begin(), frame.end());
  // What the NIC fills in: lengths of IPv4 and UDP.
  const size_t l3 = whole.size() - frame.size() - 36;
  const auto put = [&whole](size_t at, size_t value) {
    whole[at] = static_cast<uint8_t>(value >> 8);
    whole[at + 1] = static_cast<uint8_t>(value);
  };
  put(l3 + 2, whole.size() - l3);
  put(l3 + 24, whole.size() - l3 - 20);
  return whole;
}

}  // namespace culvert::offload::testing
