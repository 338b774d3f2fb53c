// The shell's `wait`: done when all that the kernel had queued when it was asked is applied and the workers
// have it. Control lcore only.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "mirror/mirror.hpp"
#include "rcu/domain.hpp"

namespace culvert::control {

class Waiters {
 public:
  using Done = std::function<void(Status)>;
  // Why it is not settled yet; nullopt: it is.
  using Unsettled = std::function<std::optional<std::string>()>;

  // Three steps: the mirror's barrier comes back; `unsettled` says nothing more; a grace period of the
  // workers passes. Then `done`, or an error at `deadline`.
  void add(mirror::Mirror& mirror, TimePoint deadline, Unsettled unsettled, Done done);

  // Takes each waiter as far as it will go. Call it after changes are flushed and published.
  void run(rcu::Domain& domain, TimePoint now);

 private:
  struct Waiter {
    TimePoint deadline;
    Unsettled unsettled;
    Done done;
    bool past_barrier = false;
    std::optional<uint64_t> grace;  // token of the grace period, once settled
  };

  static std::optional<Status> advance(Waiter& waiter, rcu::Domain& domain, TimePoint now);

  std::list<std::shared_ptr<Waiter>> waiters_;  // shared with the mirror, which may outlive our interest
};

}  // namespace culvert::control
