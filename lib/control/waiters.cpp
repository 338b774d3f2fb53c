#include "control/waiters.hpp"

#include <utility>

namespace culvert::control {

void Waiters::add(mirror::Mirror& mirror, TimePoint deadline, Unsettled unsettled, Programmed programmed,
                  Done done) {
  auto waiter = std::make_shared<Waiter>();
  waiter->deadline = deadline;
  waiter->unsettled = std::move(unsettled);
  waiter->programmed = std::move(programmed);
  waiter->done = std::move(done);
  waiters_.push_back(waiter);
  mirror.barrier([waiter] { waiter->past_barrier = true; });
}

void Waiters::run(rcu::Domain& domain, TimePoint now) {
  for (auto entry = waiters_.begin(); entry != waiters_.end();) {
    const std::shared_ptr<Waiter> waiter = *entry;
    const std::optional<Status> outcome = advance(waiter, domain, now);
    if (!outcome) {
      ++entry;
      continue;
    }
    entry = waiters_.erase(entry);
    waiter->done(*outcome);
  }
}

std::optional<Status> Waiters::advance(const std::shared_ptr<Waiter>& waiter, rcu::Domain& domain,
                                       TimePoint now) {
  using Rules = Waiter::Rules;
  std::string waits_for = "the kernel's queued events are not applied yet";
  if (waiter->past_barrier) {
    if (const auto reason = waiter->unsettled()) {
      waits_for = *reason;
      if (waiter->rules == Rules::done) waiter->rules = Rules::unknown;
      waiter->grace.reset();
    } else if (waiter->rules != Rules::done) {
      waits_for = "the NIC has not taken or refused all rules yet";
      if (std::exchange(waiter->rules, Rules::asked) == Rules::unknown)
        waiter->programmed([waiter] { waiter->rules = Rules::done; });
    } else {
      if (!waiter->grace) waiter->grace = domain.start();
      if (domain.passed(*waiter->grace)) return Status{};
      waits_for = "the workers do not have it yet";
    }
  }
  if (now < waiter->deadline) return std::nullopt;
  return Status{error("timed out: {}", waits_for)};
}

}  // namespace culvert::control
