// Joins lib/offload with the control lcore: what the resolver and the FDB say becomes flows for the NIC, and
// what the NIC says (a mark is ready, a station is in use) reaches the packet path. Control lcore only.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/c_handle.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "control/event_loop.hpp"
#include "dataplane/dataplane.hpp"
#include "offload/offload.hpp"
#include "port/port.hpp"
#include "rcu/domain.hpp"
#include "resolver/resolver.hpp"

namespace culvert::control {

class Hardware {
 public:
  // Between opening a port and starting it.
  static offload::Prepared prepare(const port::Port& port, const config::Port& config);

  // The ports are started. `loop`, `domain` and `dataplane` outlive the object. Error: offload.mode is
  // required and a port cannot.
  static Result<std::unique_ptr<Hardware>> create(EventLoop& loop, const config::Config& config,
                                                  const std::vector<std::unique_ptr<port::Port>>& ports,
                                                  const std::vector<offload::Prepared>& prepared,
                                                  rcu::Domain& domain, dataplane::Dataplane& dataplane);
  ~Hardware();  // withdraws all rules

  // The configuration's `offload` has changed.
  void set_mode(const config::Offload& wanted);

  // The resolver's news of an encap, for the packet path and the NIC. `terminated`: packets to its local
  // address are taken. `since`: when the kernel's event came.
  Status set_encap(const resolver::Adjacency& adjacency, bool terminated, dataplane::Unresolved why,
                   TimePoint since);
  void remove_encap(resolver::EncapId id);
  // `ids`: the networks by name; what becomes of FDB rows is called by them.
  void set_networks(const std::vector<dataplane::NetworkSpec>& networks,
                    const std::map<std::string, dataplane::NetworkId>& ids);
  void on_path(const dataplane::PathEvent& event);

  // A flow of the configuration or the shell, new or changed. Error: there are too many.
  Status put_flow(const std::string& name, offload::Source source, const offload::Explicit& what);
  void remove_flow(const std::string& name);

  // The port's device is gone. `done` is called when no driver function is called for it any more.
  void remove_port(offload::PortIndex port, std::function<void()> done);

  // What the offload thread has left; called by the event loop and each turn.
  void poll();

  // --- What `show` asks for.
  std::string network_name(dataplane::NetworkId id) const;
  std::vector<offload::FlowView> flows() { return client_->flows(); }
  std::optional<offload::FlowView> flow(const std::string& name) { return client_->find(name); }
  offload::EncapView encap(resolver::EncapId id) const { return offload_->encap(id); }
  offload::Latency latency() const { return offload_->latency(); }
  bool takes_rules(offload::PortIndex port) const { return offload_->takes_rules(port); }
  offload::Operations operations() const { return offload_->operations(); }
  void barrier(std::function<void()> done) { offload_->barrier(std::move(done)); }
  void verify(std::function<void(std::vector<std::string>)> done) { offload_->verify(std::move(done)); }
  void explain(const std::string& name, std::function<void(Result<std::vector<std::string>>)> done) {
    offload_->explain(name, std::move(done));
  }

 private:
  // What was said of an encap last.
  struct Said {
    offload::EncapUpdate update;
    uint32_t mark = 0;  // the workers use it: a plain NIC writes the header
  };
  // Workers may have frames with an encap's earlier mark in their queues until it has passed.
  struct Pending {
    dataplane::Fence fence;
    resolver::EncapId encap = 0;
    uint64_t generation = 0;
  };

  Hardware(EventLoop& loop, dataplane::Dataplane& dataplane) : loop_(loop), dataplane_(dataplane) {}
  static bool is_news(const offload::EncapUpdate& before, const offload::EncapUpdate& now);
  void take_marks_back();
  std::string name_of(const dataplane::PathEvent& event) const;
  void handle(const offload::MarkReady& ready);
  void handle(const offload::StationUsed& used);

  EventLoop& loop_;
  dataplane::Dataplane& dataplane_;
  UniqueFd wake_;
  std::unique_ptr<offload::Offload> offload_;
  std::unique_ptr<offload::Offload::Client> client_;
  std::map<resolver::EncapId, Said> said_;
  uint64_t generation_ = 0;
  std::deque<Pending> fences_;
  std::map<dataplane::NetworkId, std::string> network_names_;
  std::map<std::pair<dataplane::NetworkId, uint64_t>, std::string>
      path_names_;  // of FDB rows, by network and MAC
};

}  // namespace culvert::control
