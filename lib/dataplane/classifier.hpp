// Which explicit flow takes a frame. Tuple space: a port's flows are sorted by mask, of which there are few,
// into a FlowTable each; a frame is looked up in every one, and the best rank wins. Adding or removing a flow
// touches one chain of one table, whatever the number of flows.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "dataplane/dataplane.hpp"
#include "dataplane/flow_table.hpp"
#include "rcu/published.hpp"

namespace culvert::dataplane {

// What the workers see of a port with flows.
struct PortFlows {
  std::vector<const FlowTable*> tables;
};

// At most this many frames are classified at once.
inline constexpr size_t kMostKeys = 32;

// Worker, online. `found[i]` becomes the flow of `keys[i]`, or null; each is good until the next quiescent
// state.
void classify(const PortFlows& flows, std::span<const tunnel::MatchKey> keys,
              std::span<const FlowNode*> found);

// The flows of all ports, as the control lcore keeps them.
class Classifier {
 public:
  // `published`: one pointer a port, null while it has no flows. All outlive the classifier, whose tables and
  // nodes go with it: no reader may be online any more.
  Classifier(std::span<rcu::Published<PortFlows>> published, rcu::Domain& domain, rcu::RetireQueue& retired);

  // Null: no such flow.
  const FlowRule* find(FlowId id) const;
  // Adds the flow or puts `rule`, whose port and match are sound, in place of what the id had: the new one
  // takes packets before the old one ceases to.
  void set(FlowId id, const FlowRule& rule);
  void remove(FlowId id);
  size_t flows_of(PortIndex port) const { return ports_[port].flows; }

 private:
  struct Port {
    std::vector<std::unique_ptr<FlowTable>> tables;
    size_t flows = 0;
  };
  struct Flow {
    FlowRule rule;
    FlowTable* table = nullptr;
    std::unique_ptr<FlowNode> node;  // null: the id is free
  };

  FlowTable& table_for(PortIndex port, const tunnel::MatchKey& mask);
  void take_out(Flow flow);
  void publish(PortIndex port);

  std::span<rcu::Published<PortFlows>> published_;  // by PortIndex
  rcu::Domain& domain_;
  rcu::RetireQueue& retired_;
  std::vector<Port> ports_;  // by PortIndex
  std::vector<Flow> flows_;  // by FlowId, as far as ids are used
};

}  // namespace culvert::dataplane
