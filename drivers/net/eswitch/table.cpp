#include "table.hpp"

#include <algorithm>

#include "tuple.hpp"

namespace eswitch {

/// The tuples as the reader sees them, best rank first.
class Table::TupleList : public Retirable {
 public:
  struct Entry {
    uint32_t best_rank;
    const Tuple* tuple;
  };
  std::vector<Entry> entries;
};

Table::Table(Rcu& rcu) : rcu_(rcu), list_(new TupleList) {}
Table::~Table() { delete list_.load(std::memory_order_relaxed); }

const TableRule* Table::find(const Key& key, const Precedence* after) const {
  for (;;) {
    const uint64_t additions = additions_.load(std::memory_order_acquire);
    const TableRule* best = nullptr;
    for (const TupleList::Entry& entry : list_.load(std::memory_order_acquire)->entries) {
      if (best != nullptr && best->precedence.rank < entry.best_rank) break;
      best = entry.tuple->find(key, after, best);
    }
    // The loads above are acquire, so this one is not made before them: if it still shows the same number, no
    // rule was added before a removal that the walk saw.
    if (additions_.load(std::memory_order_relaxed) == additions) return best;
  }
}

void Table::insert(TableRule& rule, const Match& match) {
  Tuple& tuple = tuple_for(match);
  const bool first = tuple.empty();
  const uint32_t rank_before = first ? 0 : tuple.best_rank();
  // A look-up that still has the older list may pass the rule by; until additions_ moves it is not in.
  tuple.insert(rule, match, rcu_);
  if (first || tuple.best_rank() != rank_before) publish();
  additions_.fetch_add(1, std::memory_order_release);
}

void Table::remove(TableRule& rule) {
  Tuple* tuple = rule.tuple_;
  const uint32_t rank_before = tuple->best_rank();
  tuple->remove(rule, rcu_);
  if (!tuple->empty()) {
    if (tuple->best_rank() != rank_before) publish();
    return;
  }
  const auto at =
      std::find_if(tuples_.begin(), tuples_.end(), [&](const auto& held) { return held.get() == tuple; });
  std::unique_ptr<Tuple> dropped = std::move(*at);
  tuples_.erase(at);
  publish();
  rcu_.retire(std::move(dropped));
}

Tuple& Table::tuple_for(const Match& match) {
  for (const auto& tuple : tuples_)
    if (tuple->has_mask(match.mask)) return *tuple;
  return *tuples_.emplace_back(std::make_unique<Tuple>(match.mask));
}

void Table::publish() {
  auto list = std::make_unique<TupleList>();
  for (const auto& tuple : tuples_) list->entries.push_back({tuple->best_rank(), tuple.get()});
  std::sort(list->entries.begin(), list->entries.end(),
            [](const auto& a, const auto& b) { return a.best_rank < b.best_rank; });
  const TupleList* old = list_.exchange(list.release(), std::memory_order_acq_rel);
  rcu_.retire(std::unique_ptr<Retirable>(const_cast<TupleList*>(old)));
}

}  // namespace eswitch
