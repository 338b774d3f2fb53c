// RCU by quiescent states: how the packet path reads what the control path changes, without a lock.
//
// Words. A *reader* is a thread that registered with the Domain; between two of its *quiescent states* it may
// follow any pointer it loaded from a Published<T>, or use any value it found in a rcu::Hash. A *writer*
// replaces such a thing: it *publishes* the new one and *retires* the old one. Once every reader that was
// online at that moment has passed a quiescent state (the *grace period*) nobody can still hold the old one,
// and it is *reclaimed*: freed.
//
// Who may call what.
// - There is one Domain in the process. Readers are known in it by a small number of their own: the lcore id,
// or,
//   for threads that are no lcore, one that lend_name() gives.
// - A reader calls online() before its first load, quiescent() in every turn of its loop, when it holds no
// such
//   pointer, and offline() before anything that may block or sleep. A reader that is offline holds up nobody;
//   one that is online and silent holds up every reclaim in the process.
// - A writer owns one RetireQueue and is one thread. It never waits for a grace period: it calls reclaim()
// with a
//   budget once a turn, which frees what is ripe and leaves the rest.
// - A thing published has one writer for good (Published<T> and Hash have no lock of their own).
#pragma once

#include <rte_rcu_qsbr.h>

#include <bitset>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "base/c_handle.hpp"
#include "base/result.hpp"

namespace culvert::rcu {

using ReaderId = unsigned;  // the lcore id, or lent

class Domain {
 public:
  // Error: out of memory. EAL must run.
  static Result<std::unique_ptr<Domain>> create();

  // From and for one reader; add() leaves it offline. Threads other than the reader may call add() and
  // remove(), but then not while that reader uses the domain.
  void add(ReaderId reader);
  void remove(ReaderId reader);
  void online(ReaderId reader);
  void offline(ReaderId reader);
  void quiescent(ReaderId reader);

  // Any thread. A name for a reader that is no lcore, until it is given back. Error: kMaxLent are lent.
  Result<ReaderId> lend_name();
  void give_back(ReaderId reader);

  // For writers, any thread. A token stands for the present moment; passed() is true once every reader that
  // was online then has been quiescent since.
  uint64_t start();
  bool passed(uint64_t token);

  // For DPDK libraries that attach themselves (rte_hash).
  rte_rcu_qsbr* handle() { return qsbr_.get(); }

 private:
  static constexpr unsigned kMaxLent = 64;
  explicit Domain(rte_rcu_qsbr* qsbr);

  CHandle<rte_rcu_qsbr, std::free> qsbr_;
  std::mutex lent_mutex_;
  std::bitset<kMaxLent> lent_;
};

// What one writer took out of sight and may not free yet. One thread.
class RetireQueue {
 public:
  explicit RetireQueue(Domain& domain) : domain_(&domain) {}
  RetireQueue(const RetireQueue&) = delete;
  RetireQueue& operator=(const RetireQueue&) = delete;
  // Frees everything: every reader must be offline or removed for good.
  ~RetireQueue();

  // Takes over `object`, which no reader can find any more. Null is ignored.
  template <typename T>
  void retire(std::unique_ptr<T> object) {
    if (object == nullptr) return;
    T* raw = object.release();
    push(const_cast<std::remove_const_t<T>*>(raw), [](void* old) { delete static_cast<T*>(old); });
  }

  // Frees at most `budget` objects whose grace period has passed, oldest first. Never waits. Returns how
  // many.
  size_t reclaim(size_t budget);
  size_t pending() const { return queue_.size(); }

 private:
  struct Retired {
    uint64_t token;
    void* object;
    void (*free)(void*);
  };

  void push(void* object, void (*free)(void*));

  Domain* domain_;
  std::deque<Retired> queue_;
};

}  // namespace culvert::rcu
