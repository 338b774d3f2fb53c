// Rules for the NIC, from what the resolver and the user say: see doc/threading.md for who may call what, and
// engine.hpp for how rules move. Everything returns at once; the offload thread does the work.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "offload/types.hpp"
#include "port/port.hpp"
#include "rcu/domain.hpp"

namespace culvert::offload {

struct PortSetup {
  port::Port* port = nullptr;  // started; outlives the offload
  bool wire = false;           // it has a kernel link: tunnels come in and go out here
};

struct Setup {
  std::vector<PortSetup> ports;  // PortIndex is the place in this list
  Mode mode = Mode::automatic;
  Layout layout = Layout::automatic;
  rcu::Domain* domain = nullptr;
  std::function<void()> wake;  // called on any thread when take_events() has something; must not block
  // For tests: called by add_flow() between making a flow known and letting the offload thread have it.
  std::function<void(const std::string& name)> before_init_done;
};

class Offload {
 public:
  // One thread's way to the flows; others make their own. Holds a name in the RCU domain.
  class Client {
   public:
    explicit Client(Offload& offload);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // The flow is there at once, pending. Error: the name is taken.
    Status add(FlowSpec spec);
    // Error: there is none of that name.
    Status remove(const std::string& name);
    std::optional<FlowView> find(const std::string& name);
    // Those whose initialisation is done, in no order.
    std::vector<FlowView> flows();

   private:
    Offload& offload_;
    rcu::ReaderId reader_;
  };

  // Asks the drivers what they take and starts the offload thread. Error: with Mode::required a port that takes
  // no rules, and why.
  static Result<std::unique_ptr<Offload>> create(const Setup& setup);
  ~Offload();  // shutdown()

  // --- The control lcore.

  // Before flows that use it; again whenever the resolver has something new.
  void set_encap(EncapUpdate update);
  void remove_encap(EncapId id);
  void set_networks(std::vector<NetworkSpec> networks);
  // Workers have sent all that was marked for generations before this one.
  void drained(EncapId id, uint64_t generation);
  std::vector<Event> take_events();
  // `done` is called by run_answers() when all that was said so far is in the NIC, out of it, or refused.
  void barrier(std::function<void()> done);
  // Intent against the NIC: each difference as a line.
  void verify(std::function<void(std::vector<std::string>)> done);
  // Why a flow is where it is, step by step. Error: there is no such flow.
  void explain(const std::string& name, std::function<void(Result<std::vector<std::string>>)> done);
  void run_answers();

  // --- Any thread.

  EncapView encap(EncapId id) const;
  Latency latency() const;
  // Why a port takes no rules, or in what way it does: "switch 0, tagged layout, classic rules".
  std::string describe(PortIndex port) const;

  // Withdraws all rules, waits for the driver at most a few seconds, ends the thread. Later calls do nothing.
  void shutdown();

 private:
  struct State;
  explicit Offload(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace culvert::offload
