// The calls beside create and destroy: queues and templates, indirect actions, faults, misses, descriptors.
#include <gtest/gtest.h>
#include <rte_bus_vdev.h>
#include <rte_flow.h>

#include <chrono>
#include <thread>

#include "random_rules.hpp"
#include "registry.hpp"
#include "switch.hpp"

namespace eswitch_test {
namespace {

const Bytes kFrame = RandomWorld(3, 1).frame();
const rte_flow_item kAny[] = {{RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr, nullptr},
                              {RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr}};
const rte_flow_action kEnd = {RTE_FLOW_ACTION_TYPE_END, nullptr};
const rte_flow_attr kIngress{.ingress = 1}, kEgress{.egress = 1};

rte_flow* make(uint16_t port, const rte_flow_attr& attr, std::vector<rte_flow_action> actions,
               rte_flow_error* error = nullptr) {
  actions.push_back(kEnd);
  return rte_flow_create(port, &attr, kAny, actions.data(), error);
}

uint64_t hits(uint16_t port, rte_flow* flow) {
  const rte_flow_action count[] = {{RTE_FLOW_ACTION_TYPE_COUNT, nullptr}, kEnd};
  rte_flow_query_count answer{};
  EXPECT_EQ(rte_flow_query(port, flow, count, &answer, nullptr), 0);
  return answer.hits;
}

void set_fault(uint16_t port, const char* key, const char* value) {
  char name[RTE_ETH_NAME_MAX_LEN];
  rte_eth_dev_get_name_by_port(port, name);
  ASSERT_TRUE(
      eswitch::with_switch(name, [&](eswitch::Switch& sw) { ASSERT_TRUE(sw.faults.set(key, value)); }));
}

/// One flow queue, and a table in group 0 of `eth -> queue N` rules.
class Templates {
 public:
  explicit Templates(uint16_t port) : port_(port) {
    const rte_flow_port_attr attr{};
    const rte_flow_queue_attr queue{.size = 4};
    const rte_flow_queue_attr* queues[] = {&queue};
    EXPECT_EQ(rte_eth_dev_stop(port), 0);  // rte_flow_configure wants it
    EXPECT_EQ(rte_flow_configure(port, &attr, 1, queues, nullptr), 0);
    EXPECT_EQ(rte_eth_dev_start(port), 0);
    const rte_flow_pattern_template_attr pattern_attr{.ingress = 1};
    pattern_ = rte_flow_pattern_template_create(port, &pattern_attr, kAny, nullptr);
    const rte_flow_action_queue conf{0};
    const rte_flow_action actions[] = {
        {RTE_FLOW_ACTION_TYPE_COUNT, nullptr}, {RTE_FLOW_ACTION_TYPE_QUEUE, &conf}, kEnd};
    const rte_flow_action masks[] = {
        {RTE_FLOW_ACTION_TYPE_COUNT, nullptr}, {RTE_FLOW_ACTION_TYPE_QUEUE, nullptr}, kEnd};
    const rte_flow_actions_template_attr actions_attr{.ingress = 1};
    actions_ = rte_flow_actions_template_create(port, &actions_attr, actions, masks, nullptr);
    const rte_flow_template_table_attr table_attr{.flow_attr = kIngress, .nb_flows = 8};
    table = rte_flow_template_table_create(port, &table_attr, &pattern_, 1, &actions_, 1, nullptr);
    EXPECT_NE(table, nullptr);
  }
  rte_flow* create(bool postpone, void* user_data = nullptr) {
    const rte_flow_op_attr attr{.postpone = postpone};
    const rte_flow_action_queue conf{0};
    const rte_flow_action actions[] = {
        {RTE_FLOW_ACTION_TYPE_COUNT, nullptr}, {RTE_FLOW_ACTION_TYPE_QUEUE, &conf}, kEnd};
    return rte_flow_async_create(port_, 0, &attr, table, kAny, 0, actions, 0, user_data, nullptr);
  }
  int destroy(rte_flow* flow) {
    const rte_flow_op_attr attr{};
    return rte_flow_async_destroy(port_, 0, &attr, flow, nullptr, nullptr);
  }
  /// The results that are there: 1 for success, 0 for an error.
  std::vector<int> pull() {
    rte_flow_op_result results[8];
    const int count = rte_flow_pull(port_, 0, results, 8, nullptr);
    std::vector<int> statuses;
    for (int i = 0; i < count; ++i) statuses.push_back(results[i].status == RTE_FLOW_OP_SUCCESS);
    return statuses;
  }
  /// Destroys all but the rules.
  void end() {
    EXPECT_EQ(rte_flow_template_table_destroy(port_, table, nullptr), 0);
    EXPECT_EQ(rte_flow_pattern_template_destroy(port_, pattern_, nullptr), 0);
    EXPECT_EQ(rte_flow_actions_template_destroy(port_, actions_, nullptr), 0);
  }
  rte_flow_template_table* table;

