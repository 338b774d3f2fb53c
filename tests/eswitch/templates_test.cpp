// Flow queues and templates.
#include <gtest/gtest.h>
#include <rte_version.h>

#include <chrono>
#include <thread>

#include "rule.hpp"

namespace eswitch_test {
namespace {

const Bytes kFrame = udp_frame();
const rte_flow_item kAny[] = {{RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr, nullptr},
                              {RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr}};
const rte_flow_action kEnd = {RTE_FLOW_ACTION_TYPE_END, nullptr};

/// One flow queue, and a table in group 0 of `eth -> queue N` rules.
class Templates {
 public:
  explicit Templates(uint16_t port, const rte_flow_port_attr& attr = {.nb_counters = 8}) : port_(port) {
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
  sw.set_fault("fail", "");
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

TEST(Templates, AFullSwitchTellsInTheResult) {
  TestSwitch sw(1, "rules=1");
  Templates templates(sw.port(0));
  rte_flow *first = templates.create(false), *second = templates.create(false);
  ASSERT_TRUE(first != nullptr && second != nullptr);
  EXPECT_EQ(templates.pull(), (std::vector<int>{1, 0}));
  EXPECT_EQ(templates.destroy(second), 0);
  EXPECT_EQ(templates.destroy(first), 0);
  EXPECT_EQ(templates.pull(), (std::vector<int>{1, 1}));
  templates.end();
}

TEST(Templates, AsManyCountersAsConfigured) {
  TestSwitch sw(1);
  Templates templates(sw.port(0), {.nb_counters = 2});
  const rte_flow_indir_action_conf conf{.ingress = 1};
  const rte_flow_action count{RTE_FLOW_ACTION_TYPE_COUNT, nullptr};
  rte_flow_action_handle* handle = rte_flow_action_handle_create(sw.port(0), &conf, &count, nullptr);
  ASSERT_NE(handle, nullptr);
  rte_flow* flow = templates.create(false);
  ASSERT_NE(flow, nullptr);
  EXPECT_EQ(templates.create(false), nullptr);
  EXPECT_EQ(rte_errno, ENOSPC);
  EXPECT_EQ(rte_flow_action_handle_create(sw.port(0), &conf, &count, nullptr), nullptr);
  EXPECT_EQ(rte_errno, ENOSPC);
  EXPECT_EQ(rte_flow_action_handle_destroy(sw.port(0), handle, nullptr), 0);
  rte_flow* second = templates.create(false);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(templates.destroy(flow), 0);
  EXPECT_NE(templates.create(false), nullptr);
}

TEST(Templates, LimitsOfConfigure) {
  TestSwitch sw(1);
  const uint16_t port = sw.port(0);
  ASSERT_EQ(rte_eth_dev_stop(port), 0);
  rte_flow_port_info info;
  rte_flow_queue_info queue_info;
  ASSERT_EQ(rte_flow_info_get(port, &info, &queue_info, nullptr), 0);
  const auto configure = [&](uint32_t counters, uint32_t ages, uint32_t size) {
    const rte_flow_port_attr attr{.nb_counters = counters, .nb_aging_objects = ages};
    const rte_flow_queue_attr queue{.size = size};
    const rte_flow_queue_attr* queues[] = {&queue};
    return rte_flow_configure(port, &attr, 1, queues, nullptr);
  };
  EXPECT_EQ(configure(info.max_nb_counters, info.max_nb_aging_objects, queue_info.max_size), 0);
  EXPECT_NE(configure(info.max_nb_counters + 1, 0, 4), 0);
  EXPECT_NE(configure(0, info.max_nb_aging_objects + 1, 4), 0);
  EXPECT_NE(configure(0, 0, queue_info.max_size + 1), 0);
  EXPECT_NE(configure(0, 0, 0), 0);
  const rte_flow_actions_template_attr attr{.ingress = 1};
  const rte_flow_action actions[] = {{RTE_FLOW_ACTION_TYPE_DROP, nullptr}, kEnd};
  rte_flow_actions_template* tmpl = rte_flow_actions_template_create(port, &attr, actions, actions, nullptr);
  ASSERT_NE(tmpl, nullptr);
  EXPECT_EQ(configure(0, 0, 4), -EBUSY);
  EXPECT_EQ(rte_flow_actions_template_destroy(port, tmpl, nullptr), 0);
  EXPECT_EQ(configure(0, 0, 4), 0);
}

TEST(Templates, IndirectActionsByTheQueue) {
  TestSwitch sw(1);
  const uint16_t port = sw.port(0);
  Templates templates(port);
  const rte_flow_op_attr now{}, later{.postpone = 1};
  const rte_flow_indir_action_conf conf{.ingress = 1};
  const rte_flow_action count{RTE_FLOW_ACTION_TYPE_COUNT, nullptr};
  int cookie;
  rte_flow_action_handle* handle =
      rte_flow_async_action_handle_create(port, 0, &now, &conf, &count, &cookie, nullptr);
  ASSERT_NE(handle, nullptr);
  rte_flow_op_result result{};
  ASSERT_EQ(rte_flow_pull(port, 0, &result, 1, nullptr), 1);
  EXPECT_EQ(result.status, RTE_FLOW_OP_SUCCESS);
  EXPECT_EQ(result.user_data, &cookie);
  const rte_flow_action_queue conf_queue{0};
  const rte_flow_action actions[] = {
      {RTE_FLOW_ACTION_TYPE_INDIRECT, handle}, {RTE_FLOW_ACTION_TYPE_QUEUE, &conf_queue}, kEnd};
  rte_flow* flow =
      rte_flow_async_create(port, 0, &later, templates.table, kAny, 0, actions, 0, nullptr, nullptr);
  ASSERT_NE(flow, nullptr);
  EXPECT_EQ(rte_flow_action_handle_destroy(port, handle, nullptr), -EBUSY) << "a rule on its way holds it";
  EXPECT_EQ(rte_flow_push(port, 0, nullptr), 0);
  EXPECT_EQ(templates.pull(), std::vector<int>{1});
  sw.arrive(0, kFrame);
  sw.settle();
  rte_flow_query_count answer{};
  EXPECT_EQ(rte_flow_async_action_handle_query(port, 0, &now, handle, &answer, nullptr, nullptr), 0);
  EXPECT_EQ(templates.pull(), std::vector<int>{1});
  EXPECT_EQ(answer.hits, 1u);
  EXPECT_EQ(rte_flow_async_action_handle_destroy(port, 0, &now, handle, nullptr, nullptr), 0);
  EXPECT_EQ(templates.pull(), std::vector<int>{0}) << "the rule holds it";
  EXPECT_EQ(templates.destroy(flow), 0);
  EXPECT_EQ(rte_flow_async_action_handle_destroy(port, 0, &now, handle, nullptr, nullptr), 0);
  EXPECT_EQ(templates.pull(), (std::vector<int>{1, 1}));
  templates.end();
}

// Stopping a port of net_mlx5 destroys its rules; templates and indirect actions stay.
TEST(Templates, StopLeavesTemplatesAndIndirectActions) {
  for (const bool mlx5 : {false, true}) {
    TestSwitch sw(1, mlx5 ? "profile=mlx5" : "");
    const uint16_t port = sw.port(0);
    Templates templates(port);
    const rte_flow_indir_action_conf conf{.ingress = 1};
    const rte_flow_action count{RTE_FLOW_ACTION_TYPE_COUNT, nullptr};
    rte_flow_action_handle* handle = rte_flow_action_handle_create(port, &conf, &count, nullptr);
    ASSERT_NE(templates.create(false), nullptr);
    ASSERT_NE(templates.create(true), nullptr);
    ASSERT_EQ(rte_eth_dev_stop(port), 0);
    ASSERT_EQ(rte_eth_dev_start(port), 0);
    sw.arrive(0, kFrame);
    sw.settle();
    EXPECT_EQ(sw.xstat(0, "ingress_hits"), mlx5 ? 0u : 1u);
    EXPECT_EQ(templates.pull(), std::vector<int>{1});
    rte_flow* flow = templates.create(false);
    ASSERT_NE(flow, nullptr);
    EXPECT_EQ(templates.pull(), mlx5 ? (std::vector<int>{1}) : (std::vector<int>{1, 1}));
    EXPECT_EQ(templates.destroy(flow), 0);
    EXPECT_EQ(rte_flow_action_handle_destroy(port, handle, nullptr), 0);
    if (mlx5) templates.end();
  }
}

// What net_mlx5 refuses with dv_flow_en=2, in its words.
TEST(Templates, WhatMlx5RefusesOfThem) {
  TestSwitch sw(1, "profile=mlx5");
  const uint16_t port = sw.port(0);
  Templates templates(port);
  rte_flow_error error{};
  EXPECT_EQ(Rule(kIngress).eth().drop().create(port, &error), nullptr);
  EXPECT_STREQ(error.message, "Flow non-Q creation not supported");
  const rte_flow_actions_template_attr attr{.ingress = 1};
  const auto refusal = [&](const rte_flow_action& action, const rte_flow_action& mask) {
    const rte_flow_action actions[] = {action, kEnd}, masks[] = {mask, kEnd};
    error = {};
    EXPECT_EQ(rte_flow_actions_template_create(port, &attr, actions, masks, &error), nullptr);
    return std::string(error.message != nullptr ? error.message : "");
  };
  const rte_flow_action_set_tag tag{1, UINT32_MAX, 0};
  const rte_flow_action set_tag{RTE_FLOW_ACTION_TYPE_SET_TAG, &tag};
  EXPECT_EQ(refusal(set_tag, set_tag), "action not supported in template API");
  const rte_flow_action_age age{.timeout = 1, .reserved = 0, .context = nullptr};
  const rte_flow_action ageing{RTE_FLOW_ACTION_TYPE_AGE, &age};
  EXPECT_EQ(refusal(ageing, ageing), "aging pool not initialized");
  rte_flow_action_modify_field field{};
  field.dst.field = RTE_FLOW_FIELD_TAG;
  field.src.field = RTE_FLOW_FIELD_VALUE;
  field.width = 32;
  const rte_flow_action modify{RTE_FLOW_ACTION_TYPE_MODIFY_FIELD, &field};
  EXPECT_EQ(refusal(modify, modify), "destination encapsulation level must be fully masked");
}

#if RTE_VERSION >= RTE_VERSION_NUM(23, 7, 0, 0)
TEST(Templates, ActionsOfARuleAreReplacedAtOnce) {
  TestSwitch sw(1);
  const uint16_t port = sw.port(0);
  Templates templates(port);
  rte_flow* flow = templates.create(false);
  ASSERT_NE(flow, nullptr);
  const rte_flow_op_attr now{};
  const rte_flow_action_queue conf{0};
  const rte_flow_action actions[] = {
      {RTE_FLOW_ACTION_TYPE_COUNT, nullptr}, {RTE_FLOW_ACTION_TYPE_QUEUE, &conf}, kEnd};
  sw.arrive(0, kFrame);
  sw.settle();
  ASSERT_EQ(rte_flow_async_actions_update(port, 0, &now, flow, actions, 0, nullptr, nullptr), 0);
  EXPECT_EQ(templates.pull(), (std::vector<int>{1, 1}));
  sw.arrive(0, kFrame);
  sw.settle();
  EXPECT_EQ(hits(port, flow), 1u) << "the counter is new with the actions";
  EXPECT_EQ(templates.destroy(flow), 0);
}
#endif

}  // namespace
}  // namespace eswitch_test
