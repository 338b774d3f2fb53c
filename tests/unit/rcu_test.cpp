#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "eal.hpp"
#include "rcu/domain.hpp"
#include "rcu/hash.hpp"
#include "rcu/published.hpp"

namespace culvert::rcu {
namespace {

std::atomic<int> alive{0};

struct Value {
  explicit Value(uint64_t n) : first(n), second(~n) { alive.fetch_add(1); }
  ~Value() {
    first = second = 0;
    alive.fetch_sub(1);
  }
  bool whole() const { return first == ~second; }
  uint64_t first, second;
};

class Rcu : public ::testing::Test {
 protected:
  Rcu() { testing::start_eal(); }
  std::unique_ptr<Domain> domain = std::move(*Domain::create());
};

TEST_F(Rcu, NothingIsFreedBeforeItsGracePeriod) {
  domain->add(1);
  domain->add(2);
  domain->online(1);  // 2 stays offline: it holds up nobody
  {
    RetireQueue retired(*domain);
    retired.retire(std::make_unique<const Value>(1));
    EXPECT_EQ(retired.reclaim(10), 0u);
    EXPECT_EQ(alive, 1);
    domain->quiescent(1);
    retired.retire(std::make_unique<const Value>(2));
    EXPECT_EQ(retired.reclaim(10), 1u);
    EXPECT_EQ(retired.pending(), 1u);
    domain->offline(1);
    EXPECT_EQ(retired.reclaim(0), 0u);
    EXPECT_EQ(retired.reclaim(10), 1u);
    retired.retire(std::make_unique<const Value>(3));
  }
  EXPECT_EQ(alive, 0);
}

TEST_F(Rcu, BudgetIsKept) {
  RetireQueue retired(*domain);
  for (uint64_t i = 0; i < 10; ++i) retired.retire(std::make_unique<const Value>(i));
  EXPECT_EQ(retired.reclaim(4), 4u);
  EXPECT_EQ(retired.reclaim(100), 6u);
}

TEST_F(Rcu, PublishedAppearsWhole) {
  Published<Value> published;
  RetireQueue retired(*domain);
  EXPECT_EQ(published.load(), nullptr);
  published.replace(std::make_unique<const Value>(1), retired);
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (const ReaderId id : {1u, 2u}) {
    domain->add(id);
    readers.emplace_back([&, id] {
      domain->online(id);
      while (!stop.load(std::memory_order_relaxed)) {
        for (int i = 0; i < 100; ++i) EXPECT_TRUE(published.load()->whole());
        domain->quiescent(id);
      }
      domain->offline(id);
    });
  }
  for (uint64_t i = 0; i < 20000; ++i) {
    published.replace(std::make_unique<const Value>(i), retired);
    retired.reclaim(8);
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  published.replace(nullptr, retired);
  retired.reclaim(SIZE_MAX);
  EXPECT_EQ(alive, 0);
}

TEST_F(Rcu, HashFindsWhatItWasGiven) {
  auto hash = std::move(*Hash<uint64_t>::create("test", 64, *domain));
  EXPECT_FALSE(hash->find(5));
  EXPECT_TRUE(hash->assign(5, 50));
  EXPECT_EQ(hash->find(5), 50u);
  EXPECT_TRUE(hash->assign(5, UINT64_MAX));
  EXPECT_EQ(hash->find(5), UINT64_MAX);
  EXPECT_TRUE(hash->erase(5));
  EXPECT_FALSE(hash->erase(5));
  EXPECT_FALSE(hash->find(5));
}

TEST_F(Rcu, HashTellsWhenItIsFullAndHealsByErasing) {
  auto hash = std::move(*Hash<uint64_t>::create("test", 64, *domain));
  uint64_t added = 0;
  while (hash->assign(added, added)) ++added;
  EXPECT_GE(added, 57u);
  for (uint64_t i = 0; i < added; ++i) EXPECT_TRUE(hash->erase(i));
  for (uint64_t i = 0; i < 57; ++i) EXPECT_TRUE(hash->assign(1000 + i, i));
}

// Keys come, move and go while two readers look: a value found is one that this key had.
TEST_F(Rcu, HashUnderConcurrentReaders) {
  constexpr uint64_t kKeys = 128;
  auto hash = std::move(*Hash<uint64_t>::create("test", 256, *domain));
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (const ReaderId id : {1u, 2u}) {
    domain->add(id);
    readers.emplace_back([&, id] {
      domain->online(id);
      while (!stop.load(std::memory_order_relaxed)) {
        for (uint64_t key = 0; key < kKeys; ++key) EXPECT_EQ(hash->find(key).value_or(key) % kKeys, key);
        domain->quiescent(id);
      }
      domain->offline(id);
    });
  }
  for (uint64_t round = 0; round < 300; ++round) {
    // The place of an erased key is free after a grace period only.
    for (uint64_t key = 0; key < kKeys; ++key)
      while (!hash->assign(key, round * kKeys + key)) std::this_thread::yield();
    for (uint64_t key = round % 3; key < kKeys; key += 3) ASSERT_TRUE(hash->erase(key));
  }
  stop = true;
  for (auto& reader : readers) reader.join();
}

}  // namespace
}  // namespace culvert::rcu
