// The classic calls beside create and destroy: indirect actions, ageing, faults, misses, descriptors,
// isolation.
#include <gtest/gtest.h>
#include <rte_flow.h>

#include <chrono>
#include <thread>

#include "registry.hpp"
#include "rule.hpp"
#include "switch.hpp"

namespace eswitch_test {
namespace {

const Bytes kFrame = udp_frame();
const rte_flow_item kAny[] = {{RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr, nullptr},
                              {RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr}};
const rte_flow_action kEnd = {RTE_FLOW_ACTION_TYPE_END, nullptr};

rte_flow* make(uint16_t port, const rte_flow_attr& attr, std::vector<rte_flow_action> actions,
               rte_flow_error* error = nullptr) {
  actions.push_back(kEnd);
  return rte_flow_create(port, &attr, kAny, actions.data(), error);
}

TEST(Indirect, CounterIsSharedAndBusyWhileUsed) {
  TestSwitch sw(1);
  const rte_flow_indir_action_conf conf{.ingress = 1};
  const rte_flow_action count{RTE_FLOW_ACTION_TYPE_COUNT, nullptr};
  rte_flow_action_handle* handle = rte_flow_action_handle_create(sw.port(0), &conf, &count, nullptr);
  ASSERT_NE(handle, nullptr);
  rte_flow* passing =
      make(sw.port(0), kIngress,
           {{RTE_FLOW_ACTION_TYPE_INDIRECT, handle}, {RTE_FLOW_ACTION_TYPE_PASSTHRU, nullptr}});
  rte_flow* last = make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_INDIRECT, handle}});
  ASSERT_TRUE(passing != nullptr && last != nullptr);
  for (int i = 0; i < 5; ++i) sw.arrive(0, kFrame);
  sw.settle();
  rte_flow_query_count answer{};
  ASSERT_EQ(rte_flow_action_handle_query(sw.port(0), handle, &answer, nullptr), 0);
  EXPECT_EQ(answer.hits, 10u);
  EXPECT_EQ(answer.bytes, 10 * kFrame.size());
  EXPECT_EQ(rte_flow_action_handle_destroy(sw.port(0), handle, nullptr), -EBUSY);
  EXPECT_EQ(rte_flow_flush(sw.port(0), nullptr), 0);
  EXPECT_EQ(rte_flow_action_handle_destroy(sw.port(0), handle, nullptr), 0);
}

TEST(Age, IdleRuleIsReportedOnce) {
  TestSwitch sw(1);
  int context;
  const rte_flow_action_age age{.timeout = 1, .reserved = 0, .context = &context};
  ASSERT_NE(make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_AGE, &age}}), nullptr);
  EXPECT_EQ(rte_flow_get_aged_flows(sw.port(0), nullptr, 0, nullptr), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(2200));
  void* contexts[2] = {};
  EXPECT_EQ(rte_flow_get_aged_flows(sw.port(0), contexts, 2, nullptr), 1);
  EXPECT_EQ(contexts[0], &context);
  EXPECT_EQ(rte_flow_get_aged_flows(sw.port(0), contexts, 2, nullptr), 0);
}

TEST(Faults, FullFailingAndOff) {
  TestSwitch sw(1, "rules=1,fail=destroy:every:2:EBUSY");
  rte_flow_error error{};
  rte_flow* first = make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_DROP, nullptr}});
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_DROP, nullptr}}, &error), nullptr);
  EXPECT_EQ(rte_errno, ENOSPC);
  EXPECT_NE(error.message, nullptr);
  sw.set_fault("rules", "");
  rte_flow* second = make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_DROP, nullptr}});
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(rte_flow_destroy(sw.port(0), first, nullptr), 0);
  EXPECT_EQ(rte_flow_destroy(sw.port(0), second, nullptr), -EBUSY);
  sw.set_fault("fail", "");
  EXPECT_EQ(rte_flow_destroy(sw.port(0), second, nullptr), 0);
}

TEST(Faults, WrongExpressionsAreRefused) {
  eswitch::Faults faults;
  for (const char* wrong : {"create", "create:every:0", "create:p:2", "paint:every:2",
                            "create:every:2:ENOTHING", "create:every:2:EIO:x", "create:often:2"})
    EXPECT_FALSE(faults.set("fail", wrong)) << wrong;
  EXPECT_FALSE(faults.set("rules", "many"));
  EXPECT_FALSE(faults.set("colour", "1"));
  EXPECT_TRUE(faults.set("fail", "create:every:2+query:p:0.5:ENOMEM"));
  EXPECT_EQ(faults.next(eswitch::Faults::Op::kCreate), 0);
  EXPECT_EQ(faults.next(eswitch::Faults::Op::kCreate), EIO);
}

TEST(Faults, QueriesFailAndAProbabilityIsOne) {
  TestSwitch sw(1, "fail=query:every:2:ENODEV");
  rte_flow* flow = make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_COUNT, nullptr}});
  ASSERT_NE(flow, nullptr);
  const rte_flow_action count[] = {{RTE_FLOW_ACTION_TYPE_COUNT, nullptr}, kEnd};
  rte_flow_query_count answer{};
  EXPECT_EQ(rte_flow_query(sw.port(0), flow, count, &answer, nullptr), 0);
  EXPECT_EQ(rte_flow_query(sw.port(0), flow, count, &answer, nullptr), -ENODEV);
  sw.set_fault("fail", "create:p:0.25");
  unsigned made = 0;
  for (unsigned i = 0; i < 1000; ++i)
    made += make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_DROP, nullptr}}) != nullptr;
  EXPECT_GT(made, 680u);
  EXPECT_LT(made, 820u);
  sw.set_fault("fail", "create:p:0+destroy:p:1");
  EXPECT_NE(make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_DROP, nullptr}}), nullptr);
  EXPECT_EQ(rte_flow_destroy(sw.port(0), flow, nullptr), -EIO);
}

