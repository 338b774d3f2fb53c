// The control lcore's event loop: epoll over file descriptors, and timers. One thread; every callback runs on
// it and returns soon (a bounded budget per turn), so that no source starves another.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "base/c_handle.hpp"
#include "base/clock.hpp"

namespace culvert::control {

class EventLoop {
 public:
  using FdCallback = std::function<void(uint32_t events)>;  // EPOLLIN, ...; level-triggered
  using TimerCallback = std::function<void()>;
  using TimerId = uint64_t;

  EventLoop();

  // The loop does not own `fd`; remove it before it is closed. Both may be called from callbacks.
  void add_fd(int fd, uint32_t events, FdCallback callback);
  void change_fd(int fd, uint32_t events);
  void remove_fd(int fd);

  // Runs once at or after `when`. Cancelling a timer that has run is harmless.
  TimerId at(TimePoint when, TimerCallback callback);
  TimerId every(Duration period, TimerCallback callback);
  void cancel(TimerId id);

  // Until stop(), for good: a stop() of an earlier turn, before run() was called, counts too. Survives EINTR.
  void run();
  void stop() { stopped_ = true; }
  // One turn: waits at most `limit` for something to do, then runs what is due.
  void turn(Duration limit);

 private:
  struct Timer {
    TimerId id;
    Duration period;  // zero: once
    TimerCallback callback;
  };

  void run_timers();
  Duration until_next_timer(Duration limit) const;

  UniqueFd epoll_;
  std::unordered_map<int, std::shared_ptr<FdCallback>> fds_;
  std::multimap<TimePoint, Timer> timers_;
  TimerId next_timer_ = 1;
  TimerId cancelled_running_ = 0;
  TimerId running_timer_ = 0;
  bool stopped_ = false;
};

}  // namespace culvert::control
