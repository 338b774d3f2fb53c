// One ethdev, brought up for the packet path. All functions are the control lcore's unless said.
#pragma once

#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_spinlock.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/c_handle.hpp"
#include "base/result.hpp"
#include "net/address.hpp"

namespace culvert::port {

using Mempool = CHandle<rte_mempool, rte_mempool_free>;

// `mbufs` packet buffers with DPDK's headroom (128 bytes: room for the outer headers) and `data_bytes` of
// room behind it. Error: no memory, and which EAL option gives more.
Result<Mempool> create_mempool(const std::string& name, unsigned mbufs,
                               uint16_t data_bytes = RTE_MBUF_DEFAULT_DATAROOM);

// How many mbufs `ports` ports keep busy at most with `workers` workers: rings, bursts, caches.
unsigned mbufs_needed(unsigned ports, unsigned workers);

struct Options {
  std::string name;    // the configuration's, for messages
  std::string ethdev;  // the name EAL knows it by
  unsigned workers = 1;
  rte_mempool* pool = nullptr;  // must outlive the port
  uint16_t ring_descriptors = 512;
  // Called once if the device is removed (RTE_ETH_EVENT_INTR_RMV), on whichever thread the driver tells it
  // on; must not block, nor call the port.
  std::function<void()> on_removed;
};

struct Link {
  bool up = false;
  uint32_t speed_mbps = 0;  // RTE_ETH_SPEED_NUM_NONE: unknown
};

// Where one worker sends: a queue of its own, or one that it shares under `lock`. `posted` counts the packets
// that were ever put on it; who sends adds to it, under the lock if there is one.
struct TxQueue {
  uint16_t id = 0;
  uint16_t descriptors = 0;
  rte_spinlock_t* lock = nullptr;  // null: nobody else sends on it
  std::atomic<uint64_t>* posted = nullptr;
};

class Port {
 public:
  // Finds the ethdev, chooses the number of queues and configures it; promiscuous, all offloads off but
  // scattered receive where the MTU needs it and segmented send where the driver has it. VLAN tags stay in
  // the frame; a mark that a flow rule sets is asked for, where the driver wants to be asked. Receive queues:
  // one a worker where the driver spreads flows over them by RSS, else one; a driver whose queues take their
  // share of the traffic whether polled or not (af_packet, af_xdp, pcap, ring) gets all of them. Send queues:
  // one a worker, shared where there are fewer. Error: no such ethdev (and which there are), no queue, or
  // what the driver refused.
  static Result<std::unique_ptr<Port>> open(const Options& options);

  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port();  // close()

  // Starts the device and turns promiscuous mode on. Before the first device starts, mbufs get their field
  // for Tx metadata: drivers look for it then. Once: af_packet cannot be started a second time.
  Status start();
  // Stops and closes the device; EAL forgets it. No worker may use it any more. Later calls do nothing.
  void close();
  bool is_open() const { return opened_; }
  // Any thread. The driver has said that the device is gone: it is to be closed once nobody uses it.
  bool is_removed() const { return removed_.load(std::memory_order_acquire); }

  const std::string& name() const { return name_; }
  const std::string& ethdev() const { return ethdev_; }
  const std::string& driver() const { return driver_; }  // "net_af_packet"
  uint16_t id() const { return id_; }                    // DPDK's port id
  int socket() const { return rte_eth_dev_socket_id(id_); }
  rte_mempool* pool() const { return pool_; }
  unsigned if_index() const { return if_index_; }  // the kernel link's, 0: none
  // True for drivers that show the kernel's view of a link (af_packet, af_xdp): its own outgoing frames,
  // unfinished checksums, frames cut to the ring's size.
  bool kernel_frames() const;

  // The port that rules of its switch are made on (rte_flow's transfer proxy); itself where it is on no
  // switch.
  uint16_t proxy_id() const;
  bool is_proxy() const { return proxy_id() == id_; }

  uint16_t rx_queue_count() const { return rx_queues_; }
  uint16_t tx_queue_count() const { return tx_queues_; }
  // The send queue of worker `worker` (0 <= worker < Options::workers).
  TxQueue tx_queue(unsigned worker);

  // Zeros once it is closed.
  net::Mac mac() const;
  uint16_t mtu() const;
  Link link() const;            // never waits for the link
  rte_eth_stats stats() const;  // the ethdev's own; zeros where the driver has none

 private:
  struct alignas(RTE_CACHE_LINE_SIZE) TxState {
    rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER;
    std::atomic<uint64_t> posted{0};
  };

  Port() = default;
  static int tell_removed(uint16_t port_id, rte_eth_event_type event, void* port, void* result);
  void choose_queues(const rte_eth_dev_info& info, unsigned workers);
  Status configure(const rte_eth_dev_info& info, const Options& options);

  std::string name_, ethdev_, driver_;
  uint16_t id_ = 0;
  unsigned if_index_ = 0;
  uint16_t rx_queues_ = 0, tx_queues_ = 0;
  rte_mempool* pool_ = nullptr;
  uint16_t tx_descriptors_ = 0;
  std::vector<TxState> tx_states_;  // one a send queue
  bool tx_shared_ = false;          // fewer send queues than workers
  bool opened_ = false;
  bool started_ = false;
  std::atomic<bool> removed_{false};
  std::function<void()> on_removed_;
};

// The order to start ports in: representors of net_mlx5 start after their switch's proxy, and stop before it.
std::vector<Port*> start_order(const std::vector<std::unique_ptr<Port>>& ports);
void close_all(const std::vector<std::unique_ptr<Port>>& ports);  // in the opposite order
// No other open port needs it open.
bool may_close(const Port& port, const std::vector<std::unique_ptr<Port>>& ports);

// The names of all ethdevs, in the order of their ids.
std::vector<std::string> ethdev_names();

}  // namespace culvert::port
