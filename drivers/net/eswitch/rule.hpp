// A rule as the control side holds it, and the domains that rules live in.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "action.hpp"
#include "table.hpp"

namespace eswitch {

class Port;

enum class Direction : uint8_t { kIngress, kEgress, kTransfer };

/// The groups of one direction: of a port, or for transfer of the whole switch. Control side, under the
/// switch's lock; the reader only enters at `root` and follows jumps. A group's table, once made, stays:
/// jumps point at it.
class Domain {
 public:
  Domain(Direction direction, Rcu& rcu) : direction(direction), rcu_(rcu), root(rcu) {}

  Table& group(uint32_t number) {
    if (number == 0) return root;
    auto& table = groups_[number];
    if (!table) table = std::make_unique<Table>(rcu_);
    return *table;
  }

  const Direction direction;

 private:
  Rcu& rcu_;
  std::map<uint32_t, std::unique_ptr<Table>> groups_;

 public:
  Table root;
};

/// Counters and age timers, of which a port with flow queues has as many as it was configured for.
struct Objects {
  uint32_t counters = 0, ages = 0;
};

}  // namespace eswitch

/// An indirect action: COUNT, AGE or RSS (the one that is not null). Under the switch's lock.
struct rte_flow_action_handle {
  rte_flow_action_type type;
  eswitch::Port* port;
  bool transfer;
  std::shared_ptr<eswitch::HitCounter> counter;
  std::shared_ptr<eswitch::AgeTimer> age;
  std::shared_ptr<eswitch::SharedRss> rss;
  unsigned users = 0;      // rules that hold it
  eswitch::Objects taken;  // of its port's flow queues
};

namespace eswitch {

/// A rule's hold on an indirect action. Under the switch's lock.
class HandleUse {
 public:
  explicit HandleUse(rte_flow_action_handle& handle) : handle_(&handle) { ++handle.users; }
  HandleUse(HandleUse&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  HandleUse& operator=(HandleUse&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~HandleUse() {
    if (handle_ != nullptr) --handle_->users;
  }
  const rte_flow_action_handle* operator->() const { return handle_; }

 private:
  rte_flow_action_handle* handle_;
};

}  // namespace eswitch

/// What rte_flow calls a flow. Under the switch's lock, except `actions` and what TableRule publishes.
struct rte_flow : eswitch::TableRule {
  ~rte_flow() override { delete actions.load(std::memory_order_relaxed); }

  std::atomic<const eswitch::ActionList*> actions{nullptr};
  std::unique_ptr<eswitch::Match> match;  // until the rule is in a table
  bool from_applications = false;         // a transfer rule that can match what applications send
  std::optional<uint16_t> vxlan_port;
  rte_flow_attr attr{};
  eswitch::Port* port = nullptr;
  eswitch::Table* table = nullptr;        // null: it is not in one
  std::vector<rte_flow_item_type> items;  // as given, for dumps
  std::vector<eswitch::HandleUse> handles;
  rte_flow_template_table* template_table = nullptr;
  eswitch::Objects taken;                // of its port's flow queues
  std::list<rte_flow*>::iterator place;  // in its port's list of rules
};
