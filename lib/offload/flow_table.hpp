// The flows by name: read by any thread under RCU, changed under a lock that is held for the change alone.
//
// Names are kept as 128 bits of hash: two names that share all of them would count as one. The hash table is
// of fixed size (rte_hash): a larger one is built and published when it fills up.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "offload/node.hpp"
#include "rcu/domain.hpp"
#include "rcu/hash.hpp"

namespace culvert::offload {

class FlowTable {
 public:
  static constexpr uint32_t kMaxFlows = 1u << 20;  // one million

  static Result<std::unique_ptr<FlowTable>> create(rcu::Domain& domain);

  // Any thread. The flow can be found at once; it stays the caller's. Error: the name is taken, or kMaxFlows.
  Status insert(Flow& flow);
  // Any thread. From now on `flow` is found by its name, and what was is given, with a reference for the
  // caller. Error: there is none of that name, or kMaxFlows.
  Result<Flow*> replace(Flow& flow);
  // Any thread. The flow with a reference for the caller; null: there is none of that name. Nobody finds it
  // any more.
  Flow* remove(std::string_view name);

  // Readers that are online in the domain. A flow that is found may go with the next quiescent state: take()
  // it.
  Flow* find(std::string_view name) const;
  Flow* at(uint32_t id) const { return rows_[id].load(std::memory_order_acquire); }
  // Ids are below this.
  uint32_t end() const { return end_.load(std::memory_order_acquire); }

  // The offload thread, after remove(): at() gives them no more, and their ids may be used again. Free the
  // flows after a grace period. Many at a time: who adds and removes flows holds the lock most of the time.
  void release(std::span<const uint32_t> ids);

 private:
  using Key = std::array<uint64_t, 2>;
  using Names = rcu::Hash<Key>;

  explicit FlowTable(rcu::Domain& domain) : domain_(domain), retired_(domain), rows_(kMaxFlows) {}
  static Key key_of(std::string_view name);
  Status grow();
  Result<uint32_t> next_id() const;
  void put(Flow& flow, uint32_t id);

  rcu::Domain& domain_;
  std::mutex mutex_;  // of all changes
  rcu::RetireQueue retired_;
  rcu::Published<Names> names_;
  size_t capacity_ = 0, size_ = 0;
  std::vector<std::atomic<Flow*>> rows_;
  std::vector<uint32_t> free_ids_;
  std::atomic<uint32_t> end_{0};
};

}  // namespace culvert::offload
