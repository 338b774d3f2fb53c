// What the control lcore keeps for the packet path: the intent behind each snapshot, the FDB, what is
// retired.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "dataplane/classifier.hpp"
#include "dataplane/dataplane.hpp"
#include "dataplane/fdb.hpp"
#include "dataplane/shared.hpp"
#include "dataplane/worker.hpp"

namespace culvert::dataplane {

struct Dataplane::State {
  struct Learned {
    bool moved = false;  // a row changed its place
    bool more = false;   // requests are left
  };

  explicit State(rcu::Domain& domain, std::vector<PortSetup> setups)
      : ports(std::move(setups)),
        port_has_flows(ports.size()),
        retired(domain),
        routes_retired(domain),
        classifier({shared.flows.get(), ports.size()}, domain, retired) {}

  // Control lcore, all of them.
  Status publish_snapshot();
  // Tells the workers the time, and begins a new epoch of the FDB.
  void publish_pulse();
  // True when a second has passed.
  bool set_time(TimePoint now);
  Learned learn(size_t budget);
  void set_collector_period(uint32_t period_s);
  // Returns the rows that went.
  size_t collect(size_t budget);
  // Removes the FDB rows that point at what is no member of their network.
  void forget_strangers();
  // What the workers read bindings from, where there is none yet.
  Status make_bindings();
  // What workers heard, at most `budget`; with `sweep` also a budget of rows that may be to go.
  void hear_bindings(bool sweep, size_t budget);
  bool suppresses(NetworkId id) const;
  // Is it sound, and may the port have flows?
  Status check_flow(FlowId id, const FlowRule& rule) const;
  // Publishes that the port has flows now, or has none any more.
  void update_role(PortIndex port);
  EncapCounters sum_flow(FlowId id) const;
  bool is_member(NetworkId id, Where where) const;
  // Those of l3 networks that `networks` has not.
  void retire_routes();
  void tell_wanted_neighbours();
  EncapCounters sum_encap(EncapId id) const;
  uint32_t seconds(TimePoint now) const;

  std::vector<PortSetup> ports;
  std::vector<bool> port_has_flows;  // as published
  std::vector<NetworkSpec> networks;
  std::vector<Termination> terminations;
  Shared shared;  // written here, read by the workers
  rcu::RetireQueue retired;
  rcu::RetireQueue routes_retired;  // what changing routes leaves, of which there may be many
  RoutesOf routes;                  // of l3 networks
  NeighbourListener neighbour_listener;
  Classifier classifier;
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<Fdb> fdb;
  std::unique_ptr<Bindings> bindings;                     // null: no network has suppressed yet
  std::vector<Worker*> launched;                          // on their lcores
  std::unordered_map<EncapId, EncapCounters> encap_base;  // counted for earlier owners of the id
  std::unordered_map<FlowId, EncapCounters> flow_base;    // the same

  std::optional<TimePoint> started;
  Pulse pulse;             // as published last
  size_t next_ring = 0;    // the worker whose requests come first in the next turn
  uint32_t period_s = 30;  // of the collector
  uint32_t next_round_s = 0;
  size_t collector_row = 0;
  bool collecting = false;
  std::array<uint64_t, 6> verdicts{};  // on what was to be learned, by Fdb::Verdict
  uint64_t aged = 0;
};

}  // namespace culvert::dataplane