TEST(Faults, LatencyIsWaitedOutByClassicCalls) {
  TestSwitch sw(1, "latency_us=20000");
  const auto begin = std::chrono::steady_clock::now();
  rte_flow* flow = make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_DROP, nullptr}});
  ASSERT_EQ(rte_flow_destroy(sw.port(0), flow, nullptr), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(40));
}

TEST(Dump, TellsRulesInTheWordsOfTestpmd) {
  TestSwitch sw(2);
  const uint16_t port = sw.port(0);
  rte_flow* counting =
      Rule(at(kTransfer, 2, 3)).from(sw.port(1)).eth().tag(5).count().to_wire(port).create(port);
  ASSERT_NE(counting, nullptr);
  ASSERT_NE(Rule(kIngress).eth().drop().create(port), nullptr);
  const auto dumped = [port](rte_flow* flow) {
    char* text = nullptr;
    size_t size = 0;
    FILE* file = open_memstream(&text, &size);
    EXPECT_EQ(rte_flow_dev_dump(port, flow, file, nullptr), 0);
    std::fclose(file);
    std::string out(text, size);
    std::free(text);
    return out;
  };
  const std::string name = "port " + std::to_string(port) + " ";
  const std::string one =
      name +
      "transfer group 2 priority 3 pattern represented_port / eth / tag / end actions count / "
      "represented_port / end # 0 packets 0 bytes\n";
  EXPECT_EQ(dumped(counting), one);
  EXPECT_EQ(dumped(nullptr),
            one + name + "ingress group 0 priority 0 pattern eth / end actions drop / end\n");
}

TEST(Indirect, RssIsUpdatedUnderTheRulesThatUseIt) {
  TestSwitch sw(1, "", {.queues = 2, .conf = {}});
  uint16_t queue = 0;
  rte_flow_action_rss rss{};
  rss.queue_num = 1;
  rss.queue = &queue;
  const rte_flow_indir_action_conf conf{.ingress = 1};
  const rte_flow_action action{RTE_FLOW_ACTION_TYPE_RSS, &rss};
  rte_flow_action_handle* handle = rte_flow_action_handle_create(sw.port(0), &conf, &action, nullptr);
  ASSERT_NE(handle, nullptr);
  ASSERT_NE(Rule(kIngress).eth().indirect(handle).create(sw.port(0)), nullptr);
  for (const uint16_t wanted : {0, 1, 0}) {
    queue = wanted;
    ASSERT_EQ(rte_flow_action_handle_update(sw.port(0), handle, &action, nullptr), 0);
    sw.arrive(0, kFrame);
    sw.settle();
    const auto packets = sw.received_packets(0);
    ASSERT_EQ(packets.size(), 1u);
    EXPECT_EQ(packets[0].queue, wanted);
  }
  queue = 2;
  EXPECT_EQ(rte_flow_action_handle_update(sw.port(0), handle, &action, nullptr), -EINVAL);
}

TEST(Miss, InDeeperIngressGroupIsLostOnMlx5Only) {
  for (const bool mlx5 : {false, true}) {
    TestSwitch sw(2, mlx5 ? "profile=mlx5" : "");
    const rte_flow_action_jump jump{5};
    ASSERT_NE(make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_JUMP, &jump}}), nullptr);
    const rte_flow_attr transfer{.transfer = 1};
    ASSERT_NE(make(sw.port(1), transfer, {{RTE_FLOW_ACTION_TYPE_JUMP, &jump}}), nullptr);
    sw.arrive(0, kFrame);
    sw.arrive(1, kFrame);
    sw.settle();
    EXPECT_EQ(sw.received(0).size(), mlx5 ? 0u : 1u);
    EXPECT_EQ(sw.received(1).size(), 1u) << "a transfer miss goes to the port of origin";
  }
}

TEST(Miss, IsolatedPortDeliversOnlyWhatARuleTakes) {
  TestSwitch sw(1, "profile=mlx5");
  EXPECT_EQ(rte_flow_isolate(sw.port(0), 1, nullptr), -EBUSY);
  ASSERT_EQ(rte_eth_dev_stop(sw.port(0)), 0);
  ASSERT_EQ(rte_flow_isolate(sw.port(0), 1, nullptr), 0);
  ASSERT_EQ(rte_eth_dev_start(sw.port(0)), 0);
  sw.arrive(0, kFrame);
  sw.settle();
  EXPECT_TRUE(sw.received(0).empty());
  const rte_flow_action_queue queue{0};
  ASSERT_NE(make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_QUEUE, &queue}}), nullptr);
  sw.arrive(0, kFrame);
  sw.settle();
  EXPECT_EQ(sw.received(0).size(), 1u);
}

}  // namespace
}  // namespace eswitch_test
