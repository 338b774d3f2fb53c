// How rules change under packets in flight. Readers: the switch thread alone. Writers: whoever holds the
// switch's lock. A writer makes the new thing, publishes its pointer (release), unlinks the old one and
// retires it; the reader loads pointers (acquire) and reports a quiescent state between bursts, never within
// one. What was retired is freed by a later writer once the reader has reported; nobody waits for it.
#pragma once

#include <rte_rcu_qsbr.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

namespace eswitch {

/// Base of what is freed after a grace period.
class Retirable {
 public:
  virtual ~Retirable() = default;
};

class Rcu {
 public:
  Rcu();
  ~Rcu();
  Rcu(const Rcu&) = delete;
  Rcu& operator=(const Rcu&) = delete;

  /// Reader side, switch thread only. Offline before it sleeps: writers then need not wait for it.
  void online() { rte_rcu_qsbr_thread_online(qsbr_, 0); }
  void offline() { rte_rcu_qsbr_thread_offline(qsbr_, 0); }
  void quiescent() { rte_rcu_qsbr_quiescent(qsbr_, 0); }

  /// Writer side, under the switch's lock. The object must be out of the reader's reach already.
  void retire(std::unique_ptr<Retirable> object);
  /// Frees what no reader can hold any more.
  void reclaim();
  /// Waits until the reader has passed a quiescent state: for ports that stop, never for rules. Any thread
  /// but the reader's own.
  void synchronize();

 private:
  /// Whether the reader has passed a quiescent state since `token`. rte_rcu_qsbr_check remembers what one
  /// thread saw and tells it to the next with no ordering; the lock gives that.
  bool passed(uint64_t token);

  std::mutex check_lock_;
  rte_rcu_qsbr* qsbr_;
  std::deque<std::pair<uint64_t, std::unique_ptr<Retirable>>> retired_;
};

}  // namespace eswitch
