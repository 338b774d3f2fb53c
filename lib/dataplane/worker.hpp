// A worker: one lcore that carries packets from the ports' queues to the ports' queues, a burst at a time,
// each stage over the whole burst. In the order of a packet's way, one file a stage:
//
//   worker.cpp           the loop: poll a queue, sort the burst by the port's role, idle
//   stage_tenant.cpp     frames of a tenant: whole? whose? which flow?            -> Frame
//   stage_flows.cpp      explicit flows: is it for one of them? then into its tunnel
//   stage_trunk.cpp      of a trunk: the tag tells the network, and is taken out
//   stage_terminate.cpp  outer packets: one of our tunnels? sound? then decap     -> Frame
//   stage_route.cpp      of l3 networks: is the packet sound? where does its route lead? on with one hop less
//   stage_lookup.cpp     of l2 networks: source: known here? else ask to learn; destination: where is it?
//   stage_suppress.cpp   of l2 networks that want it: ARP and ND answered here where the station is known
//   stage_deliver.cpp    encap (encap.hpp), another port, or a copy for everybody (stage_flood.cpp)
//   stage_transmit.cpp   a burst for each port
//   fence.cpp            on request: has the NIC sent all that was posted until now?
//
// Ownership: everything here is the worker's alone, but what Shared holds (read only), the counters and
// stamps (worker writes, control lcore reads) and the learning ring (worker pushes, control lcore pops).
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <span>
#include <vector>

#include "dataplane/counters.hpp"
#include "dataplane/learning.hpp"
#include "dataplane/path_lookup.hpp"
#include "dataplane/shared.hpp"
#include "dataplane/stamps.hpp"
#include "fib/families.hpp"
#include "port/port.hpp"

namespace culvert::dataplane {

inline constexpr uint16_t kBurst = 32;

// A frame inside a network, whatever brought it: what the stages after parsing need of it.
struct Frame {
  rte_mbuf* mbuf = nullptr;
  StationKey source, destination;
  uint32_t flow_hash = 0;
  uint8_t tos = 0;  // of the inner IP header
  uint8_t ttl = 0;  // 0: not IP
  PortIndex in = 0;
  Where from;
  Where to;  // nowhere: unknown, or a group: flood
};

// At most one received burst.
struct Frames {
  std::array<Frame, kBurst> frame;
  uint16_t count = 0;

  std::span<Frame> all() { return {frame.data(), count}; }
};

struct RxQueue {
  PortIndex port;
  uint16_t port_id;  // DPDK's
  uint16_t queue;
};

class Worker {
 public:
  // `ports` are the dataplane's; `index` is the worker's place among the workers, `lcore` its name in the
  // domain.
  Worker(Shared& shared, std::span<const PortSetup> ports, unsigned index, unsigned lcore, size_t fdb_rows);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // Control lcore, before the worker runs.
  void add_queue(const RxQueue& queue) { queues_.push_back(queue); }

  // The loop, until Shared::running is false. The worker's own thread.
  void run();
  // One turn of it: a burst from each queue. Returns the packets received. The caller is the worker's thread
  // and online in the domain; a turn ends with a quiescent state.
  unsigned turn();

  // Control lcore.
  const Counters& counters() const { return counters_; }
  const Stamps& stamps() const { return stamps_; }
  // When a packet last went out by a hop to a station, by HopId.
  const Stamps& hop_stamps() const { return hop_stamps_; }
  LearnRing& learning() { return learning_; }
  NeighbourRing& neighbours_wanted() { return neighbours_wanted_; }
  BindingRing& bindings_heard() { return bindings_heard_; }
  unsigned lcore() const { return lcore_; }
  // True once what the worker had sent before it saw fence `number` has left the NIC, as far as it can tell:
  // when it has answered, when it never sent anything, and when it has ended. To be asked after the fence's
  // grace period.
  bool has_sent(uint64_t number) const {
    return answered_fence_.load(std::memory_order_acquire) >= number || counters_.tx.read() == 0 || ended();
  }
  // True once run() has returned and left nothing behind in any core's view.
  bool ended() const { return ended_.load(std::memory_order_acquire); }

 private:
  struct TxBurst {
    rte_mempool* pool = nullptr;  // for copies
    uint16_t port_id = 0;
    port::TxQueue queue;
    uint16_t count = 0;
    bool dirty = false;  // named in dirty_
    std::array<rte_mbuf*, kBurst> packets{};
  };

  // A send queue that has to get rid of what was posted before a fence.
  struct Unsent {
    PortIndex port;
    uint64_t posted;  // TxQueue::posted when the worker met the fence
  };

