// The packet path on a bench: real workers, real mbufs, ports that are rings. The test's thread is the
// control lcore and, unless a test starts threads, runs the workers' turns too.
#pragma once

#include <gtest/gtest.h>
#include <rte_ring.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/c_handle.hpp"
#include "bytes.hpp"
#include "dataplane/dataplane.hpp"
#include "dataplane/worker.hpp"
#include "eal.hpp"
#include "port/port.hpp"
#include "rcu/domain.hpp"

namespace culvert::testing {

using dataplane::DropReason;
using dataplane::Where;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A port of one queue made of two rings, and the buffers it receives into.
class RingPort {
 public:
  RingPort(const std::string& name, unsigned workers, unsigned ring_size);
  ~RingPort();

  // What the wire brings: the bytes in fresh mbufs, of which each but the last holds `segment_bytes`; with
  // the mark of a NIC's rule, if any, and the tag that the driver took out. False: no buffer or ring full.
  bool arrive(const Bytes& frame, size_t segment_bytes = 2048, std::optional<uint32_t> mark = std::nullopt,
              std::optional<uint16_t> stripped_tci = std::nullopt);
  // What went out since the last call.
  std::vector<Bytes> sent();
  port::Port& port() { return *port_; }
  // Buffers that are not free.
  unsigned in_use() const { return rte_mempool_in_use_count(pool_.get()); }
  void drain();

 private:
  port::Mempool pool_;
  CHandle<rte_ring, rte_ring_free> rx_, tx_;
  std::unique_ptr<port::Port> port_;
};

struct RigOptions {
  unsigned workers = 1;
  bool kernel_frames = false;
  size_t fdb_capacity = 4096;
  unsigned ring_size = 1024;
  bool underlay = false;    // the uplink has a netdev
  bool bifurcated = false;  // the kernel sees all ports
};

// Ports 0 and 1 are tenants of network 0 with encaps 0 and 1 (VNIs 100 and 200, remotes .2 and .3); port 2 is
// the uplink.
class Rig {
 public:
  explicit Rig(const RigOptions& options = {});
  ~Rig();

  static constexpr unsigned kTenant = 0, kTenant2 = 1, kUplink = 2;

  // One burst through a worker; then the control lcore's turn.
  void turn(unsigned worker = 0);
  void control() { path->poll(now, 1024); }
  // Sends `frame` into `port` and returns what came out of `out`.
  std::vector<Bytes> carry(unsigned in, const Bytes& frame, unsigned out);
  // A station that the FDB shall know.
  void teach(unsigned station, Where where);
  // A tunnel as the defaults of the configuration have it; resolved to the gateway.
  tunnel::Tunnel tunnel(unsigned encap) const;
  void resolve(unsigned encap, const tunnel::Tunnel& tunnel, uint32_t mtu = 1600,
               std::optional<uint16_t> vlan = std::nullopt, unsigned gateway = kGatewayMac);
  uint64_t drops(DropReason reason) const { return path->stats().drops[static_cast<size_t>(reason)]; }
  uint64_t all_drops() const;
  std::vector<dataplane::NetworkSpec> networks() const;
  std::vector<dataplane::Termination> terminations() const;

  TimePoint now{seconds(1000)};
  std::unique_ptr<rcu::Domain> domain;
  std::vector<std::unique_ptr<RingPort>> ports;
  std::unique_ptr<dataplane::Dataplane> path;
};

}  // namespace culvert::testing
