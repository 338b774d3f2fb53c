// A switch on wires within the test's process: frames go in and come out as byte strings.
#pragma once

#include <rte_ethdev.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace eswitch_test {

struct TestWire;
using Bytes = std::vector<uint8_t>;

/// Starts EAL without hugepages or devices; the first call does.
void start_eal(const char* program);

/// One switch; its ports have one queue of each kind, are started and promiscuous.
class TestSwitch {
 public:
  /// `wires` 1: a plain NIC; more: uplink and representors. `arguments` as in a --vdev, beside uplink and
  /// rep.
  explicit TestSwitch(unsigned wires, const std::string& arguments = "");
  ~TestSwitch();
  TestSwitch(const TestSwitch&) = delete;
  TestSwitch& operator=(const TestSwitch&) = delete;

  uint16_t port(unsigned vport) const { return ports_[vport]; }
  unsigned size() const { return static_cast<unsigned>(ports_.size()); }

  /// Lets a frame arrive on a wire.
  void arrive(unsigned vport, const Bytes& frame);
  /// Has the application send a frame on a port.
  void send(unsigned vport, const Bytes& frame);
  /// What left on a wire, or what the application received, since the last call.
  std::vector<Bytes> left(unsigned vport);
  std::vector<Bytes> received(unsigned vport);
  /// Waits until the switch has dealt with all that arrived and was sent. Aborts the test after 10 s.
  void settle();

  uint64_t xstat(unsigned vport, const char* name) const;

 private:
  std::string name_;
  std::vector<std::unique_ptr<TestWire>> wires_;
  std::vector<uint16_t> wire_ports_, ports_;
  rte_mempool* pool_;
  uint64_t arrived_ = 0, sent_ = 0;
};

}  // namespace eswitch_test
