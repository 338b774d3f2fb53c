// What the benchmarks of rules stand on: an uplink and one tenant of a switch, and an Offload on it. The
// switch is an embedded one in software (drivers/net/eswitch) whose wires are net_null and carry nothing, or
// one that EAL knows.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "offload/offload.hpp"
#include "port/port.hpp"
#include "rcu/domain.hpp"
#include "rig.hpp"

namespace culvert::bench {

struct SwitchDevice {
  std::string arguments;  // of the switch in software, beside its wires: "profile=mlx5"
  // Ethdevs of EAL's in its place: the uplink and a tenant. They are closed with the rig, so there is one a
  // process.
  std::vector<std::string> ports;
};

struct SwitchSetup {
  offload::LayoutWish layout = offload::LayoutWish::tagged;
  SwitchDevice device;
};

// `flows` flows of the tenant's, each of UDP from an address of its own, shared out over `tunnels`: what
// dpdk-test-flow-perf --ether --ipv4 --udp makes, as far as culvert's flows can be the same.
std::vector<offload::FlowSpec> flow_specs(unsigned flows, unsigned tunnels);

class SwitchRig {
 public:
  // Error: there is no such device, or it takes no rules.
  static Result<std::unique_ptr<SwitchRig>> make(const SwitchSetup& setup);
  SwitchRig(const SwitchRig&) = delete;
  SwitchRig& operator=(const SwitchRig&) = delete;
  ~SwitchRig();

  uint16_t uplink() const { return ports_[0]->id(); }
  uint16_t tenant() const { return ports_[1]->id(); }
  // The header that resolve() has given the first tunnel.
  const tunnel::Header& header() const { return header_; }

  // Each of these returns when all that it said is in the NIC, out of it or refused. Error: not within a
  // minute.

  // The first `tunnels` tunnels lead to the one neighbour, whose MAC ends in `mac`.
  Status resolve(unsigned tunnels, uint8_t mac);
  Status add(std::vector<offload::FlowSpec> specs);
  // The first `flows` of flow_specs().
  Status remove(unsigned flows);

 private:
  SwitchRig() = default;
  Status open(const SwitchSetup& setup);
  Status make_switch(const std::string& arguments);
  Status open_ports(const std::vector<std::string>& names, offload::Setup& setup);
  Status settle();

  // Made in this order, gone in the other.
  port::Mempool pool_;
  std::unique_ptr<rcu::Domain> domain_;
  std::optional<Vdev> uplink_wire_, tenant_wire_, switch_;
  std::vector<std::unique_ptr<port::Port>> ports_;
  // No std::counting_semaphore: libstdc++'s waits with a limit look again after sleeps of up to 64 ms.
  std::mutex wake_mutex_;
  std::condition_variable wake_;
  bool woken_ = false;
  uint64_t generation_ = 0;
  tunnel::Header header_;

 public:
  std::unique_ptr<offload::Offload> offload;

 private:
  std::unique_ptr<offload::Offload::Client> client_;
};

}  // namespace culvert::bench
