// The flows of one mask on one port: a hash table of masked keys with one writer, the control lcore, and
// lock-free readers, the workers.
//
// Chains of nodes that are immutable but for their links. A flow is added by one store, removed by one store
// and retired; a reader follows the links from one quiescent state to the next and so never meets a freed
// node. Flows of one and the same match stand side by side in their chain, the one that wins first, so that a
// reader takes the first that fits.
//
// Growing: each node has two links, and a set of buckets says which of them its chains use. A larger set is
// chained over the other link while readers walk the old one, then published. The link that the old set used
// is free again once its readers are gone: the next growth waits for that grace period, and chains are a
// little longer until then.
#pragma once

#include <rte_prefetch.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/crc.hpp"
#include "dataplane/ids.hpp"
#include "rcu/domain.hpp"
#include "rcu/published.hpp"
#include "tunnel/flow.hpp"

namespace culvert::dataplane {

using MatchWords = std::array<uint64_t, sizeof(tunnel::MatchKey) / sizeof(uint64_t)>;

// Who wins among the flows that take a packet: the lower.
struct FlowRank {
  uint16_t priority = 0;
  uint64_t sequence = 0;

  auto operator<=>(const FlowRank&) const = default;
};

struct alignas(64) FlowNode {
  uint32_t hash = 0;
  FlowId id = 0;
  EncapId encap = 0;
  FlowRank rank;
  std::array<std::atomic<FlowNode*>, 2> next{};
  MatchWords key{};  // the words that the table's mask has, one after the other
};

class FlowTable {
 public:
  FlowTable(const tunnel::MatchKey& mask, rcu::RetireQueue& retired);

  const tunnel::MatchKey& mask() const { return mask_; }

  // Writer. `node` stays the caller's and has id, encap and rank; its hash, key and links are written here:
  // it must be new.
  void insert(FlowNode& node, const tunnel::MatchKey& value, rcu::Domain& domain, rcu::RetireQueue& retired);
  // Writer. The caller retires the node.
  void erase(const FlowNode& node);
  size_t size() const { return size_; }

  // Readers: a look-up in three steps, so that a burst's memory accesses go on side by side.
  struct Probe {
    uint32_t hash;
    unsigned link;
    const std::atomic<FlowNode*>* bucket;
    MatchWords key;  // as FlowNode::key
  };
  void begin(const MatchWords& packet, Probe& probe) const {
    probe.hash = gather(packet, probe.key);
    const Buckets& buckets = *buckets_.load();
    probe.link = buckets.link;
    probe.bucket = &buckets.heads[probe.hash & buckets.mask];
    rte_prefetch0(probe.bucket);
  }
  static void prefetch(const Probe& probe) { rte_prefetch0(probe.bucket->load(std::memory_order_relaxed)); }
  // Null: no flow of this mask takes the packet.
  const FlowNode* finish(const Probe& probe) const {
    // Acquire, here and below: who finds a node sees it complete.
    const FlowNode* node = probe.bucket->load(std::memory_order_acquire);
    while (node != nullptr && (node->hash != probe.hash || !same_key(node->key, probe.key)))
      node = node->next[probe.link].load(std::memory_order_acquire);
    return node;
  }

 private:
  struct Buckets {
    Buckets(size_t count, unsigned link) : mask(count - 1), link(link), heads(count) {}
    const size_t mask;
    const unsigned link;  // of FlowNode::next
    mutable std::vector<std::atomic<FlowNode*>> heads;
  };

  // Writes the words that count behind one another; returns their hash.
  uint32_t gather(const MatchWords& packet, MatchWords& key) const {
    uint32_t hash = 0;
    for (unsigned i = 0; i < word_count_; ++i) {
      key[i] = packet[places_[i]] & mask_words_[i];
      hash = crc_word(key[i], hash);
    }
    return hash;
  }
  bool same_key(const MatchWords& a, const MatchWords& b) const {
    for (unsigned i = 0; i < word_count_; ++i)
      if (a[i] != b[i]) return false;
    return true;
  }
  std::atomic<FlowNode*>& place_of(const Buckets& buckets, const FlowNode& node) const;
  void grow(rcu::Domain& domain, rcu::RetireQueue& retired);

  const tunnel::MatchKey mask_;
  MatchWords mask_words_{};                                      // those that are not zero
  std::array<uint8_t, std::tuple_size_v<MatchWords>> places_{};  // and where they are in a key
  unsigned word_count_ = 0;
  rcu::Published<Buckets> buckets_;  // never null
  size_t size_ = 0;
  uint64_t grown_ = 0;  // RCU token of the last growth
};

}  // namespace culvert::dataplane
