// rte_flow's synchronous calls: each operation is over when it is posted; its completion waits for the pull.
#include <rte_errno.h>

#include <limits>

#include "offload/rule_queue.hpp"

namespace culvert::offload {

namespace {

class ClassicQueue final : public RuleQueue {
 public:
  explicit ClassicQueue(uint16_t port_id) : RuleQueue(port_id) {}

  void destroy(rte_flow* rule, void* cookie) override {
    rte_flow_error error{};
    const int rc = rte_flow_destroy(port_id(), rule, &error);
    if (rc == 0)
      done_.push_back({cookie, Operation::destroy, rule, {}});
    else
      done_.push_back({cookie, Operation::destroy, rule, DriverError::of(error, rc)});
  }

  void pull(std::vector<Completion>& completions) override {
    completions.insert(completions.end(), std::make_move_iterator(done_.begin()),
                       std::make_move_iterator(done_.end()));
    done_.clear();
  }

  size_t in_flight() const override { return done_.size(); }
  size_t room() const override { return std::numeric_limits<size_t>::max(); }
  bool is_async() const override { return false; }

 protected:
  void post_create(const Rule& rule, void* cookie) override {
    rte_flow_error error{};
    rte_flow* handle = rte_flow_create(port_id(), &rule.attr(), rule.items(), rule.actions(), &error);
    if (handle != nullptr)
      done_.push_back({cookie, Operation::create, handle, {}});
    else
      done_.push_back({cookie, Operation::create, nullptr, DriverError::of(error, rte_errno)});
  }

 private:
  std::vector<Completion> done_;
};

}  // namespace

std::unique_ptr<RuleQueue> make_classic_queue(uint16_t port_id) {
  return std::make_unique<ClassicQueue>(port_id);
}

}  // namespace culvert::offload
