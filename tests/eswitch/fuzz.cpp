// A libFuzzer-style target: rule arrays and packets of arbitrary bytes. With its own driver, so that any
// compiler's sanitizers do: eswitch_fuzz SECONDS [SEED].
#include <rte_flow.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>

#include "harness.hpp"

using eswitch_test::Bytes;
using eswitch_test::TestSwitch;

namespace {

std::unique_ptr<TestSwitch> test_switch;

/// Takes what it needs off the front of the input; zeros when it is used up.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  void fill(void* to, size_t count) {
    for (size_t i = 0; i < count; ++i) static_cast<uint8_t*>(to)[i] = byte();
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

/// Memory for configurations, alive for one input.
class Arena {
 public:
  void* random(Input& input, size_t count) {
    auto& words = words_.emplace_back(count / 8 + 2);
    input.fill(words.data(), count);
    return words.data();
  }

 private:
  std::deque<std::vector<uint64_t>> words_;
};

constexpr size_t kConfBytes = 128;

rte_flow_item make_item(Input& input, Arena& arena) {
  rte_flow_item item{};
  item.type = static_cast<rte_flow_item_type>(1 + input.byte() % 63);
  const uint8_t parts = input.byte();
  if ((parts & 1) != 0) item.spec = arena.random(input, kConfBytes);
  if ((parts & 2) != 0) item.mask = arena.random(input, kConfBytes);
  if ((parts & 12) == 12) item.last = arena.random(input, kConfBytes);
  return item;
}

/// Configurations hold pointers, which must be good or null; all else is arbitrary.
rte_flow_action make_action(Input& input, Arena& arena) {
  rte_flow_action action{};
  action.type = static_cast<rte_flow_action_type>(1 + input.byte() % 63);
  if (input.byte() % 8 == 0) return action;
  void* conf = arena.random(input, kConfBytes);
  action.conf = conf;
  const uint8_t size = input.byte();
  switch (action.type) {
    case RTE_FLOW_ACTION_TYPE_RAW_ENCAP: {
      auto* encap = static_cast<rte_flow_action_raw_encap*>(conf);
      *encap = {static_cast<uint8_t*>(arena.random(input, size)), nullptr, size};
      break;
    }
    case RTE_FLOW_ACTION_TYPE_RAW_DECAP: {
      auto* decap = static_cast<rte_flow_action_raw_decap*>(conf);
      *decap = {static_cast<uint8_t*>(arena.random(input, size)), size};
      break;
    }
    case RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP:
    case RTE_FLOW_ACTION_TYPE_NVGRE_ENCAP: {
      auto* items = static_cast<rte_flow_item*>(arena.random(input, sizeof(rte_flow_item) * 6));
      for (int i = 0; i < 5; ++i) items[i] = make_item(input, arena);
      items[input.byte() % 6] = {};
      items[5] = {};
      static_cast<rte_flow_action_vxlan_encap*>(conf)->definition = items;
      break;
    }
    case RTE_FLOW_ACTION_TYPE_RSS: {
      auto* rss = static_cast<rte_flow_action_rss*>(conf);
      rss->func = static_cast<rte_eth_hash_function>(size % 4);
      rss->key_len = size % 2 * 40u;
      rss->queue_num = size % 5;
      rss->key = static_cast<uint8_t*>(arena.random(input, 40));
      rss->queue = static_cast<uint16_t*>(arena.random(input, 16));
      break;
    }
    case RTE_FLOW_ACTION_TYPE_MODIFY_FIELD: {
      auto* modify = static_cast<rte_flow_action_modify_field*>(conf);
      modify->operation = static_cast<rte_flow_modify_op>(size % 4);
      modify->dst.field = static_cast<rte_flow_field_id>(size % 40);
      modify->src.field = static_cast<rte_flow_field_id>(input.byte() % 40);
      modify->dst.level %= 4;
      modify->dst.offset %= 40;
      modify->width = 1 + modify->width % 64;
      if (modify->src.field == RTE_FLOW_FIELD_POINTER) modify->src.pvalue = arena.random(input, 16);
      break;
    }
    case RTE_FLOW_ACTION_TYPE_JUMP:
      static_cast<rte_flow_action_jump*>(conf)->group %= 4;
      break;
    default:
      break;
  }
  return action;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  Arena arena;
  std::vector<std::pair<uint16_t, rte_flow*>> flows;
  for (unsigned rules = 1 + input.byte() % 6; rules > 0; --rules) {
    const uint8_t bits = input.byte();
    rte_flow_attr attr{};
    attr.group = bits % 3;
    attr.priority = bits >> 6;
    (bits & 16) != 0 ? attr.transfer = 1 : (bits & 32) != 0 ? attr.egress = 1 : attr.ingress = 1;
    std::vector<rte_flow_item> items;
    std::vector<rte_flow_action> actions;
    for (unsigned count = input.byte() % 6; count > 0; --count) items.push_back(make_item(input, arena));
    for (unsigned count = input.byte() % 5; count > 0; --count) actions.push_back(make_action(input, arena));
    items.push_back({});
    actions.push_back({});
    const uint16_t port = test_switch->port(bits % test_switch->size());
    rte_flow_error error{};
    if (rte_flow* flow = rte_flow_create(port, &attr, items.data(), actions.data(), &error))
      flows.emplace_back(port, flow);
  }
  for (unsigned frames = 4; frames > 0; --frames) {
    Bytes frame(1 + input.byte() % 160);
    input.fill(frame.data(), frame.size());
    if (frame.size() > 14 && input.byte() % 4 != 0) {  // mostly something to parse
      frame[12] = 0x08;
      frame[13] = 0x00;
      frame[14] = 0x45;
    }
    input.byte() % 2 == 0 ? test_switch->arrive(0, frame) : test_switch->send(1, frame);
  }
  test_switch->settle();
  for (unsigned i = 0; i < test_switch->size(); ++i) {
    test_switch->left(i);
    test_switch->received(i);
  }
  for (const auto& [port, flow] : flows) rte_flow_destroy(port, flow, nullptr);
  return 0;
}

int main(int argc, char** argv) {
  const long seconds = argc > 1 ? std::atol(argv[1]) : 5;
  std::mt19937_64 random(argc > 2 ? std::strtoul(argv[2], nullptr, 0) : 1);
  eswitch_test::start_eal(argv[0]);
  eswitch_test::PortSetup setup{.queues = 2};
  setup.conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  setup.conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
                               RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
  setup.conf.rx_adv_conf.rss_conf.rss_hf = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;
  test_switch = std::make_unique<TestSwitch>(2, "", setup);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  unsigned long runs = 0, made = 0;
  for (; std::chrono::steady_clock::now() < end; ++runs) {
    Bytes input(64 + random() % 2048);
    for (uint8_t& byte : input) {
      const uint64_t draw = random();
      byte = (draw & 0x700) == 0 ? 0xff : (draw & 0x300) == 0 ? 0 : static_cast<uint8_t>(draw);
    }
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  for (unsigned i = 0; i < test_switch->size(); ++i)
    made += test_switch->xstat(i, "transfer_hits") + test_switch->xstat(i, "egress_hits") +
            test_switch->xstat(i, "ingress_hits");
  test_switch.reset();
  std::printf("fuzz: %lu inputs, %lu packets hit a rule\n", runs, made);
  return runs > 0 && made > 0 ? 0 : 1;
}
