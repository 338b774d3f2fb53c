#include "offload/template_queue.hpp"

#include <rte_errno.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <thread>
#include <unordered_map>

#include "base/log.hpp"
#include "offload/driver_traits.hpp"
#include "offload/template_tables.hpp"

namespace culvert::offload {

namespace {

const Log kLog("offload.queue");

constexpr uint32_t kFlowQueue = 0;  // the one that make_async() makes
constexpr auto kEndTimeout = std::chrono::seconds(1);
constexpr rte_flow_op_attr kPostponed{.postpone = 1};

class TemplateQueue final : public RuleQueue {
 public:
  TemplateQueue(uint16_t port_id, uint32_t operations)
      : RuleQueue(port_id),
        operations_(operations),
        failed_destroy_frees_(traits_of(port_id).failed_destroy_frees),
        tables_(port_id) {}

  ~TemplateQueue() override {
    if (rte_eth_dev_is_removed(port_id()) == 1)
      return;  // its rules went with it, and nothing completes any more
    const auto deadline = std::chrono::steady_clock::now() + kEndTimeout;
    for (;;) {
      collect();
      if (in_driver_ == 0) {
        if (rules_.empty()) break;
        retire_left();
      }
      if (std::chrono::steady_clock::now() > deadline) {
        kLog.warning("port {}: {} rules and {} operations are left in the driver", port_id(), rules_.size(),
                     in_driver_);
        break;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }

  void destroy(rte_flow* rule, void* cookie) override {
    if (!has_room()) return refuse({cookie, Operation::destroy, rule, full()});
    if (auto refusal = post_destroy(rule, cookie, true))
      refuse({cookie, Operation::destroy, rule, std::move(refusal)});
  }

  void pull(std::vector<Completion>& completions) override {
    collect();
    completions.insert(completions.end(), std::make_move_iterator(done_.begin()),
                       std::make_move_iterator(done_.end()));
    done_.clear();
  }

  size_t in_flight() const override { return told_ + done_.size(); }
  size_t room() const override { return operations_ - std::min<size_t>(in_driver_, operations_); }
  bool is_async() const override { return true; }

 protected:
  void post_create(const Rule& rule, void* cookie) override {
    if (!has_room()) return refuse({cookie, Operation::create, nullptr, full()});
    DriverError why;
    TemplateTable* table = tables_.table_for(rule, why);
    if (table == nullptr) return refuse({cookie, Operation::create, nullptr, std::move(why)});
    Posted* posted = take({cookie, Operation::create, nullptr, table, true});
    rte_flow_error error{};
    posted->rule = rte_flow_async_create(port_id(), kFlowQueue, &kPostponed, table->handle, rule.items(), 0,
                                         rule.actions(), 0, posted, &error);
    if (posted->rule == nullptr) {
      give_back(posted);
      return refuse({cookie, Operation::create, nullptr, DriverError::of(error, rte_errno)});
    }
    ++table->rules;
    rules_.emplace(posted->rule, table);
  }

 private:
  // One operation on its way; the driver gives its address back.
  struct Posted {
    void* cookie;
    Operation operation;
    rte_flow* rule;
    TemplateTable* table;
    bool told;  // someone waits for its completion; else it cleans up behind a failed create
  };

  static DriverError full() { return {EAGAIN, "the flow queue is full", RTE_FLOW_ERROR_TYPE_UNSPECIFIED}; }

  void refuse(Completion completion) { done_.push_back(std::move(completion)); }

  bool has_room() {
    if (in_driver_ >= operations_) collect();
    return in_driver_ < operations_;
  }

  Posted* take(const Posted& posted) {
    if (free_.empty()) free_.push_back(&store_.emplace_back());
    Posted* one = free_.back();
    free_.pop_back();
    *one = posted;
    ++in_driver_;
    told_ += posted.told;
    return one;
  }

  void give_back(Posted* posted) {
    --in_driver_;
    told_ -= posted->told;
    free_.push_back(posted);
  }

  std::optional<DriverError> post_destroy(rte_flow* rule, void* cookie, bool told) {
    Posted* posted = take({cookie, Operation::destroy, rule, rules_.at(rule), told});
    rte_flow_error error{};
    const int rc = rte_flow_async_destroy(port_id(), kFlowQueue, &kPostponed, rule, posted, &error);
    if (rc != 0) {
      give_back(posted);
      return DriverError::of(error, rc);
    }
    rules_.erase(rule);  // now: the driver may give its address to a new rule before this completes
    return std::nullopt;
  }

  // Pushes and takes in what has completed.
  void collect() {
    if (in_driver_ == 0) return;
    rte_flow_error error{};
    if (const int rc = rte_flow_push(port_id(), kFlowQueue, &error); rc != 0)
      kLog.warning("port {}: the flow queue is not pushed: {}", port_id(),
                   DriverError::of(error, rc).to_string());
    std::array<rte_flow_op_result, 64> results;
    for (;;) {
      const int count =
          rte_flow_pull(port_id(), kFlowQueue, results.data(), static_cast<uint16_t>(results.size()), &error);
      if (count < 0)
        kLog.warning("port {}: the flow queue is not pulled: {}", port_id(),
                     DriverError::of(error, count).to_string());
      for (int i = 0; i < count; ++i) on_result(results[static_cast<size_t>(i)]);
      if (count < static_cast<int>(results.size())) break;
    }
    clean_up();
  }

  void on_result(const rte_flow_op_result& result) {
    auto* posted = static_cast<Posted*>(result.user_data);
    const Posted one = *posted;
    give_back(posted);
    const bool done = result.status == RTE_FLOW_OP_SUCCESS;
    Completion completion{one.cookie, one.operation, one.rule, {}};
    if (!done) completion.refusal = DriverError{EIO, "", RTE_FLOW_ERROR_TYPE_UNSPECIFIED};
    if (one.operation == Operation::create) {
      if (!done) {  // the handle still holds its place in the table
        completion.handle = nullptr;
        failed_.push_back(one.rule);
      }
    } else if (done || failed_destroy_frees_) {
      if (!done) completion.handle = nullptr;
      if (--one.table->rules == 0) tables_.on_empty(one.table);
    } else {
      rules_.emplace(one.rule, one.table);
      if (!one.told) failed_.push_back(one.rule);
    }
    if (one.told) done_.push_back(std::move(completion));
  }

  // Posts the end of handles whose create failed; what the driver refuses now is tried at the next pull.
  void clean_up() {
    size_t tries = failed_.size();
    for (; tries > 0 && in_driver_ < operations_; --tries) {
      rte_flow* rule = failed_.front();
      failed_.pop_front();
      if (post_destroy(rule, nullptr, false)) failed_.push_back(rule);
    }
  }

  // At the end: what its owner has not destroyed.
  void retire_left() {
    failed_.clear();
    for (const auto& [rule, table] : rules_) failed_.push_back(rule);
    clean_up();
  }

  const size_t operations_;
  const bool failed_destroy_frees_;
  TemplateTables tables_;
  std::unordered_map<rte_flow*, TemplateTable*> rules_;  // all that the driver holds
  std::deque<rte_flow*> failed_;                         // of those: to be destroyed, nobody else knows them
  std::deque<Posted> store_;
  std::vector<Posted*> free_;
  size_t in_driver_ = 0;  // posted and not pulled
  size_t told_ = 0;       // of those: with a completion to come
  std::vector<Completion> done_;
};

}  // namespace

Result<uint32_t> make_async(uint16_t port_id, const AsyncOptions& options) {
  rte_flow_port_info info{};
  rte_flow_queue_info queue_info{};
  rte_flow_error error{};
  if (const int rc = rte_flow_info_get(port_id, &info, &queue_info, &error); rc != 0)
    return tl::make_unexpected(DriverError::of(error, rc).to_error());
  const auto cut = [](uint32_t wanted, uint32_t most) { return most != 0 ? std::min(wanted, most) : wanted; };
  rte_flow_port_attr attr{};
  attr.nb_counters = cut(options.counters, info.max_nb_counters);
  const rte_flow_queue_attr queue{cut(options.operations, queue_info.max_size)};
  const rte_flow_queue_attr* queues[] = {&queue};
  if (const int rc = rte_flow_configure(port_id, &attr, 1, queues, &error); rc != 0)
    return tl::make_unexpected(DriverError::of(error, rc).to_error());
  return queue.size;
}

std::unique_ptr<RuleQueue> make_template_queue(uint16_t port_id, uint32_t operations) {
  return std::make_unique<TemplateQueue>(port_id, operations);
}

}  // namespace culvert::offload