 private:
  uint16_t port_;
  rte_flow_pattern_template* pattern_;
  rte_flow_actions_template* actions_;
};

TEST(Templates, PostponedUntilPushAndPulledOnce) {
  TestSwitch sw(1);
  Templates templates(sw.port(0));
  rte_flow* flow = templates.create(true);
  ASSERT_NE(flow, nullptr);
  sw.arrive(0, kFrame);
  sw.settle();
  EXPECT_EQ(hits(sw.port(0), flow), 0u);
  EXPECT_TRUE(templates.pull().empty());
  EXPECT_EQ(rte_flow_push(sw.port(0), 0, nullptr), 0);
  EXPECT_EQ(templates.pull(), std::vector<int>{1});
  EXPECT_TRUE(templates.pull().empty());
  sw.arrive(0, kFrame);
  sw.settle();
  EXPECT_EQ(hits(sw.port(0), flow), 1u);
  EXPECT_EQ(templates.destroy(flow), 0);
  EXPECT_EQ(templates.pull(), std::vector<int>{1});
  templates.end();
}

TEST(Templates, QueueHoldsAsManyAsItsSize) {
  TestSwitch sw(1);
  Templates templates(sw.port(0));
  for (int i = 0; i < 4; ++i) EXPECT_NE(templates.create(i % 2 == 0), nullptr);
  EXPECT_EQ(templates.create(false), nullptr);
  EXPECT_EQ(rte_errno, EAGAIN);
}

TEST(Templates, FailedCompletionLeavesNoRule) {
  TestSwitch sw(1, "fail=complete:every:1");
  Templates templates(sw.port(0));
  rte_flow* flow = templates.create(false);
  ASSERT_NE(flow, nullptr);
  EXPECT_EQ(templates.pull(), std::vector<int>{0});
  sw.arrive(0, kFrame);
  sw.settle();
  EXPECT_EQ(sw.xstat(0, "ingress_hits"), 0u);
  set_fault(sw.port(0), "fail", "");
  EXPECT_EQ(templates.destroy(flow), 0);
  EXPECT_EQ(templates.pull(), std::vector<int>{1});
  templates.end();
}

TEST(Templates, LatencyDelaysTheResult) {
  TestSwitch sw(1, "latency_us=50000");
  Templates templates(sw.port(0));
  ASSERT_NE(templates.create(false), nullptr);
  EXPECT_TRUE(templates.pull().empty());
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  EXPECT_EQ(templates.pull(), std::vector<int>{1});
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
  set_fault(sw.port(0), "rules", "");
  rte_flow* second = make(sw.port(0), kIngress, {{RTE_FLOW_ACTION_TYPE_DROP, nullptr}});
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(rte_flow_destroy(sw.port(0), first, nullptr), 0);
  EXPECT_EQ(rte_flow_destroy(sw.port(0), second, nullptr), -EBUSY);
  set_fault(sw.port(0), "fail", "");
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

TEST(TxDelay, DescriptorIsFullUntilExecuted) {
  TestSwitch sw(1, "tx_delay_us=30000");
  // Posted under one rule, executed after it has gone: a NIC would send it as it is.
  rte_flow* drop = make(sw.port(0), kEgress, {{RTE_FLOW_ACTION_TYPE_DROP, nullptr}});
  ASSERT_NE(drop, nullptr);
  sw.send(0, kFrame);
  EXPECT_EQ(rte_eth_tx_descriptor_status(sw.port(0), 0, 4095), RTE_ETH_TX_DESC_FULL);
  EXPECT_EQ(rte_eth_tx_descriptor_status(sw.port(0), 0, 0), RTE_ETH_TX_DESC_DONE);
  EXPECT_TRUE(sw.left(0).empty());
  EXPECT_EQ(rte_flow_destroy(sw.port(0), drop, nullptr), 0);
  sw.settle();
  EXPECT_EQ(rte_eth_tx_descriptor_status(sw.port(0), 0, 4095), RTE_ETH_TX_DESC_DONE);
  EXPECT_EQ(sw.left(0), std::vector<Bytes>{kFrame});
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

TEST(Wires, AreOwnedAndGivenBack) {
  uint16_t wire = RTE_MAX_ETHPORTS;
  {
    TestSwitch sw(2);
    rte_eth_dev_owner owner;
    for (uint16_t port = 0; port < RTE_MAX_ETHPORTS; ++port)
      if (rte_eth_dev_is_valid_port(port) && rte_eth_dev_owner_get(port, &owner) == 0 &&
          owner.id != RTE_ETH_DEV_NO_OWNER)
        wire = port;
    ASSERT_NE(wire, RTE_MAX_ETHPORTS);
    rte_eth_dev_info infos[2];
    for (unsigned i = 0; i < 2; ++i) ASSERT_EQ(rte_eth_dev_info_get(sw.port(i), &infos[i]), 0);
    EXPECT_EQ(infos[0].switch_info.domain_id, infos[1].switch_info.domain_id);
    EXPECT_EQ(infos[1].switch_info.port_id, 1);
    EXPECT_NE(rte_eal_hotplug_add("vdev", "net_eswitch99", "uplink=nothing"), 0);
  }
  EXPECT_FALSE(rte_eth_dev_is_valid_port(wire));
}

}  // namespace
}  // namespace eswitch_test
