// The look-up costs what the shapes cost, not what the rules cost.
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "table.hpp"

namespace eswitch {
namespace {

struct PlainRule : TableRule {};

/// `count` rules of four shapes (destination, source, both, VNI) and the nanoseconds of one look-up that
/// hits.
double lookup_ns(size_t count) {
  Rcu rcu;
  Table table(rcu);
  std::vector<std::unique_ptr<PlainRule>> rules;
  std::vector<Key> keys;
  for (size_t i = 0; i < count; ++i) {
    Match match;
    LevelKey &value = match.value.level[0], &mask = match.mask.level[0];
    const unsigned shape = i % 4;
    const auto number = static_cast<uint32_t>(i + 1);  // never 0, which is what the others have there
    if (shape == 0 || shape == 2) put_be32(value.l3 + 16, number), put_be32(mask.l3 + 16, UINT32_MAX);
    if (shape == 1 || shape == 2) put_be32(value.l3 + 12, number), put_be32(mask.l3 + 12, UINT32_MAX);
    if (shape == 3) put_be32(value.tunnel + 4, number << 8), put_be32(mask.tunnel + 4, 0xffffff00);
    rules.push_back(std::make_unique<PlainRule>());
    rules.back()->precedence = {1, i};
    table.insert(*rules.back(), match);
    keys.push_back(match.value);
  }
  EXPECT_EQ(table.tuple_count(), 4u);
  constexpr size_t kLookups = 400'000;
  std::mt19937 random(1);
  std::vector<uint32_t> order(kLookups);
  for (uint32_t& index : order) index = static_cast<uint32_t>(random() % std::min<size_t>(count, 1024));
  size_t hits = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (const uint32_t index : order) hits += table.find(keys[index], nullptr) == rules[index].get();
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(hits, kLookups);
  for (const auto& rule : rules) table.remove(*rule);
  rcu.reclaim();
  return spent.count() / kLookups;
}

TEST(Lookup, CostsTheSameWith100000Rules) {
  double few = lookup_ns(12), many = lookup_ns(100'000);
  for (int i = 0; i < 4; ++i) {  // the best of five: the machine is shared
    few = std::min(few, lookup_ns(12));
    many = std::min(many, lookup_ns(100'000));
  }
  std::printf("look-up: %.0f ns among 12 rules, %.0f ns among 100000\n", few, many);
  EXPECT_LT(many, 3 * few);
}

}  // namespace
}  // namespace eswitch
