#include "rcu/domain.hpp"

#include <rte_lcore.h>

#include <cstdlib>

namespace culvert::rcu {

Domain::Domain(rte_rcu_qsbr* qsbr) : qsbr_(qsbr) {}

Result<std::unique_ptr<Domain>> Domain::create() {
  const size_t size = rte_rcu_qsbr_get_memsize(RTE_MAX_LCORE + kMaxLent);
  auto* qsbr = static_cast<rte_rcu_qsbr*>(std::aligned_alloc(RTE_CACHE_LINE_SIZE, size));
  if (qsbr == nullptr) return error("no memory for the RCU domain ({} bytes)", size);
  rte_rcu_qsbr_init(qsbr, RTE_MAX_LCORE + kMaxLent);
  return std::unique_ptr<Domain>(new Domain(qsbr));
}

void Domain::add(ReaderId reader) { rte_rcu_qsbr_thread_register(qsbr_.get(), reader); }
void Domain::remove(ReaderId reader) { rte_rcu_qsbr_thread_unregister(qsbr_.get(), reader); }
void Domain::online(ReaderId reader) { rte_rcu_qsbr_thread_online(qsbr_.get(), reader); }
void Domain::offline(ReaderId reader) { rte_rcu_qsbr_thread_offline(qsbr_.get(), reader); }
void Domain::quiescent(ReaderId reader) { rte_rcu_qsbr_quiescent(qsbr_.get(), reader); }

Result<ReaderId> Domain::lend_name() {
  const std::lock_guard lock(lent_mutex_);
  for (unsigned i = 0; i < kMaxLent; ++i) {
    if (lent_[i]) continue;
    lent_[i] = true;
    return RTE_MAX_LCORE + i;
  }
  return error("{} threads read already; let one end first", kMaxLent);
}

void Domain::give_back(ReaderId reader) {
  const std::lock_guard lock(lent_mutex_);
  lent_[reader - RTE_MAX_LCORE] = false;
}

uint64_t Domain::start() { return rte_rcu_qsbr_start(qsbr_.get()); }

bool Domain::passed(uint64_t token) {
  if (rte_rcu_qsbr_check(qsbr_.get(), token, false) != 1) return false;
#if defined(__SANITIZE_THREAD__)
  // The check may rest on what rte_hash found out before, on this thread but in a library that TSan does not
  // see. Let it see the same acquire loads here.
  for (ReaderId reader = 0; reader < RTE_MAX_LCORE + kMaxLent; ++reader)
    __atomic_load_n(&qsbr_->qsbr_cnt[reader].cnt, __ATOMIC_ACQUIRE);
#endif
  return true;
}

RetireQueue::~RetireQueue() {
  for (const Retired& retired : queue_) retired.free(retired.object);
}

void RetireQueue::push(void* object, void (*free)(void*)) {
  queue_.push_back({domain_->start(), object, free});
}

size_t RetireQueue::reclaim(size_t budget) {
  size_t freed = 0;
  // Tokens grow with the queue: the first that has not passed ends the turn.
  while (freed < budget && !queue_.empty() && domain_->passed(queue_.front().token)) {
    const Retired retired = queue_.front();
    queue_.pop_front();
    retired.free(retired.object);
    ++freed;
  }
  return freed;
}

}  // namespace culvert::rcu
