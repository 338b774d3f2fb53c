#include "control/event_loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace culvert::control {

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

void EventLoop::add_fd(int fd, uint32_t events, FdCallback callback) {
  fds_[fd] = std::make_shared<FdCallback>(std::move(callback));
  epoll_event event{.events = events, .data = {.fd = fd}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void EventLoop::change_fd(int fd, uint32_t events) {
  epoll_event event{.events = events, .data = {.fd = fd}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::remove_fd(int fd) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  fds_.erase(fd);
}

EventLoop::TimerId EventLoop::at(TimePoint when, TimerCallback callback) {
  timers_.emplace(when, Timer{next_timer_, Duration::zero(), std::move(callback)});
  return next_timer_++;
}

EventLoop::TimerId EventLoop::every(Duration period, TimerCallback callback) {
  timers_.emplace(Clock::now() + period, Timer{next_timer_, period, std::move(callback)});
  return next_timer_++;
}

void EventLoop::cancel(TimerId id) {
  if (id == running_timer_) cancelled_running_ = id;
  std::erase_if(timers_, [id](const auto& entry) { return entry.second.id == id; });
}

void EventLoop::run() {
  while (!stopped_) turn(std::chrono::hours(1));
}

void EventLoop::turn(Duration limit) {
  using std::chrono::ceil;
  using std::chrono::milliseconds;
  std::array<epoll_event, 16> ready;
  const auto timeout = ceil<milliseconds>(until_next_timer(limit)).count();
  const int count = ::epoll_wait(epoll_.get(), ready.data(), ready.size(), static_cast<int>(timeout));
  for (int i = 0; i < count; ++i) {
    // A callback may remove any descriptor, its own included: look it up again and hold it while it runs.
    const auto found = fds_.find(ready[static_cast<size_t>(i)].data.fd);
    if (found == fds_.end()) continue;
    const auto callback = found->second;
    (*callback)(ready[static_cast<size_t>(i)].events);
  }
  run_timers();
}

void EventLoop::run_timers() {
  const TimePoint now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    auto node = timers_.extract(timers_.begin());
    Timer& timer = node.mapped();
    running_timer_ = timer.id;
    cancelled_running_ = 0;
    timer.callback();
    running_timer_ = 0;
    if (timer.period > Duration::zero() && cancelled_running_ != timer.id)
      timers_.emplace(std::max(node.key() + timer.period, now), std::move(timer));
  }
}

Duration EventLoop::until_next_timer(Duration limit) const {
  if (timers_.empty()) return limit;
  return std::clamp(timers_.begin()->first - Clock::now(), Duration::zero(), limit);
}

}  // namespace culvert::control
