#include "wire.hpp"

#include <algorithm>

#include "compat.hpp"
#include "log.hpp"

namespace eswitch {
namespace {

/// How often a full wire is tried again before the rest of a burst is dropped.
constexpr int kSendTries = 16;

}  // namespace

std::unique_ptr<Wire> Wire::open(const std::string& name, uint64_t owner, rte_mempool* pool) {
  uint16_t ethdev;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &ethdev) != 0) {
    ESWITCH_LOG(ERR, "there is no ethdev %s: name it before the switch", name.c_str());
    return nullptr;
  }
  rte_eth_dev_owner mine{};
  mine.id = owner;
  std::snprintf(mine.name, sizeof(mine.name), "net_eswitch");
  if (const int result = rte_eth_dev_owner_set(ethdev, &mine); result != 0) {
    ESWITCH_LOG(ERR, "%s cannot be owned: %s", name.c_str(), rte_strerror(-result));
    return nullptr;
  }
  std::unique_ptr<Wire> wire(new Wire(ethdev, owner));
  if (!wire->start(pool)) {
    ESWITCH_LOG(ERR, "%s cannot be started", name.c_str());
    return nullptr;
  }
  return wire;
}

bool Wire::start(rte_mempool* pool) {
  rte_eth_conf conf{};
  rte_eth_dev_info info;
  uint16_t rx_count = 512, tx_count = 512;
  if (rte_eth_dev_info_get(ethdev_, &info) != 0 || rte_eth_dev_configure(ethdev_, 1, 1, &conf) != 0 ||
      rte_eth_dev_adjust_nb_rx_tx_desc(ethdev_, &rx_count, &tx_count) != 0)
    return false;
  if (rte_eth_rx_queue_setup(ethdev_, 0, rx_count, SOCKET_ID_ANY, nullptr, pool) != 0 ||
      rte_eth_tx_queue_setup(ethdev_, 0, tx_count, SOCKET_ID_ANY, nullptr) != 0 ||
      rte_eth_dev_start(ethdev_) != 0)
    return false;
  started_ = true;
  if (rte_eth_dev_callback_register(ethdev_, RTE_ETH_EVENT_DESTROY, on_destroy, this) != 0) return false;
  // A wire carries everyone's frames. One that cannot be told so (net_null) does it anyway.
  if (const int result = rte_eth_promiscuous_enable(ethdev_); result != 0)
    ESWITCH_LOG(DEBUG, "wire %u is not promiscuous: %s", ethdev_, rte_strerror(-result));
  return true;
}

/// An application that ends without closing the switch's ports has EAL remove the wires first.
int Wire::on_destroy(uint16_t, rte_eth_event_type, void* self, void*) {
  static_cast<Wire*>(self)->gone_.store(true, std::memory_order_release);
  return 0;
}

Wire::~Wire() {
  for (uint16_t i = 0; i < pending_; ++i) rte_pktmbuf_free(burst_[i]);
  if (gone_.load(std::memory_order_acquire)) return;
  rte_eth_dev_callback_unregister(ethdev_, RTE_ETH_EVENT_DESTROY, on_destroy, this);
  if (started_) rte_eth_dev_stop(ethdev_);
  rte_eth_dev_internal_reset(&rte_eth_devices[ethdev_]);  // its queues let go of our packets
  rte_eth_dev_owner_unset(ethdev_, owner_);
}

uint16_t Wire::receive(rte_mbuf** packets) {
  if (gone_.load(std::memory_order_relaxed)) return 0;
  const uint16_t count = rte_eth_rx_burst(ethdev_, 0, packets, kBurst);
  uint64_t bytes = 0;
  for (uint16_t i = 0; i < count; ++i) bytes += rte_pktmbuf_pkt_len(packets[i]);
  if (count > 0) {
    rx_packets.add(count);
    rx_bytes.add(bytes);
  }
  return count;
}

void Wire::send(rte_mbuf* mbuf) {
  burst_[pending_++] = mbuf;
  if (pending_ == kBurst) flush();
}

void Wire::flush() {
  uint16_t sent = 0;
  uint64_t lengths[kBurst];
  for (uint16_t i = 0; i < pending_; ++i) lengths[i] = rte_pktmbuf_pkt_len(burst_[i]);
  const bool gone = gone_.load(std::memory_order_relaxed);
  for (int tries = 0; !gone && sent < pending_ && tries < kSendTries; ++tries)
    sent = static_cast<uint16_t>(
        sent + rte_eth_tx_burst(ethdev_, 0, burst_ + sent, static_cast<uint16_t>(pending_ - sent)));
  if (sent > 0) {
    uint64_t bytes = 0;
    for (uint16_t i = 0; i < sent; ++i) bytes += lengths[i];
    tx_packets.add(sent);
    tx_bytes.add(bytes);
  }
  if (sent < pending_) tx_drops.add(static_cast<uint64_t>(pending_ - sent));
  for (; sent < pending_; ++sent) rte_pktmbuf_free(burst_[sent]);
  pending_ = 0;
}

}  // namespace eswitch
