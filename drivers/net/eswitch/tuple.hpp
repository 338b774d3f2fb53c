// All rules of a table that mask the same words in the same way. Terms and threads: table.hpp.
#pragma once

#include "table.hpp"

namespace eswitch {

class Tuple : public Retirable {
 public:
  explicit Tuple(const Key& mask);
  ~Tuple() override;

  bool has_mask(const Key& mask) const { return std::memcmp(&mask, &mask_, sizeof(Key)) == 0; }

  /// Reader: the best rule here for `key` that comes after `after` (if any) and before `best` (if any); else
  /// `best`.
  const TableRule* find(const Key& key, const Precedence* after, const TableRule* best) const;

  /// Writer.
  void insert(TableRule& rule, const Match& match, Rcu& rcu);
  void remove(TableRule& rule, Rcu& rcu);
  /// Writer: the best rank held; a tuple that holds none is to be dropped.
  bool empty() const { return ranks_.empty(); }
  uint32_t best_rank() const { return ranks_.begin()->first; }

 private:
  struct Node;
  class Buckets;
  struct Word {
    uint32_t index, mask;
  };

  static uint32_t mix(uint32_t hash, uint32_t word);
  void link(Buckets& buckets, Node* node);
  void grow(Rcu& rcu);

  const Key mask_;
  std::vector<Word> words_;  // the words of mask_ that are not 0
  std::atomic<const Buckets*> published_;
  std::unique_ptr<Buckets> buckets_;  // writer's hold on what is published
  std::map<uint32_t, size_t> ranks_;  // writer's: how many rules of each rank
  size_t count_ = 0;                  // writer's
};

}  // namespace eswitch
