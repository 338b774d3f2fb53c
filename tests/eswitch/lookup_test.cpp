// The look-up costs what the shapes cost, not what the rules cost.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "table.hpp"

namespace eswitch {
namespace {

struct PlainRule : TableRule {};

// A look-up tries each tuple (shape) once: what it costs is their number, which the number of rules does not
// change.
void expect_four_tuples(size_t count) {
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
  for (size_t i = 0; i < count; ++i) ASSERT_EQ(table.find(keys[i], nullptr), rules[i].get());
  for (const auto& rule : rules) table.remove(*rule);
  rcu.reclaim();
  EXPECT_EQ(table.tuple_count(), 0u);
}

TEST(Lookup, TriesAsManyTuplesWith100000RulesAsWith12) {
  expect_four_tuples(12);
  expect_four_tuples(100'000);
}

}  // namespace
}  // namespace eswitch
