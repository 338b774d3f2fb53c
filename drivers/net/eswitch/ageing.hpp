// AGE actions: a timer of EAL's looks every half second which of them have been idle for their timeout, tells
// the application (RTE_ETH_EVENT_FLOW_AGED) and keeps their contexts for get_aged_flows. All under the
// switch's lock but for the event, which is raised without it.
#pragma once

#include <memory>

#include "action.hpp"
#include "rule.hpp"

namespace eswitch {

class Switch;

void watch_age(Switch& sw, Port& port, std::shared_ptr<AgeTimer> timer);
void forget_age(Switch& sw, const std::shared_ptr<AgeTimer>& timer);

uint64_t idle_seconds(const AgeTimer& timer);
/// On net_mlx5 what has aged once stays aged; else a hit makes it young again.
bool is_aged(const Switch& sw, const AgeTimer& timer);

/// Hands out contexts not handed out before, at most `count`; with 0 only counts them.
int take_aged(Port& port, void** contexts, uint32_t count);

/// Stops the timer: called without the lock, when the device goes.
void stop_ageing(Switch& sw);

}  // namespace eswitch
