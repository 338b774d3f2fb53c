#include "control/waiters.hpp"

namespace culvert::control {

void Waiters::add(mirror::Mirror& mirror, TimePoint deadline, Unsettled unsettled, Done done) {
  auto waiter =
      std::make_shared<Waiter>(Waiter{deadline, std::move(unsettled), std::move(done), false, std::nullopt});
  waiters_.push_back(waiter);
  mirror.barrier([waiter] { waiter->past_barrier = true; });
}

void Waiters::run(rcu::Domain& domain, TimePoint now) {
  for (auto entry = waiters_.begin(); entry != waiters_.end();) {
    const std::shared_ptr<Waiter> waiter = *entry;
    const std::optional<Status> outcome = advance(*waiter, domain, now);
    if (!outcome) {
      ++entry;
      continue;
    }
    entry = waiters_.erase(entry);
    waiter->done(*outcome);
  }
}

std::optional<Status> Waiters::advance(Waiter& waiter, rcu::Domain& domain, TimePoint now) {
  std::string waits_for = "the kernel's queued events are not applied yet";
  if (waiter.past_barrier) {
    if (const auto reason = waiter.unsettled()) {
      waits_for = *reason;
      waiter.grace.reset();
    } else {
      if (!waiter.grace) waiter.grace = domain.start();
      if (domain.passed(*waiter.grace)) return Status{};
      waits_for = "the workers do not have it yet";
    }
  }
  if (now < waiter.deadline) return std::nullopt;
  return Status{error("timed out: {}", waits_for)};
}

}  // namespace culvert::control
