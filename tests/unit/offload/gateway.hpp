// An Offload on an embedded switch in this process, with what the control lcore would say to it.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "offload/offload.hpp"
#include "rcu/domain.hpp"
#include "rig.hpp"

namespace culvert::offload::testing {

class Gateway {
 public:
  struct Options {
    unsigned wires = 3;     // 1: a plain NIC; else the uplinks, then tenants
    unsigned uplinks = 1;   // where tunnels come in; more than one: isolated
    std::string arguments;  // of the device
    LayoutWish layout = LayoutWish::automatic;
    Mode mode = Mode::automatic;
    bool async = false;
    std::function<void(const std::string&)> before_init_done = {};
  };
  explicit Gateway(const Options& options);
  ~Gateway();

  // Tunnel `id` has VNI 100 + id; its neighbour has this MAC, or is not valid.
  void resolve(EncapId id, uint8_t mac, bool terminated = true);
  void unresolve(EncapId id, const std::string& reason = "neighbour failed");
  // What resolve() says, to be changed before it is said. Each one is of a new generation.
  EncapUpdate update_of(EncapId id, uint8_t mac);
  Status add(const std::string& name, EncapId id, const tunnel::Match& match = {}, uint16_t priority = 100,
             PortIndex port = 1);
  FlowView flow(const std::string& name) { return client->find(name).value_or(FlowView{}); }
  // Until all that was said is in the NIC, out of it or refused.
  void settle();
  std::vector<std::string> verify();
  std::vector<std::string> explain(const std::string& name);

  // What a frame arriving at tenant `port` leaves as on the uplink's wire: the MAC's last byte, or -1 when it
  // came to the application, -2 when it did neither.
  int way_of(const Bytes& frame, unsigned port = 1);

  // What leaves on the first tenant's wire when this arrives on the uplink's.
  size_t decapsulated(const Bytes& frame);

  // On a plain NIC: what a worker sends with this mark leaves as. 0: as it is, -2: not at all.
  int way_of_marked(const Bytes& frame, uint32_t mark);

  rcu::Domain& domain() { return *domain_; }

  SendPool pool;
  TestSwitch wires;

 private:
  void forget_frames();

  std::unique_ptr<rcu::Domain> domain_;
  uint64_t generation_ = 0, sequence_ = 0;
  std::string device_;

 public:
  std::unique_ptr<Offload> offload;
  std::unique_ptr<Offload::Client> client;
};

tunnel::Match to_net(const std::string& prefix);

// What the peer sends: our own header with the addresses the other way round.
Bytes from_peer(const Bytes& inner, uint32_t vni = 100);

template <typename Ready>
bool within(std::chrono::seconds limit, Ready ready) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!ready() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return ready();
}

}  // namespace culvert::offload::testing
