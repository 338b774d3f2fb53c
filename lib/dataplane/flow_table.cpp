#include "dataplane/flow_table.hpp"

#include <bit>

namespace culvert::dataplane {

namespace {
constexpr size_t kFewestBuckets = 16;
}  // namespace

FlowTable::FlowTable(const tunnel::MatchKey& mask, rcu::RetireQueue& retired) : mask_(mask) {
  const auto words = std::bit_cast<MatchWords>(mask);
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == 0) continue;
    places_[word_count_] = static_cast<uint8_t>(i);
    mask_words_[word_count_++] = words[i];
  }
  buckets_.replace(std::make_unique<const Buckets>(kFewestBuckets, 0), retired);
}

// The link that points, or is to point, at `node`: behind those of the same key that win over it, or at the
// end of the chain.
std::atomic<FlowNode*>& FlowTable::place_of(const Buckets& buckets, const FlowNode& node) const {
  std::atomic<FlowNode*>* at = &buckets.heads[node.hash & buckets.mask];
  for (;;) {
    FlowNode* const other = at->load(std::memory_order_relaxed);  // this thread alone writes links
    if (other == nullptr || other == &node) return *at;
    if (other->hash == node.hash && same_key(other->key, node.key) && node.rank < other->rank) return *at;
    at = &other->next[buckets.link];
  }
}

void FlowTable::insert(FlowNode& node, const tunnel::MatchKey& value, rcu::Domain& domain,
                       rcu::RetireQueue& retired) {
  node.hash = gather(std::bit_cast<MatchWords>(value), node.key);
  if (size_ > buckets_.load()->mask && domain.passed(grown_)) grow(domain, retired);
  const Buckets& buckets = *buckets_.load();
  std::atomic<FlowNode*>& at = place_of(buckets, node);
  node.next[buckets.link].store(at.load(std::memory_order_relaxed), std::memory_order_relaxed);
  // Release: a reader that sees the node sees its key and its link.
  at.store(&node, std::memory_order_release);
  ++size_;
}

void FlowTable::erase(const FlowNode& node) {
  const Buckets& buckets = *buckets_.load();
  // Release: the node behind may be newer than what the reader has seen of this link.
  place_of(buckets, node)
      .store(node.next[buckets.link].load(std::memory_order_relaxed), std::memory_order_release);
  --size_;
}

void FlowTable::grow(rcu::Domain& domain, rcu::RetireQueue& retired) {
  const Buckets& old = *buckets_.load();
  auto grown = std::make_unique<const Buckets>(std::bit_ceil(2 * size_), 1 - old.link);
  std::vector<std::atomic<FlowNode*>*> ends(grown->mask + 1);
  for (size_t i = 0; i <= grown->mask; ++i) ends[i] = &grown->heads[i];
  // From the first of each chain to the last, each to the end of its new one: the order of rank stays.
  for (const std::atomic<FlowNode*>& head : old.heads) {
    FlowNode* node = head.load(std::memory_order_relaxed);
    for (; node != nullptr; node = node->next[old.link].load(std::memory_order_relaxed)) {
      std::atomic<FlowNode*>*& end = ends[node->hash & grown->mask];
      end->store(node, std::memory_order_relaxed);
      end = &node->next[grown->link];
      end->store(nullptr, std::memory_order_relaxed);
    }
  }
  buckets_.replace(std::move(grown), retired);
  grown_ = domain.start();
}

}  // namespace culvert::dataplane
