// The update thread: it applies the updates of all tables, one at a time, in the order in which they were
// posted. It may sleep in a provider as long as that likes; who posts never waits.
//
// What is refused is kept and tried again until it is in or is no longer wanted: after 1 s, then 2 s, up to
// 30 s; and when an update has freed an entry of a table that was full.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

#include "base/clock.hpp"
#include "base/compat.hpp"
#include "base/result.hpp"
#include "gid/table.hpp"

namespace culvert::gid {

struct Update {
  enum class Kind : uint8_t { add, remove } kind = Kind::add;
  Table* table = nullptr;
  Attributes attributes;  // hold their netdev
};

class Updater {
 public:
  // Starts the thread. EAL must run; tables that are posted outlive the object. `settled` is called by the
  // update thread when nothing is pending any more; it does not block. Error: no thread.
  static Result<std::unique_ptr<Updater>> create(std::function<void()> settled);
  ~Updater();  // stop()

  // Any thread, but one for each table. A table without a provider is updated here and now.
  void post(Update update);
  // Updates that are queued or under way. What was refused is not.
  size_t pending() const;
  // Ends the update that is under way, drops the others, and waits for the thread. Later calls do nothing.
  void stop();

 private:
  struct Refused {
    Update update;
    bool table_full;
    Duration pause;
    TimePoint retry_at;
  };

  explicit Updater(std::function<void()> settled) : settled_(std::move(settled)) {}
  void run();
  TimePoint next_retry() const;  // under the lock
  void apply(const Update& update);
  void try_add(const Update& update, Duration pause);
  // Those that `which` chooses are no longer kept.
  std::list<Refused> take_refused(const std::function<bool(const Refused&)>& which);

  const std::function<void()> settled_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Update> queue_;
  std::list<Refused> refused_;
  bool under_way_ = false;
  bool stopping_ = false;
  std::optional<compat::ControlThread> thread_;  // of who creates and stops
};

}  // namespace culvert::gid
