// What any thread says to the one that owns: in order, never lost, never waited for. A lock is held for one
// push.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace culvert::offload {

template <typename Message>
class Mailbox {
 public:
  // Any thread.
  void post(Message message) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      first = messages_.empty();
      messages_.push_back(std::move(message));
    }
    if (first) arrived_.notify_one();
  }

  // The owner: everything that has come, in order, into an empty list whose memory is used again. Waits for
  // something at most `limit`.
  void take(std::vector<Message>& messages, std::chrono::microseconds limit) {
    std::unique_lock lock(mutex_);
    if (messages_.empty() && limit.count() > 0)
      arrived_.wait_for(lock, limit, [this] { return !messages_.empty(); });
    messages_.swap(messages);
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Message> messages_;
};

}  // namespace culvert::offload
