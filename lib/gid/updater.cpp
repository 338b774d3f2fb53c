#include "gid/updater.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace culvert::gid {
namespace {

const Log kLog("gid");

constexpr Duration kFirstPause = std::chrono::seconds(1);
constexpr Duration kLongestPause = std::chrono::seconds(30);

}  // namespace

Result<std::unique_ptr<Updater>> Updater::create(std::function<void()> settled) {
  std::unique_ptr<Updater> updater(new Updater(std::move(settled)));
  compat::ControlThread thread;
  const auto run = [](void* self) -> uint32_t {
    static_cast<Updater*>(self)->run();
    return 0;
  };
  if (const int rc = compat::start_control_thread(thread, "culvert-gid", run, updater.get()); rc != 0)
    return error("no thread for the GID tables: {}", errno_text(rc));
  updater->thread_ = thread;
  return updater;
}

Updater::~Updater() { stop(); }

void Updater::stop() {
  if (!thread_) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  compat::join_control_thread(*thread_);
  thread_.reset();
}

void Updater::post(Update update) {
  if (!update.table->has_provider()) return apply(update);
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(update));
  }
  changed_.notify_all();
}

size_t Updater::pending() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() + (under_way_ ? 1 : 0);
}

void Updater::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (queue_.empty()) {
      if (std::exchange(under_way_, false)) {
        lock.unlock();
        settled_();
        lock.lock();
        continue;
      }
      changed_.wait_until(lock, std::min(next_retry(), Clock::now() + kLongestPause));
      const TimePoint now = Clock::now();
      if (!queue_.empty() || stopping_ || next_retry() > now) continue;
      lock.unlock();
      for (const Refused& refused : take_refused([now](const Refused& r) { return r.retry_at <= now; }))
        try_add(refused.update, refused.pause);
    } else {
      under_way_ = true;
      const Update update = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      apply(update);
    }
    lock.lock();
  }
}

TimePoint Updater::next_retry() const {
  TimePoint next = TimePoint::max();
  for (const Refused& refused : refused_) next = std::min(next, refused.retry_at);
  return next;
}

void Updater::apply(const Update& update) {
  if (update.kind == Update::Kind::add) return try_add(update, kFirstPause);
  const bool was_refused =
      !take_refused([&](const Refused& refused) {
         return refused.update.table == update.table && refused.update.attributes == update.attributes;
       }).empty();
  if (const Status removed = update.table->remove(update.attributes); !removed && !was_refused)
    kLog.error("{}", removed.error().message);
  // An entry is free: for the one that has waited longest.
  bool first = true;
  for (const Refused& refused : take_refused([&](const Refused& r) {
         return r.table_full && r.update.table == update.table && std::exchange(first, false);
       }))
    try_add(refused.update, refused.pause);
}

void Updater::try_add(const Update& update, Duration pause) {
  const Status added = update.table->add(update.attributes);
  if (added) return;
  const Attributes& attributes = update.attributes;
  if (pause == kFirstPause)
    kLog.warning("port {}: GID {} of {} ({}) is refused and tried again: {}", update.table->port(),
                 attributes.gid, attributes.netdev->name(), name_of(attributes.type), added.error().message);
  const TimePoint retry_at = update.table->has_provider() ? Clock::now() + pause : TimePoint::max();
  {
    const std::lock_guard lock(mutex_);
    refused_.push_back({update, update.table->is_full(), std::min(2 * pause, kLongestPause), retry_at});
  }
  changed_.notify_all();
}

std::list<Updater::Refused> Updater::take_refused(const std::function<bool(const Refused&)>& which) {
  std::list<Refused> taken;
  const std::lock_guard lock(mutex_);
  for (auto next = refused_.begin(); next != refused_.end();) {
    const auto one = next++;
    if (which(*one)) taken.splice(taken.end(), refused_, one);
  }
  return taken;
}

}  // namespace culvert::gid
