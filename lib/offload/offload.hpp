// Rules for the NIC, from what the resolver and the user say: see doc/threading.md for who may call what, and
// engine.hpp for how rules move. Everything returns at once; the offload thread does the work.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "offload/types.hpp"
#include "rcu/domain.hpp"

namespace culvert::offload {

// What a port was made before it was started.
struct Prepared {
  bool isolated = false;    // only what ingress rules take reaches the workers; the kernel has the rest
  uint32_t operations = 0;  // that its flow queue holds; 0: classic
};

// To be called between opening a port and starting it. `isolate`: the kernel uses the link itself. `async`:
// which of rte_flow's APIs; not said: as suits the driver. A driver that knows neither isolation nor flow
// queues leaves both out.
Prepared prepare(uint16_t port_id, bool isolate, std::optional<bool> async = {});

struct PortSetup {
  std::string name;      // the configuration's
  uint16_t port_id = 0;  // DPDK's; the port is started and outlives the offload
  uint16_t rx_queues = 1;
  bool wire = false;  // it has a kernel link: tunnels come in and go out here
  Prepared prepared;
};

struct Setup {
  std::vector<PortSetup> ports;  // PortIndex is the place in this list
  Mode mode = Mode::automatic;
  LayoutWish layout = LayoutWish::automatic;
  rcu::Domain* domain = nullptr;
  std::function<void()> wake;  // called on any thread when take_events() has something; must not block
  // For tests: called by add_flow() between making a flow known and letting the offload thread have it.
  std::function<void(const std::string& name)> before_init_done;
};

class Offload {
  struct State;

 public:
  // One thread's way to the flows; others make their own. Holds a name in the RCU domain.
  class Client {
   public:
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // The flow is there at once, pending. Error: the name is taken.
    Status add(FlowSpec spec);
    // An explicit flow takes the place and the name of one: that one's rules leave when those of the new one
    // are in, so that none of lower precedence has its packets meanwhile. Error: there is none of that name.
    Status replace(FlowSpec spec);
    // Error: there is none of that name.
    Status remove(const std::string& name);
    std::optional<FlowView> find(const std::string& name);
    // Those whose initialisation is done, in no order.
    std::vector<FlowView> flows();

   private:
    friend class Offload;
    class Reading;
    Client(State& state, rcu::ReaderId reader);
    State& state_;
    const rcu::ReaderId reader_;
  };

  // Asks the drivers what they take and starts the offload thread. Error: with Mode::required a port that
  // takes no rules, and why.
  static Result<std::unique_ptr<Offload>> create(const Setup& setup);
  ~Offload();  // shutdown()

  // --- The control lcore.

  // Before flows that use it; again whenever the resolver has something new.
  void set_encap(EncapUpdate update);
  void remove_encap(EncapId id);
  void set_networks(std::vector<NetworkSpec> networks);
  // Everything that is in the NIC becomes as these want it. Mode::required is not asked again whether ports
  // can.
  void set_mode(Mode mode, LayoutWish layout);
  // The port's device is gone, and every rule on it. No driver function is called for the port any more once
  // a barrier() of later is through; until then it stays open.
  void remove_port(PortIndex port);
  // Workers have sent all that was marked for generations before this one.
  void drained(EncapId id, uint64_t generation);
  std::vector<Event> take_events();
  // `done` is called by run_answers() when all that was said so far is in the NIC, out of it, or refused.
  void barrier(std::function<void()> done);
  void run_answers();

  // --- Any thread. Answers are given to `done` by run_answers().

  // Intent against the NIC: each difference as a line. The offload thread does nothing else meanwhile.
  void verify(std::function<void(std::vector<std::string>)> done);
  // Why a flow is where it is, step by step. Error: there is no such flow.
  void explain(const std::string& name, std::function<void(Result<std::vector<std::string>>)> done);
  // For the calling thread; to be gone before the offload. Error: too many threads.
  Result<std::unique_ptr<Client>> client();
  EncapView encap(EncapId id) const;
  Latency latency() const;
  Operations operations() const;
  // As its driver answered at the start.
  bool takes_rules(PortIndex port) const;
  // Why a port takes no rules, or in what way it does: "switch of uplink: tagged, classic rules". As it was
  // chosen at the start.
  std::string describe(PortIndex port) const;

  // Withdraws all rules, waits for the driver at most a few seconds, ends the thread. Later calls do nothing.
  void shutdown();

 private:
  explicit Offload(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace culvert::offload
