// One group of rules, looked up by tuple-space search: rules that mask the same words in the same way share a
// tuple, and a tuple is a hash table over the masked words. A look-up costs one probe a tuple that could
// still win, however many rules each holds.
//
// The reader is the switch thread; writers hold the switch's lock (rcu.hpp has the terms). What the reader
// walks is: the published list of tuples -> a tuple's published bucket array -> chains of nodes -> rules.
// Each arrow is one atomic pointer, stored with release when what it points to is complete and loaded with
// acquire.
//
// Adding one rule and removing another must never let a packet find neither. A look-up visits tuples one
// after the other, so it could pass the first place before the addition and the second after the removal.
// Therefore each addition bumps `additions_` after it is published, and a look-up that sees the number move
// starts again.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "match.hpp"
#include "rcu.hpp"

namespace eswitch {

/// Which rule wins: the lower rank, then the earlier one.
struct Precedence {
  uint32_t rank = 0;
  uint64_t sequence = 0;

  auto operator<=>(const Precedence&) const = default;
};

/// What a table needs of a rule. It belongs to whoever inserted it, must outlive the grace period after its
/// removal, and its `precedence` and `match` members stay as they are while it is in.
class TableRule : public Retirable {
 public:
  Precedence precedence;

 private:
  friend class Tuple;
  friend class Table;
  class Tuple* tuple_ = nullptr;  // writer's
  uint32_t hash_ = 0;             // writer's
  std::vector<uint32_t> values_;  // the tuple's masked words, in its order
  std::vector<RangeCheck> ranges_;
};

class Table {
 public:
  explicit Table(Rcu& rcu);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  /// Reader: the winning rule for `key`, or, with `after`, the best of those that `after` precedes. Null: a
  /// miss.
  const TableRule* find(const Key& key, const Precedence* after) const;

  /// Writer. `rule` gets its words from `match`.
  void insert(TableRule& rule, const Match& match);
  /// Writer. The rule may still be in a reader's hands until the grace period is over.
  void remove(TableRule& rule);

  size_t tuple_count() const { return tuples_.size(); }

 private:
  class TupleList;

  void publish();
  Tuple& tuple_for(const Match& match);

  Rcu& rcu_;
  std::vector<std::unique_ptr<Tuple>> tuples_;  // writer's
  std::atomic<const TupleList*> list_;
  std::atomic<uint64_t> additions_{0};
};

}  // namespace eswitch
