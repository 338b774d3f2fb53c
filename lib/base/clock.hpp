// Time as the control path sees it. Functions that depend on time take `now` as an argument, so that tests
// run on a clock of their own.
#pragma once

#include <chrono>

namespace culvert {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

}  // namespace culvert
