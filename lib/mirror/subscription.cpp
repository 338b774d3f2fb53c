#include "mirror/subscription.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/clock.hpp"
#include "mirror/store.hpp"
#include "rcu/domain.hpp"

namespace culvert::mirror {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(1);

// A reader of the tables while it lives.
class OnlineReader {
 public:
  static Result<std::unique_ptr<OnlineReader>> create(rcu::Domain& domain) {
    const auto name = domain.lend_name();
    if (!name) return tl::make_unexpected(name.error());
    return std::unique_ptr<OnlineReader>(new OnlineReader(domain, *name));
  }
  ~OnlineReader() {
    domain_.remove(name_);
    domain_.give_back(name_);
  }
  OnlineReader(const OnlineReader&) = delete;
  OnlineReader& operator=(const OnlineReader&) = delete;

  void online() { domain_.online(name_); }
  void offline() { domain_.offline(name_); }

 private:
  OnlineReader(rcu::Domain& domain, rcu::ReaderId name) : domain_(domain), name_(name) { domain_.add(name_); }
  rcu::Domain& domain_;
  const rcu::ReaderId name_;
};

template <typename T>
const T* pointer(const std::optional<T>& object) {
  return object ? &*object : nullptr;
}

void tell_change(Listener& listener, const Change& change) {
  std::visit(
      [&](const auto& value) {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, RouteChange>)
          listener.on_route(value.dst, pointer(value.before), pointer(value.after));
        else
          tell(listener, pointer(value.before), pointer(value.after));
      },
      change);
}

}  // namespace

Subscription::Subscription(Changes& changes, UniqueFd wake, size_t queue_limit)
    : changes_(changes), wake_(std::move(wake)), queue_limit_(queue_limit) {}

Subscription::~Subscription() {
  if (joined_) changes_.leave(joined_);
}

Result<std::unique_ptr<Subscription>> Subscription::create(const Store& store, Changes& changes,
                                                           rcu::Domain& domain,
                                                           const SubscribeOptions& options) {
  UniqueFd wake(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return error("mirror: cannot make a descriptor: {}", errno_text(errno));
  const auto reader = OnlineReader::create(domain);
  if (!reader) return tl::make_unexpected(reader.error());
  std::unique_ptr<Subscription> made(new Subscription(changes, std::move(wake), options.queue_limit));
  Duration pause = kFirstPause;
  for (unsigned retry = 0;; ++retry) {
    (*reader)->online();
    const bool joined = made->try_join(store);
    (*reader)->offline();
    if (joined) return made;
    if (retry == kRetries) return error("the kernel's tables changed at every try; try again later");
    if (options.before_retry) options.before_retry();
    std::this_thread::sleep_for(pause);
    pause *= 2;
  }
}

bool Subscription::try_join(const Store& store) {
  const uint64_t version = changes_.version();
  if (version % 2 != 0) return false;
  objects_.clear();
  routes_.clear();
  paths_.clear();
  store.for_each_object([&](const auto& object) { objects_.emplace_back(object); });
  bool whole = true;
  store.routes().for_each([&](const net::Prefix& dst, PathId id) {
    routes_.push_back({dst, id});
    if (paths_.contains(id)) return;
    const Path* path = store.routes().path(id);
    whole = whole && path != nullptr;
    if (whole) paths_.emplace(id, *path);
  });
  // A queue of its own for each try: one that joined too late may have got a change already.
  joined_ = std::make_shared<Changes::Joined>(queue_limit_, [fd = wake_.get()] { ::eventfd_write(fd, 1); });
  return whole && changes_.join(joined_, version);
}

size_t Subscription::replay(Listener& listener, size_t budget) {
  size_t told = 0;
  for (; told < budget && next_object_ < objects_.size(); ++told, ++next_object_)
    std::visit([&](const auto& object) { tell(listener, static_cast<decltype(&object)>(nullptr), &object); },
               objects_[next_object_]);
  for (; told < budget && next_route_ < routes_.size(); ++told, ++next_route_)
    listener.on_route(routes_[next_route_].dst, nullptr, &paths_.at(routes_[next_route_].path));
  if (!replayed() || (objects_.empty() && routes_.empty())) return told;
  objects_ = {};  // its memory is given back
  routes_ = {};
  paths_.clear();
  next_object_ = next_route_ = 0;
  return told;
}

size_t Subscription::deliver(Listener& listener, size_t budget) {
  if (!replayed()) {
    ::eventfd_write(wake_.get(), 1);  // there may be more
    return replay(listener, budget);
  }
  size_t told = 0;
  while (told < budget) {
    if (taken_.empty()) {
      eventfd_t count;
      ::eventfd_read(wake_.get(), &count);  // before take(): a change after it wakes again
      taken_ = joined_->queue.take();
      if (taken_.empty()) break;
    }
    tell_change(listener, *taken_.front());
    taken_.pop_front();
    ++told;
  }
  if (told == budget) ::eventfd_write(wake_.get(), 1);
  return told;
}

}  // namespace culvert::mirror
