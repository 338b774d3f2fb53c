// What a worker does when there is nothing to do: spins for a moment, then sleeps, longer each time, so that
// an idle gateway takes next to no processor time and a busy one never sleeps.
#pragma once

#include <rte_pause.h>
#include <sys/prctl.h>

#include <algorithm>
#include <ctime>

#include "rcu/domain.hpp"

namespace culvert::dataplane {

class Idle {
 public:
  // The worker's own thread: its sleeps are to be exact within microseconds, not the default 50.
  Idle() { prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL); }

  void busy() { empty_turns_ = 0; }

  // Nothing came this turn. The reader is offline while it sleeps, so that it holds up no grace period.
  void rest(rcu::Domain& domain, rcu::ReaderId reader) {
    if (++empty_turns_ <= kSpinTurns) {
      rte_pause();
      return;
    }
    const unsigned doublings = std::min((empty_turns_ - kSpinTurns) / kTurnsPerLength, 6u);
    const long shallow = std::min(kShortestNs << doublings, kLongestNs);
    const timespec length{0, empty_turns_ > kDeepTurns ? kDeepNs : shallow};
    domain.offline(reader);
    nanosleep(&length, nullptr);  // cut short by a signal: the next turn is a little early
    domain.online(reader);
  }

 private:
  static constexpr unsigned kSpinTurns = 64;
  static constexpr unsigned kTurnsPerLength = 16;
  static constexpr long kShortestNs = 10'000;
  static constexpr long kLongestNs = 500'000;
  // After about a second without a packet. On a small virtual machine a bare nanosleep costs 35 us of
  // processor time: 7 % of a core at the longest sleep above, 2 % at this one.
  static constexpr unsigned kDeepTurns = 2200;
  static constexpr long kDeepNs = 2'000'000;

  unsigned empty_turns_ = 0;
};

}  // namespace culvert::dataplane
