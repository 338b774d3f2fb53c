#include "ageing.hpp"

#include <rte_alarm.h>

#include <algorithm>

#include "port.hpp"
#include "switch.hpp"

namespace eswitch {
namespace {

constexpr uint64_t kPeriodUs = 500'000;

void tick(void* opaque);

void arm(Switch& sw) {
  if (!sw.age_timer_armed) sw.age_timer_armed = rte_eal_alarm_set(kPeriodUs, tick, &sw) == 0;
}

/// In EAL's interrupt thread.
void tick(void* opaque) {
  Switch& sw = *static_cast<Switch*>(opaque);
  std::vector<Port*> tell;
  {
    const std::lock_guard guard(sw.lock);
    sw.age_timer_armed = false;
    for (AgeWatch& watch : sw.ages) {
      AgeTimer& timer = *watch.timer;
      const bool idle = idle_seconds(timer) >= timer.timeout_s;
      if (idle && !timer.expired) {
        timer.expired = true;
        timer.reported = false;
        if (std::find(tell.begin(), tell.end(), watch.port) == tell.end()) tell.push_back(watch.port);
      } else if (!idle && sw.profile != Profile::kMlx5) {
        timer.expired = false;
      }
    }
    if (!sw.ages.empty()) arm(sw);
  }
  for (Port* port : tell) rte_eth_dev_callback_process(&port->dev(), RTE_ETH_EVENT_FLOW_AGED, nullptr);
}

}  // namespace

void watch_age(Switch& sw, Port& port, std::shared_ptr<AgeTimer> timer) {
  timer->place = sw.ages.size();
  sw.ages.push_back({&port, std::move(timer)});
  arm(sw);
}

void forget_age(Switch& sw, const std::shared_ptr<AgeTimer>& timer) {
  const size_t place = timer->place;
  sw.ages[place] = std::move(sw.ages.back());
  sw.ages[place].timer->place = place;
  sw.ages.pop_back();
}

uint64_t idle_seconds(const AgeTimer& timer) {
  const uint64_t hit = timer.last_hit_ms.load(std::memory_order_relaxed), now = coarse_ms();
  return now > hit ? (now - hit) / 1000 : 0;
}

bool is_aged(const Switch& sw, const AgeTimer& timer) {
  return (sw.profile == Profile::kMlx5 && timer.expired) || idle_seconds(timer) >= timer.timeout_s;
}

int take_aged(Port& port, void** contexts, uint32_t count) {
  uint32_t found = 0;
  for (AgeWatch& watch : port.sw().ages) {
    if (watch.port != &port || !watch.timer->expired || watch.timer->reported) continue;
    if (count > 0 && found == count) break;
    if (count > 0) {
      contexts[found] = watch.timer->context;
      watch.timer->reported = true;
    }
    ++found;
  }
  return static_cast<int>(found);
}

void stop_ageing(Switch& sw) { rte_eal_alarm_cancel(tick, &sw); }

}  // namespace eswitch
