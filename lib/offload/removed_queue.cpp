// What is left of a port's rules when its device has gone.
#include <cerrno>
#include <iterator>
#include <limits>

#include "offload/rule_queue.hpp"

namespace culvert::offload {

namespace {

class RemovedQueue final : public RuleQueue {
 public:
  RemovedQueue(uint16_t port_id, std::vector<Completion> interrupted)
      : RuleQueue(port_id), done_(std::move(interrupted)) {}

  void destroy(rte_flow* rule, void* cookie) override {
    done_.push_back({cookie, Operation::destroy, rule, {}});
  }

  void pull(std::vector<Completion>& completions) override {
    completions.insert(completions.end(), std::make_move_iterator(done_.begin()),
                       std::make_move_iterator(done_.end()));
    done_.clear();
  }

  Result<Counters> query(rte_flow*) const override { return tl::make_unexpected(removed_error().to_error()); }
  size_t in_flight() const override { return done_.size(); }
  size_t room() const override { return std::numeric_limits<size_t>::max(); }
  bool is_async() const override { return false; }

 protected:
  void post_create(const Rule&, void* cookie) override {
    done_.push_back({cookie, Operation::create, nullptr, removed_error()});
  }

 private:
  std::vector<Completion> done_;
};

}  // namespace

std::unique_ptr<RuleQueue> make_removed_queue(uint16_t port_id, std::vector<Completion> interrupted) {
  return std::make_unique<RemovedQueue>(port_id, std::move(interrupted));
}

DriverError removed_error() { return {ENODEV, "the device was removed", RTE_FLOW_ERROR_TYPE_UNSPECIFIED}; }

}  // namespace culvert::offload