  template <size_t kBytes>
  struct Lookups;

  // Stages, in order.
  unsigned poll(const RxQueue& queue);
  void take_tenant_frames(PortIndex port, std::span<rte_mbuf*> packets, Frames& frames);
  void terminate_tunnels(PortIndex port, std::span<rte_mbuf*> packets, Frames& frames);
  void take_flows(PortIndex port, Frames& frames);
  void sort_vlans(PortIndex port, Frames& frames);
  void route(Frames& frames);
  void find_destinations(Frames& frames);
  void suppress(Frames& frames);
  void deliver(Frames& frames);
  void flood(const Frame& frame);
  void transmit();

  // Parts of stages.
  bool restore_vlan(PortIndex port, rte_mbuf* mbuf);
  bool accept(PortIndex port, rte_mbuf* mbuf, uint64_t source_bits);
  void decapsulate(PortIndex port, rte_mbuf* mbuf, uint32_t l2_bytes, const TunnelMatch& match,
                   Frames& frames);
  void take_decapsulated(PortIndex port, rte_mbuf* mbuf, Frames& frames);
  void take_inner(PortIndex port, rte_mbuf* mbuf, const TunnelMatch& match, const Network& network,
                  Frames& frames);
  void match_flows(const PortFlows& flows, Frames& frames);
  void refuse_outer(PortIndex port, rte_mbuf* mbuf, uint32_t l2_bytes);
  void route_within(const fib::Families& routes, std::span<Frame> frames);
  template <size_t kBytes>
  void take_packet(Frame& frame, Lookups<kBytes>& lookups);
  template <size_t kBytes>
  void send_on(const fib::Families& routes, Lookups<kBytes>& lookups);
  template <size_t kBytes>
  void find_ways(Lookups<kBytes>& lookups);
  template <size_t kBytes>
  void find_stations(Lookups<kBytes>& lookups);
  template <size_t kBytes>
  bool forward(Frame& frame, HopId hop, const Way& way);
  void refuse(const Frame& frame, DropReason reason);
  void ask_for_neighbour(PortIndex port, const net::IpAddr& ip);
  bool answer(const Frame& frame);
  void tell_binding(const BindingHeard& heard);
  void ask_to_learn(const Frame& frame);
  bool to_member(const Frame& frame, rte_mbuf* mbuf, Where member);
  bool into_tunnel(const Frame& frame, rte_mbuf* mbuf, EncapId encap);
  bool into_tunnel(const Frame& frame, rte_mbuf* mbuf, EncapId encap, const EncapSlot* slot);
  void out_of_port(PortIndex port, rte_mbuf* mbuf);
  void flush(PortIndex port);
  void lose(PortIndex port, uint16_t first, DropReason reason);
  void drop(PortIndex port, rte_mbuf* mbuf, DropReason reason);
  void count_drop(PortIndex port, DropReason reason);
  void answer_fence(uint64_t asked);
  bool is_sent(const Unsent& unsent) const;
  void finish_window(uint64_t now_tsc);

  Shared& shared_;
  const unsigned lcore_;
  std::vector<RxQueue> queues_;
  std::vector<TxBurst> tx_;       // by PortIndex
  std::vector<PortIndex> dirty_;  // ports that got packets from this burst
  PathLookup paths_;
  LearnFilter filter_{kLearnAgainMs};
  NeighbourFilter neighbour_filter_{kNeighbourAgainMs};
  BindingFilter binding_filter_{kBindingAgainMs}, same_binding_filter_{kSameBindingAgainMs};

  // Of the burst at hand.
  Frames frames_;
  Frames routed_;  // from tunnels of l3 networks

  // Good for one turn.
  const Snapshot* snapshot_ = nullptr;
  const FdbHash* fdb_ = nullptr;
  Pulse pulse_;

  // The fence at hand, 0: none, and where it is waited for.
  uint64_t fence_ = 0;
  std::vector<Unsent> unsent_;

  // How busy: TSC cycles of turns that received something, within the present window.
  uint64_t window_start_tsc_ = 0, window_busy_tsc_ = 0, window_tsc_ = 0;

  // Read by the control lcore.
  std::atomic<uint64_t> answered_fence_{0};  // release: see answer_fence()
  std::atomic<bool> ended_{false};
  Counters counters_;
  Stamps stamps_;
  Stamps hop_stamps_;
  LearnRing learning_;
  NeighbourRing neighbours_wanted_;
  BindingRing bindings_heard_;
};

}  // namespace culvert::dataplane
