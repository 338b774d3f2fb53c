// A switch on wires within the test's process: frames go in and come out as byte strings.
#pragma once

#include <rte_ethdev.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace eswitch_test {

struct TestWire;
using Bytes = std::vector<uint8_t>;

/// Starts EAL without hugepages or devices; the first call does.
void start_eal(const char* program);

/// How every port of a switch is set up.
struct PortSetup {
  uint16_t queues = 1;  // of each kind
  rte_eth_conf conf{};
};

/// What an application sees of a packet beside its bytes.
struct Received {
  Bytes frame;
  uint16_t queue;
  uint64_t flags;  // the mbuf's
  uint32_t mark, meta, hash;
  uint16_t vlan_tci;
};

/// One switch; its ports are started and promiscuous.
class TestSwitch {
 public:
  /// `wires` 1: a plain NIC; more: uplink and representors. `arguments` as in a --vdev, beside uplink and
  /// rep.
  explicit TestSwitch(unsigned wires, const std::string& arguments = "", const PortSetup& setup = {});
  ~TestSwitch();
  TestSwitch(const TestSwitch&) = delete;
  TestSwitch& operator=(const TestSwitch&) = delete;

  uint16_t port(unsigned vport) const { return ports_[vport]; }
  unsigned size() const { return static_cast<unsigned>(ports_.size()); }

  /// Lets a frame arrive on a wire.
  void arrive(unsigned vport, const Bytes& frame);
  /// Has the application send a frame on a port; `prepare` asks for offloads and the like. Each queue may
  /// have a thread of its own.
  void send(unsigned vport, const Bytes& frame, const std::function<void(rte_mbuf&)>& prepare = {},
            uint16_t queue = 0);
  /// What left on a wire, or what the application received, since the last call.
  std::vector<Bytes> left(unsigned vport);
  std::vector<Bytes> received(unsigned vport);
  std::vector<Received> received_packets(unsigned vport);
  /// Waits until the switch has dealt with all that arrived and was sent. Aborts the test after 10 s.
  void settle();

  /// As the device's arguments and its telemetry command do; an empty value turns it off.
  void set_fault(const char* key, const char* value);

  uint64_t xstat(unsigned vport, const char* name) const;
  const std::string& name() const { return name_; }
  uint16_t wire_port(unsigned vport) const { return wire_ports_[vport]; }

 private:
  std::string name_;
  const uint16_t queues_;
  std::vector<std::unique_ptr<TestWire>> wires_;
  std::vector<uint16_t> wire_ports_, ports_;
  rte_mempool* pool_;
  uint64_t arrived_ = 0;
  std::atomic<uint64_t> sent_{0};
};

}  // namespace eswitch_test
