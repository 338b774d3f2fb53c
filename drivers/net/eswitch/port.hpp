// One port of the switch: an ethdev, its queues, its NIC rules and what it counts.
#pragma once

#include <array>
#include <list>
#include <memory>
#include <vector>

#include "compat.hpp"
#include "faults.hpp"
#include "queue.hpp"
#include "rss.hpp"
#include "rule.hpp"

namespace eswitch {

class Switch;
struct FlowQueues;

/// What a port counts beside its queues; the names are in port_stats.cpp.
enum class PortCounter : uint8_t {
  kTransferHits,    // arrived packets that a transfer rule took
  kTransferMisses,  // and those that none did
  kIngressHits,
  kIngressMisses,
  kEgressHits,
  kEgressMisses,
  kDroppedByRule,
  kDroppedMiss,      // missed in a NIC group above 0, where the NIC drops
  kDroppedIsolated,  // no rule took it and the port is isolated
  kDroppedAddress,   // not for this port's MAC
  kDroppedStopped,   // the application has not started the port
  kDroppedRemoved,   // the device was removed
  kDroppedBroken,    // an action could not be done on the packet
  kDroppedLoop,      // too many jumps
  kDroppedNoMemory,
  kCount,
};
inline constexpr unsigned kPortCounterCount = static_cast<unsigned>(PortCounter::kCount);
inline constexpr unsigned kMaxXstats = kPortCounterCount + 5;  // and the wire's

class Port {
 public:
  static constexpr uint16_t kMaxQueues = 16;
  static constexpr uint16_t kRetaSize = 128;
  static constexpr unsigned kMaxMacs = 64;

  Port(Switch& sw, uint16_t vport, rte_eth_dev& dev);
  ~Port();

  Switch& sw() const { return sw_; }
  uint16_t vport() const { return vport_; }
  bool representor() const { return vport_ > 0; }
  rte_eth_dev& dev() const { return dev_; }
  rte_eth_dev_data& data() const { return *dev_.data; }

  // Any thread that configures the port (ethdev's rules: one at a time).
  void start();
  void stop();
  /// As if the device was pulled out: nothing comes in or goes out any more, rule operations fail with EIO,
  /// and the application is told (RTE_ETH_EVENT_INTR_RMV) if it has asked for that. Any thread; for good.
  void remove();
  /// Publishes the hash key and the redirection table as they now are.
  void publish_rss();

  // Switch thread.
  bool started() const { return started_.load(std::memory_order_acquire); }
  /// Any thread.
  bool removed() const { return removed_.load(std::memory_order_relaxed); }
  /// With which errno the next rule operation of this kind is to fail. 0: it is not.
  int fault(Faults::Op op);
  Tally& counter(PortCounter which) { return counters_[static_cast<unsigned>(which)]; }
  const Tally& counter(PortCounter which) const { return counters_[static_cast<unsigned>(which)]; }
  /// Whether a frame to this address is for the port: its own, or what it was told to take.
  bool accepts(const uint8_t* mac) const;
  const RssSpec& default_rss() const { return rss_.current.load(std::memory_order_acquire)->spec; }
  RxQueue* rx_queue(uint16_t index) const { return index < rx_.size() ? rx_[index] : nullptr; }
  const std::vector<TxQueue*>& tx_queues() const { return tx_; }

  Domain ingress, egress;
  std::atomic<bool> isolated{false};
  std::atomic<bool> promiscuous{false}, all_multicast{false};
  std::atomic<uint64_t> macs[kMaxMacs];  // as numbers; 0: none

  // Control side, under the switch's lock.
  std::list<rte_flow*> flows;
  RssSpec rss;  // key and types as configured; queues is the redirection table
  std::unique_ptr<FlowQueues> flow_queues;
  bool closed = false;
  rte_ether_addr mac_table[kMaxMacs]{};           // what data().mac_addrs points at
  std::array<uint64_t, kMaxXstats> stat_bases{};  // what a reset of the extended statistics subtracts
  rte_eth_stats base{};  // and of the basic ones, less what queues that are gone had counted

 private:
  Switch& sw_;
  const uint16_t vport_;
  rte_eth_dev& dev_;
  std::atomic<bool> started_{false}, removed_{false};
  std::vector<RxQueue*> rx_;  // the ethdev's, while it is started
  std::vector<TxQueue*> tx_;
  SharedRss rss_;
  std::array<Tally, kPortCounterCount> counters_;
};

/// The ethdev operations of every port.
extern const eth_dev_ops port_ops;

inline uint64_t mac_number(const uint8_t* mac) { return uint64_t{get_be16(mac)} << 32 | get_be32(mac + 2); }
inline Port& port_of(const rte_eth_dev* dev) { return *static_cast<Port*>(dev->data->dev_private); }

// port_queues.cpp
void set_queue_setup_ops(eth_dev_ops& ops);

// port_stats.cpp
int stats_get(rte_eth_dev* dev, rte_eth_stats* stats);
int stats_reset(rte_eth_dev* dev);
/// What a queue has counted stays in the port's statistics when it goes.
void keep_stats(Port& port, uint16_t index, const RxQueue& queue);
void keep_stats(Port& port, uint16_t index, const TxQueue& queue);
int xstats_get(rte_eth_dev* dev, rte_eth_xstat* stats, unsigned count);
int xstats_get_names(rte_eth_dev* dev, rte_eth_xstat_name* names, unsigned count);
int xstats_reset(rte_eth_dev* dev);

// port_rss.cpp
int rss_hash_update(rte_eth_dev* dev, rte_eth_rss_conf* conf);
int rss_hash_conf_get(rte_eth_dev* dev, rte_eth_rss_conf* conf);
int reta_update(rte_eth_dev* dev, rte_eth_rss_reta_entry64* reta, uint16_t size);
int reta_query(rte_eth_dev* dev, rte_eth_rss_reta_entry64* reta, uint16_t size);

// flow_ops.cpp
int flow_ops_get(rte_eth_dev* dev, const rte_flow_ops** ops);
/// Removes every rule of the port, or also its indirect actions and templates. Under the switch's lock.
void flush_rules(Port& port);
void flush_port(Port& port);

}  // namespace eswitch
