#include "rcu.hpp"

#include <cstdlib>
#include <new>
#include <thread>

namespace eswitch {

Rcu::Rcu() {
  const size_t size = rte_rcu_qsbr_get_memsize(1);
  qsbr_ = static_cast<rte_rcu_qsbr*>(
      std::aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE)));
  if (qsbr_ == nullptr) throw std::bad_alloc();
  rte_rcu_qsbr_init(qsbr_, 1);
  rte_rcu_qsbr_thread_register(qsbr_, 0);
}

Rcu::~Rcu() { std::free(qsbr_); }

void Rcu::retire(std::unique_ptr<Retirable> object) {
  retired_.emplace_back(rte_rcu_qsbr_start(qsbr_), std::move(object));
}

bool Rcu::passed(uint64_t token) {
  const std::lock_guard guard(check_lock_);
  return rte_rcu_qsbr_check(qsbr_, token, false) == 1;
}

void Rcu::reclaim() {
  while (!retired_.empty() && passed(retired_.front().first)) retired_.pop_front();
}

void Rcu::synchronize() {
  const uint64_t token = rte_rcu_qsbr_start(qsbr_);
  while (!passed(token)) std::this_thread::yield();
}

}  // namespace eswitch
