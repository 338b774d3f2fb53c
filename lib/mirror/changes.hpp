// The change counter, and who is told of changes.
//
// Listeners of the control lcore are called as the tables change. A listener of any other thread has a queue,
// and gets the present state and then every change, none lost and none twice, although the tables change
// while it reads them:
//
//   the control lcore, a change            another thread, try_join()
//   version: even -> odd        (1)        v = version, even             (5)
//   the tables                  (2)        reads the tables              (6)
//   queues of all that joined   (3)        joins                         (7)
//   version: odd -> even        (4)        version still v? else leaves  (8)
//
// If (8) finds v, then (1) of every change that (6) may have seen in part comes after (8), and so after (7)
// in the one order of the sequentially consistent operations (1), (3), (7), (8): its (3) finds the queue.
// What (6) read is then whole and without any such change. Stores to the tables are releases and loads
// acquires: a load of (6) that saw a store of (2) makes (8) see (1).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "mirror/listener.hpp"

namespace culvert::mirror {

// A change as a queue holds it: values of its own, which stay while they wait.
template <typename T>
struct ObjectChange {
  std::optional<T> before, after;
};
struct RouteChange {
  net::Prefix dst;
  std::optional<Path> before, after;
};
using Change = std::variant<ObjectChange<Link>, ObjectChange<Address>, ObjectChange<Neighbour>,
                            ObjectChange<Nexthop>, ObjectChange<PolicyRule>, RouteChange>;

// What one listener of another thread has not read yet.
class ChangeQueue {
 public:
  // Beyond `limit` changes the queue is cut: nothing of it is read any more.
  explicit ChangeQueue(size_t limit) : limit_(limit) {}

  // The control lcore. True: it was empty.
  bool push(const std::shared_ptr<const Change>& change) {
    const std::lock_guard lock(mutex_);
    if (changes_.size() >= limit_) {
      cut_ = true;
      changes_.clear();
    }
    if (!cut_) changes_.push_back(change);
    return changes_.size() <= 1;
  }
  // The listener's thread: all that is there.
  std::deque<std::shared_ptr<const Change>> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(changes_, {});
  }
  bool is_cut() const {
    const std::lock_guard lock(mutex_);
    return cut_;
  }

 private:
  mutable std::mutex mutex_;
  std::deque<std::shared_ptr<const Change>> changes_;
  const size_t limit_;
  bool cut_ = false;
};

class Changes {
 public:
  // Joined by a listener of another thread. `wake` is called on the control lcore when its queue is no longer
  // empty; it does not block.
  struct Joined {
    Joined(size_t queue_limit, std::function<void()> wake_it)
        : queue(queue_limit), wake(std::move(wake_it)) {}
    ChangeQueue queue;
    const std::function<void()> wake;
  };

  // While it lives the tables change. They may nest.
  class Writing {
   public:
    explicit Writing(Changes& changes) : changes_(changes) {
      if (changes_.depth_++ == 0) changes_.step();
    }
    ~Writing() {
      if (--changes_.depth_ == 0) changes_.step();
    }
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;

   private:
    Changes& changes_;
  };

  // The control lcore.
  void add(Listener& listener) { listeners_.push_back(&listener); }
  void remove(Listener& listener) { std::erase(listeners_, &listener); }
  uint64_t told() const { return told_; }
  // Within a Writing.
  template <typename T>
  void tell(const T* before, const T* after) {
    ++told_;
    for (Listener* listener : listeners_) mirror::tell(*listener, before, after);
    if (joined_count_.load() != 0) push(ObjectChange<T>{copy(before), copy(after)});
  }
  void tell_route(const net::Prefix& dst, const Path* before, const Path* after) {
    ++told_;
    for (Listener* listener : listeners_) listener->on_route(dst, before, after);
    if (joined_count_.load() != 0) push(RouteChange{dst, copy(before), copy(after)});
  }

  // Any thread. Odd: a change is under way.
  uint64_t version() const { return version_.load(); }
  // False: the version is another by now, and the queue is of no use.
  bool join(const std::shared_ptr<Joined>& joined, uint64_t version);
  void leave(const std::shared_ptr<Joined>& joined);

 private:
  void step() { version_.store(version_.load(std::memory_order_relaxed) + 1); }
  void push(Change change);
  template <typename T>
  static std::optional<T> copy(const T* object) {
    return object == nullptr ? std::nullopt : std::optional<T>(*object);
  }

  std::vector<Listener*> listeners_;
  uint64_t told_ = 0;
  unsigned depth_ = 0;
  std::atomic<uint64_t> version_{0};
  std::atomic<size_t> joined_count_{0};
  std::mutex joined_mutex_;
  std::vector<std::shared_ptr<Joined>> joined_;
};

}  // namespace culvert::mirror
