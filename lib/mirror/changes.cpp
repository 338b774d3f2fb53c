#include "mirror/changes.hpp"

namespace culvert::mirror {

bool Changes::join(const std::shared_ptr<Joined>& joined, uint64_t version) {
  {
    const std::lock_guard lock(joined_mutex_);
    joined_.push_back(joined);
    joined_count_.store(joined_.size());
  }
  if (version_.load() == version) return true;
  leave(joined);
  return false;
}

void Changes::leave(const std::shared_ptr<Joined>& joined) {
  const std::lock_guard lock(joined_mutex_);
  std::erase(joined_, joined);
  joined_count_.store(joined_.size());
}

void Changes::push(Change change) {
  const auto shared = std::make_shared<const Change>(std::move(change));
  const std::lock_guard lock(joined_mutex_);
  for (const auto& joined : joined_)
    if (joined->queue.push(shared)) joined->wake();
}

}  // namespace culvert::mirror
