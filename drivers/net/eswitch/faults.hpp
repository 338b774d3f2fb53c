// A NIC on demand that is small, slow or failing. Any thread.
#pragma once

#include <rte_cycles.h>

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace eswitch {

class Faults {
 public:
  enum class Op : uint8_t { kCreate, kDestroy, kQuery, kComplete };
  static constexpr unsigned kOpCount = 4;

  /// Sets `rules`, `latency_us`, `tx_delay_us` or `fail` from text; an empty value turns it off. False: not a
  /// key or not a value, and nothing has changed.
  bool set(std::string_view key, std::string_view value);
  /// The present settings as KEY=VALUE, comma separated.
  std::string text() const;

  /// How many rules fit.
  uint64_t max_rules() const { return rules_.load(std::memory_order_relaxed); }
  uint32_t latency_us() const { return latency_us_.load(std::memory_order_relaxed); }
  /// Sleeps for the latency of one synchronous rule operation.
  void wait() const;
  /// The TSC value at which what is posted now may be executed.
  uint64_t tx_due_cycles() const {
    const uint64_t delay = tx_delay_cycles_.load(std::memory_order_relaxed);
    return delay == 0 ? 0 : rte_rdtsc() + delay;
  }
  /// The errno that this operation is to fail with; 0: none.
  int next(Op op);

 private:
  struct Rule {
    bool active = false;
    uint64_t every = 0;        // every n-th, or
    double probability = 0.0;  // each with this
    int code = 0;
    uint64_t seen = 0;
  };
  using Rules = std::array<Rule, kOpCount>;
  static std::optional<Rules> parse_fail(std::string_view expression);

  std::atomic<uint64_t> rules_{UINT64_MAX};
  std::atomic<uint32_t> latency_us_{0}, tx_delay_us_{0};
  std::atomic<uint64_t> tx_delay_cycles_{0};
  std::atomic<bool> failing_{false};
  mutable std::mutex lock_;  // guards the rest
  Rules fail_{};
  std::string fail_text_;
  uint64_t random_ = 0x9e3779b97f4a7c15;
};

}  // namespace eswitch
