#include "tuple.hpp"

#include <algorithm>

namespace eswitch {

/// A rule's place in one bucket array. Chains are kept in order of precedence.
struct Tuple::Node : Retirable {
  explicit Node(TableRule& rule, uint32_t hash) : rule(&rule), hash(hash) {}
  TableRule* const rule;
  const uint32_t hash;
  std::atomic<Node*> next{nullptr};
};

/// Chains of nodes by hash. Retired whole, with its nodes, when a larger array takes its place.
class Tuple::Buckets : public Retirable {
 public:
  explicit Buckets(size_t count) : mask_(count - 1), heads_(new std::atomic<Node*>[count]()) {}
  ~Buckets() override {
    for (size_t i = 0; i < size(); ++i)
      for (Node* node = heads_[i].load(std::memory_order_relaxed); node != nullptr;)
        delete std::exchange(node, node->next.load(std::memory_order_relaxed));
  }
  size_t size() const { return mask_ + 1; }
  std::atomic<Node*>& head(uint32_t hash) const { return heads_[hash & mask_]; }

 private:
  size_t mask_;
  std::unique_ptr<std::atomic<Node*>[]> heads_;
};

Tuple::Tuple(const Key& mask) : mask_(mask), buckets_(std::make_unique<Buckets>(8)) {
  for (uint32_t i = 0; i < kKeyWords; ++i)
    if (const uint32_t word = key_word(mask, i); word != 0) words_.push_back({i, word});
  published_.store(buckets_.get(), std::memory_order_release);
}

Tuple::~Tuple() = default;

uint32_t Tuple::mix(uint32_t hash, uint32_t word) {
  uint64_t product = (uint64_t{hash} ^ word) * 0x9e3779b97f4a7c15u;
  return static_cast<uint32_t>(product ^ (product >> 32));
}

const TableRule* Tuple::find(const Key& key, const Precedence* after, const TableRule* best) const {
  uint32_t masked[kKeyWords];
  uint32_t hash = 0x85ebca6b;
  for (size_t i = 0; i < words_.size(); ++i) {
    masked[i] = key_word(key, words_[i].index) & words_[i].mask;
    hash = mix(hash, masked[i]);
  }
  const Buckets* buckets = published_.load(std::memory_order_acquire);
  for (Node* node = buckets->head(hash).load(std::memory_order_acquire); node != nullptr;
       node = node->next.load(std::memory_order_acquire)) {
    const TableRule& rule = *node->rule;
    if (best != nullptr && !(rule.precedence < best->precedence)) break;
    if (node->hash != hash || (after != nullptr && !(*after < rule.precedence))) continue;
    if (!std::equal(rule.values_.begin(), rule.values_.end(), masked)) continue;
    bool in_range = true;
    for (const RangeCheck& range : rule.ranges_) in_range = in_range && range.holds(key);
    if (in_range) return &rule;
  }
  return best;
}

void Tuple::insert(TableRule& rule, const Match& match, Rcu& rcu) {
  uint32_t hash = 0x85ebca6b;
  rule.values_.resize(words_.size());
  for (size_t i = 0; i < words_.size(); ++i) {
    rule.values_[i] = key_word(match.value, words_[i].index);
    hash = mix(hash, rule.values_[i]);
  }
  rule.ranges_ = match.ranges;
  rule.tuple_ = this;
  rule.hash_ = hash;
  ++ranks_[rule.precedence.rank];
  if (++count_ > buckets_->size()) grow(rcu);
  link(*buckets_, new Node(rule, hash));
}

void Tuple::link(Buckets& buckets, Node* node) {
  std::atomic<Node*>* place = &buckets.head(node->hash);
  for (Node* next; (next = place->load(std::memory_order_relaxed)) != nullptr; place = &next->next)
    if (node->rule->precedence < next->rule->precedence) break;
  node->next.store(place->load(std::memory_order_relaxed), std::memory_order_relaxed);
  place->store(node, std::memory_order_release);  // the node and its rule are complete
}

void Tuple::grow(Rcu& rcu) {
  auto larger = std::make_unique<Buckets>(buckets_->size() * 4);
  for (size_t i = 0; i < buckets_->size(); ++i)
    for (Node* node = buckets_->head(static_cast<uint32_t>(i)).load(std::memory_order_relaxed);
         node != nullptr; node = node->next.load(std::memory_order_relaxed))
      link(*larger, new Node(*node->rule, node->hash));
  published_.store(larger.get(), std::memory_order_release);
  rcu.retire(std::exchange(buckets_, std::move(larger)));
}

void Tuple::remove(TableRule& rule, Rcu& rcu) {
  std::atomic<Node*>* place = &buckets_->head(rule.hash_);
  Node* node = place->load(std::memory_order_relaxed);
  while (node->rule != &rule) {
    place = &node->next;
    node = place->load(std::memory_order_relaxed);
  }
  // Release keeps what follows the node complete for a reader that comes past it from now on.
  place->store(node->next.load(std::memory_order_relaxed), std::memory_order_release);
  rcu.retire(std::unique_ptr<Retirable>(node));
  --count_;
  if (auto rank = ranks_.find(rule.precedence.rank); --rank->second == 0) ranks_.erase(rank);
}

}  // namespace eswitch
