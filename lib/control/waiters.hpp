// The shell's `wait`: done when all that the kernel had queued when it was asked is applied, its rules are in
// the NIC or refused, and the workers have it. Control lcore only.
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

  // Calls back, on the control lcore, once all rules that were asked for are in the NIC or refused.
  using Programmed = std::function<void(std::function<void()>)>;

  // Four steps: the mirror's barrier comes back; `unsettled` says nothing more; `programmed` calls back; a
  // grace period of the workers passes. Then `done`, or an error at `deadline`.
  void add(mirror::Mirror& mirror, TimePoint deadline, Unsettled unsettled, Programmed programmed, Done done);

  // Takes each waiter as far as it will go. Call it after changes are flushed and published.
  void run(rcu::Domain& domain, TimePoint now);

 private:
  struct Waiter {
    TimePoint deadline;
    Unsettled unsettled;
    Programmed programmed;
    Done done;
    bool past_barrier = false;
    enum class Rules : uint8_t { unknown, asked, done } rules = Rules::unknown;
    std::optional<uint64_t> grace;  // token of the grace period, once settled
  };

  static std::optional<Status> advance(const std::shared_ptr<Waiter>& waiter, rcu::Domain& domain,
                                       TimePoint now);

  std::list<std::shared_ptr<Waiter>> waiters_;  // shared with those who call back
};

}  // namespace culvert::control
