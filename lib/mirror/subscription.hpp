// A listener in any thread: the mirror's state at one moment and then every change since, in order, read when
// its thread has time.
//
//   auto subscription = mirror.subscribe({.before_retry = [&] { seen.clear(); }});
//   while (...) { poll(subscription->fd()); subscription->deliver(listener, 1000); }
//
// One thread at a time, whichever; the mirror outlives it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/c_handle.hpp"
#include "base/result.hpp"
#include "mirror/changes.hpp"
#include "mirror/path_table.hpp"

namespace culvert::rcu {
class Domain;
}

namespace culvert::mirror {

class Store;

struct SubscribeOptions {
  // Called before each retry: the tables changed while they were read.
  std::function<void()> before_retry;
  // Changes that may wait. One more cuts the subscription.
  size_t queue_limit = size_t{1} << 18;
};

class Subscription {
 public:
  static constexpr unsigned kRetries = 5;

  // Reads the tables and registers, which holds only if nothing changed meanwhile; else tries again, five
  // times, after a pause of 1 ms that doubles. May be called while the control lcore changes the tables, and
  // then from a thread that may sleep; from the control lcore it succeeds at once. Error: changes came
  // without a pause, or no RCU reader is free.
  static Result<std::unique_ptr<Subscription>> create(const Store& store, Changes& changes,
                                                      rcu::Domain& domain, const SubscribeOptions& options);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  // Tells `listener` at most `budget` objects of the state (`before` is null) or, once that is told, changes.
  // Returns how many; none: there is nothing now.
  size_t deliver(Listener& listener, size_t budget);
  // The state has been told.
  bool replayed() const { return next_object_ == objects_.size() && next_route_ == routes_.size(); }
  // More changes waited than the limit: what was told is all that will be. Subscribe anew.
  bool is_cut() const { return joined_->queue.is_cut(); }
  // Readable while deliver() may have something to tell.
  int fd() const { return wake_.get(); }

 private:
  using Object = std::variant<Link, Address, Nexthop, Neighbour, PolicyRule>;
  struct RouteRow {
    net::Prefix dst;
    PathId path;
  };

  Subscription(Changes& changes, UniqueFd wake, size_t queue_limit);
  bool try_join(const Store& store);
  size_t replay(Listener& listener, size_t budget);

  Changes& changes_;
  UniqueFd wake_;
  const size_t queue_limit_;
  std::shared_ptr<Changes::Joined> joined_;

  std::vector<Object> objects_;
  std::vector<RouteRow> routes_;
  std::unordered_map<PathId, Path> paths_;
  size_t next_object_ = 0, next_route_ = 0;
  std::deque<std::shared_ptr<const Change>> taken_;
};

}  // namespace culvert::mirror
