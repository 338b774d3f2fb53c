// How rules reach a driver: one small interface over rte_flow's two ways.
//
// A *classic* port answers each call at once; an *async* port (rte_flow_configure() has succeeded on it)
// takes operations by the batch into a flow queue and tells later how each went. Here both are posted and
// pulled.
//
// Threads: a queue belongs to one thread, which alone calls it; so does, while the queue lives, every
// rte_flow call that changes its port. Two queues of one device (two ports) may be used by two threads: the
// classic calls take rte_flow's own lock where the driver does not (RTE_ETH_DEV_FLOW_OPS_THREAD_SAFE), and
// each async queue and its templates are one port's. Another thread may call rte_flow_validate on a classic
// port meanwhile, nothing else.
#pragma once

#include <rte_flow.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "offload/driver_error.hpp"
#include "offload/rule.hpp"

namespace culvert::offload {

enum class Operation : uint8_t { create, destroy };

// The end of one posted operation.
struct Completion {
  void* cookie = nullptr;
  Operation operation = Operation::create;
  // create: the new rule, null when refused. destroy: the rule as it was given; when refused it is still
  // there and may be destroyed again, unless this is null: then the driver has forgotten it, and whether the
  // NIC has too is not known.
  rte_flow* handle = nullptr;
  std::optional<DriverError> refusal;  // nullopt: done
};

struct Counters {
  uint64_t packets = 0, bytes = 0;
};

class RuleQueue {
 public:
  virtual ~RuleQueue() = default;
  RuleQueue(const RuleQueue&) = delete;
  RuleQueue& operator=(const RuleQueue&) = delete;

  // Posts a rule; its place must be on this port. The rule is not looked at after the call. Every call leads
  // to exactly one completion: with EAGAIN when there is no room.
  void create(const Rule& rule, void* cookie);
  // Posts the end of a rule that a completion of this queue gave, and that no other call ends.
  virtual void destroy(rte_flow* rule, void* cookie) = 0;
  // Sends what is posted on its way and appends what has completed. Never waits.
  virtual void pull(std::vector<Completion>& completions) = 0;
  // Operations posted whose completions pull() has not given yet.
  virtual size_t in_flight() const = 0;
  // How many operations may be posted before the next pull().
  virtual size_t room() const = 0;
  virtual bool is_async() const = 0;

  // What a rule with a COUNT of its own has counted. Error: the driver's words.
  virtual Result<Counters> query(rte_flow* rule) const;

  // Counters that rules share and that outlive them (indirect COUNT). All at once, on both kinds of port.
  Result<rte_flow_action_handle*> make_counter(Domain domain);
  Status destroy_counter(rte_flow_action_handle* counter);  // no rule may use it any more
  Result<Counters> query_counter(const rte_flow_action_handle* counter) const;

  uint16_t port_id() const { return port_id_; }

 protected:
  explicit RuleQueue(uint16_t port_id) : port_id_(port_id) {}
  virtual void post_create(const Rule& rule, void* cookie) = 0;

 private:
  const uint16_t port_id_;
};

// For a port where rte_flow_configure() was not called or failed.
std::unique_ptr<RuleQueue> make_classic_queue(uint16_t port_id);

// For a port whose device is gone: its rules went with it, and it takes no new ones. Asks the driver nothing.
// `interrupted`: how what was under way has ended.
std::unique_ptr<RuleQueue> make_removed_queue(uint16_t port_id, std::vector<Completion> interrupted);
// Why it takes none.
DriverError removed_error();

}  // namespace culvert::offload
