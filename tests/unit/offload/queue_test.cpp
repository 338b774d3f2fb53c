// The two kinds of rule queue under the same tests: what is posted comes back once, whatever the driver does.
#include <set>

#include "rig.hpp"

namespace culvert::offload::testing {
namespace {

class Queues : public ::testing::TestWithParam<Kind> {};
class AsyncQueues : public Queues {};

const Bytes kHeader = outer_header();

void fill(Rule& rule, const Rig& rig, uint32_t slot) {
  slot_encap(rule, rig.spot(), slot, {kHeader, rig.uplink()});
}

// Posts a rule for each slot of [first, last) and pulls until all are answered. Cookies are the slots + 1.
std::vector<Completion> make_many(Rig& rig, uint32_t first, uint32_t last) {
  Rule rule;
  std::vector<Completion> completions;
  for (uint32_t slot = first; slot < last; ++slot) {
    while (rig.queue->room() == 0) rig.queue->pull(completions);
    fill(rule, rig, slot);
    rig.queue->create(rule, reinterpret_cast<void*>(uintptr_t{slot} + 1));
  }
  while (rig.queue->in_flight() > 0) rig.queue->pull(completions);
  return completions;
}

TEST_P(Queues, RefusalsSayTheDriversWords) {
  Rig rig(2, GetParam(), "rules=3,fail=create:every:2:ENOMEM");
  unsigned taken = 0;
  std::vector<std::string> words;
  for (uint32_t slot = 0; slot < 8; ++slot) {
    Rule rule;
    fill(rule, rig, slot);
    const Completion done = rig.make(rule);
    EXPECT_EQ(done.handle == nullptr, done.refusal.has_value());
    if (done.refusal)
      words.push_back(done.refusal->to_string());
    else
      ++taken;
  }
  EXPECT_EQ(taken, 3u);
  ASSERT_EQ(words.size(), 5u);
  EXPECT_EQ(words[0], "hardware refuses the operation (Cannot allocate memory)");
}

TEST_P(Queues, ARefusedDestroyMayBeRepeated) {
  Rig rig(2, GetParam(), "fail=destroy:every:2");
  Rule rule;
  std::vector<rte_flow*> handles;
  for (uint32_t slot = 0; slot < 2; ++slot) {
    fill(rule, rig, slot);
    handles.push_back(rig.make(rule).handle);
    ASSERT_NE(handles.back(), nullptr);
  }
  EXPECT_FALSE(rig.unmake(handles[0]).refusal);
  const Completion refused = rig.unmake(handles[1]);
  ASSERT_TRUE(refused.refusal);
  EXPECT_EQ(refused.refusal->code, EIO);
  EXPECT_EQ(refused.handle, handles[1]);
  EXPECT_FALSE(rig.unmake(handles[1]).refusal);
}

// More rules than one table holds, and than the flow queue.
TEST_P(Queues, ManyRulesEachAnsweredOnce) {
  constexpr uint32_t kRules = 6000;
  Rig rig(2, GetParam());
  const auto made = make_many(rig, 0, kRules);
  ASSERT_EQ(made.size(), kRules);
  std::set<void*> cookies;
  std::set<rte_flow*> handles;
  for (const Completion& one : made) {
    ASSERT_FALSE(one.refusal) << one.refusal->to_string();
    cookies.insert(one.cookie);
    handles.insert(one.handle);
  }
  EXPECT_EQ(cookies.size(), kRules);
  EXPECT_EQ(handles.size(), kRules);
  std::vector<Completion> gone;
  for (const Completion& one : made) {
    while (rig.queue->room() == 0) rig.queue->pull(gone);
    rig.queue->destroy(one.handle, one.cookie);
  }
  while (rig.queue->in_flight() > 0) rig.queue->pull(gone);
  EXPECT_EQ(gone.size(), kRules);
  for (const Completion& one : gone) EXPECT_FALSE(one.refusal);
}

// Each failed operation is handled alone, and leaves nothing behind: as many rules fit afterwards as fitted
// before.
TEST_P(Queues, FaultsTakeNoRoom) {
  for (const char* fault : {"create:every:3", "complete:p:0.4", "complete:every:2+destroy:every:3"}) {
    SCOPED_TRACE(fault);
    Rig rig(2, GetParam(), std::string("rules=40,fail=") + fault);
    unsigned rounds = 0;
    std::vector<Completion> all;
    for (uint32_t slot = 0; all.size() < 40 && rounds < 100; ++rounds, slot += 10)
      for (Completion& one : make_many(rig, slot, slot + 10))
        if (one.handle != nullptr) all.push_back(std::move(one));
    EXPECT_EQ(all.size(), 40u);
    for (const Completion& one : all) {
      rte_flow* left = one.handle;
      for (unsigned tries = 0; left != nullptr && tries < 100; ++tries)
        if (!rig.unmake(left).refusal) left = nullptr;
      EXPECT_EQ(left, nullptr);
    }
  }
}

// Many priorities make many tables; empty ones go.
TEST_P(Queues, RulesOfManyPriorities) {
  Rig rig(2, GetParam());
  Rule rule;
  for (uint32_t priority = 0; priority < 200; ++priority) {
    slot_encap(rule, rig.spot(priority), 0, {kHeader, rig.uplink()});
    const Completion made = rig.make(rule);
    ASSERT_FALSE(made.refusal) << made.refusal->to_string();
    ASSERT_FALSE(rig.unmake(made.handle).refusal);
  }
}

TEST_P(AsyncQueues, TheEndTakesAwayWhatIsLeft) {
  Rig rig(2, GetParam());
  EXPECT_EQ(make_many(rig, 0, 100).size(), 100u);
  rig.queue.reset();
  // Only a port without templates may be configured anew.
  rte_eth_dev_stop(rig.uplink());
  EXPECT_TRUE(make_async(rig.uplink()));
  rte_eth_dev_start(rig.uplink());
}

TEST_P(AsyncQueues, SlowDriversAreNotWaitedFor) {
  Rig rig(2, GetParam(), "latency_us=20000");
  Rule rule;
  fill(rule, rig, 0);
  rig.queue->create(rule, nullptr);
  std::vector<Completion> completions;
  rig.queue->pull(completions);
  EXPECT_TRUE(completions.empty());
  EXPECT_EQ(rig.queue->in_flight(), 1u);
  while (rig.queue->in_flight() > 0) rig.queue->pull(completions);
  ASSERT_EQ(completions.size(), 1u);
  EXPECT_FALSE(completions[0].refusal);
}

INSTANTIATE_TEST_SUITE_P(All, Queues,
                         ::testing::Values(Kind{"", false}, Kind{"profile=mlx5", false}, Kind{"", true},
                                           Kind{"profile=mlx5", true}),
                         name_of);

INSTANTIATE_TEST_SUITE_P(Async, AsyncQueues, ::testing::Values(Kind{"", true}, Kind{"profile=mlx5", true}),
                         name_of);

}  // namespace
}  // namespace culvert::offload::testing
