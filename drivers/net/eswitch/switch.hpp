// One device: its wires, its ports, its rules and the thread that executes them.
//
// Locks: `lock` guards everything of the control side (rules, indirect actions, templates, ageing, VXLAN
// ports). The switch thread never takes it. What the two share is published as rcu.hpp says.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "datapath.hpp"
#include "devargs.hpp"
#include "faults.hpp"
#include "port.hpp"
#include "wire.hpp"

namespace eswitch {

/// An AGE action that is watched for a port.
struct AgeWatch {
  Port* port;
  std::shared_ptr<AgeTimer> timer;
};

class Switch {
 public:
  /// Opens the wires and starts the thread; ports are added by the probe. Null: the log says why.
  static std::unique_ptr<Switch> open(std::string name, const DeviceArguments& arguments);
  ~Switch();

  bool has_transfer() const { return wires.size() > 1; }
  /// The number of the port with this ethdev id; none: it is not of this switch.
  std::optional<uint16_t> vport_of(uint16_t ethdev) const;
  /// The domain that a rule with these attributes, made on `port`, belongs to.
  Domain& domain(Port& port, const rte_flow_attr& attr);
  bool knows(const rte_flow_action_handle* handle) const {
    return handles.count(const_cast<rte_flow_action_handle*>(handle)) != 0;
  }
  /// Wakes the thread if it sleeps. Any thread.
  void wake();
  bool start_thread();

  const std::string name;
  const Profile profile;
  Faults faults;
  std::mutex lock;
  Rcu rcu;
  VxlanPorts vxlan_ports;
  Domain transfer;
  uint16_t domain_id = RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID;
  std::vector<std::unique_ptr<Wire>> wires;  // [0] is the uplink's; fixed once the thread runs
  std::vector<std::unique_ptr<Port>> ports;  // likewise
  std::unordered_set<rte_flow_action_handle*> handles;
  std::vector<AgeWatch> ages;                  // under `lock`
  bool age_timer_armed = false;                // under `lock`
  uint64_t rule_count = 0;                     // under `lock`
  uint64_t next_sequence = 0;                  // under `lock`
  std::atomic<uint32_t> application_rules{0};  // transfer rules that match what applications send
  unsigned open_ports = 0;                     // under `lock`
  rte_mempool* pool = nullptr;

 private:
  Switch(std::string name, const DeviceArguments& arguments);
  void run();
  bool poll();
  bool poll_queue(TxQueue& queue);
  void idle(unsigned rounds);

  Datapath datapath_;
  compat::ControlThread thread_{};
  bool thread_runs_ = false;
  std::atomic<bool> stop_{false}, asleep_{false};
  int wake_fd_ = -1;
};

}  // namespace eswitch
