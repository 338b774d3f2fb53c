// A wire: another ethdev that a port of the switch sends to and receives from. Owned, so that no application
// forwards it by accident.
#pragma once

#include <rte_ethdev.h>

#include <memory>
#include <string>

#include "counter.hpp"

namespace eswitch {

class Wire {
 public:
  static constexpr uint16_t kBurst = 32;

  /// Finds the ethdev called `name`, owns it, sets it up with one queue each way and starts it. Null: it
  /// cannot be; the log says why.
  static std::unique_ptr<Wire> open(const std::string& name, uint64_t owner, rte_mempool* pool);
  /// Stops it and gives it back.
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  uint16_t ethdev() const { return ethdev_; }

  // Switch thread only.
  uint16_t receive(rte_mbuf** packets);
  /// Takes over `mbuf`; it leaves with the next flush, or this one if the burst is full.
  void send(rte_mbuf* mbuf);
  void flush();

  Tally rx_packets, rx_bytes, tx_packets, tx_bytes, tx_drops;

 private:
  Wire(uint16_t ethdev, uint64_t owner) : ethdev_(ethdev), owner_(owner) {}
  bool start(rte_mempool* pool);
  static int on_destroy(uint16_t ethdev, rte_eth_event_type event, void* self, void* answer);

  const uint16_t ethdev_;
  const uint64_t owner_;
  bool started_ = false;
  std::atomic<bool> gone_{false};  // the ethdev was removed under us
  uint16_t pending_ = 0;
  rte_mbuf* burst_[kBurst];
};

}  // namespace eswitch
