// The packet path as the control lcore sees it. Every function here is the control lcore's (one thread, the
// one writer); none waits for a worker or a grace period except shutdown(). What is handed over is copied.
//
// What the workers read is published by RCU: one pointer an encap (so a neighbour's new MAC is one pointer
// swap), one snapshot of ports, networks and terminations, and the FDB, a shared hash. What a worker writes
// is its own: counters, path table, last-used stamps, learning requests.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "dataplane/drop_reason.hpp"
#include "dataplane/ids.hpp"
#include "dataplane/route_hop.hpp"
#include "fib/families.hpp"
#include "net/address.hpp"
#include "port/port.hpp"
#include "rcu/domain.hpp"
#include "tunnel/encap_rule.hpp"
#include "tunnel/flow.hpp"
#include "tunnel/tunnel.hpp"

namespace culvert::dataplane {

class Worker;

struct PortSetup {
  port::Port* port = nullptr;  // started; outlives the dataplane
  bool kernel_frames = false;  // frames as the kernel has them: see port::Port::kernel_frames()
  // Source MACs of the kernel on this port: such frames are its own outgoing ones. The first is the port's:
  // what an l3 network is to route comes to it.
  std::vector<net::Mac> own_macs;
  bool underlay = false;    // has a netdev: terminates tunnels, and takes no flows, unless it is in a network
  bool bifurcated = false;  // the kernel sees its packets by itself
  bool removed = false;     // see remove_port()
};

struct Setup {
  std::vector<PortSetup> ports;  // PortIndex is the place in this list
  std::vector<unsigned> lcores;  // one worker each; none of them the main lcore
  rcu::Domain* domain = nullptr;
  size_t fdb_capacity = 1u << 20;  // the most MACs, of all networks together; at most 2^24
};

// Why set_encap() is given no rule; the drop reason of the packets meanwhile.
enum class Unresolved : uint8_t { tunnel, neighbour };

// One VLAN of a port, which is a trunk then: `vlan` is a VID from 1 to 4094.
struct VlanMember {
  PortIndex port = 0;
  uint16_t vlan = 0;

  bool operator==(const VlanMember&) const = default;
};

struct NetworkSpec {
  NetworkId id = 0;
  bool learning = true;
  bool flood = true;
  std::vector<PortIndex> ports;
  std::vector<EncapId> encaps;
  uint32_t max_macs = 65536;                  // learned ones
  uint32_t max_macs_per_member = UINT32_MAX;  // likewise, behind one of its members
  bool routed = false;                        // an l3 network: it learns nothing, and routes by routes(id)
  std::vector<VlanMember> vlans;              // of an l2 network: beside whole ports
  bool suppress = false;  // of an l2 network: answers ARP and ND for stations that are known

  bool operator==(const NetworkSpec&) const = default;
};

// What is decapsulated: VXLAN of `vni` from `remote` to `local` on UDP port `dst_port`. Both IPv4.
struct Termination {
  net::IpAddr local, remote;
  uint16_t dst_port = 0;
  uint32_t vni = 0;
  EncapId encap = 0;                  // the tunnel; inner sources are learned behind it
  std::optional<NetworkId> network;   // none: dropped as no_network
  std::optional<net::Mac> inner_mac;  // of an l3 network: to whom inner frames must be

  bool operator==(const Termination&) const = default;
};

// Which frames of a port go into which tunnel, whatever networks say.
struct FlowRule {
  PortIndex port = 0;
  tunnel::Match match;
  uint16_t priority = tunnel::Flow::kDefaultPriority;  // the lower wins
  uint64_t sequence = 0;                               // of equal priorities: the lower (the earlier) wins
  EncapId encap = 0;

  bool operator==(const FlowRule&) const = default;
};

// Who says where a MAC is; of two for one MAC the later in this list decides. configured: "static" to the
// user.
enum class Origin : uint8_t { learned, kernel, configured };

struct PathRow {
  NetworkId network = 0;
  net::Mac mac;
  Where where;
  Origin origin = Origin::learned;
  uint64_t idle_s = 0;  // since a frame last came from it or went to it, on any worker
  uint32_t refs = 0;    // workers that used it within the last two collector periods
};

// A change of one FDB row. Moved: to `where`, or to another origin; gone: `where` is its last place.
struct PathEvent {
  enum class Kind : uint8_t { appeared, moved, gone };
  Kind kind = Kind::appeared;
  NetworkId network = 0;
  net::Mac mac;
  Where where;
  Origin origin = Origin::learned;

  bool operator==(const PathEvent&) const = default;
};
using PathListener = std::function<void(const PathEvent&)>;

struct LcoreStats {
  unsigned lcore = 0;
  uint64_t rx = 0, tx = 0;
  double busy_pct = 0;  // of the last second or so
};

// Packets since start, summed over the workers; each read is a little later than the one before.
struct Stats {
  uint64_t rx = 0, tx = 0;    // received from ports, handed to ports
  uint64_t forwarded = 0;     // sent somewhere: encapsulated, bridged, flooded (once, whatever the copies)
  uint64_t encapsulated = 0;  // packets sent into tunnels, copies included
  uint64_t marked = 0;        // of these: left to the NIC, by a mark
  uint64_t decapsulated = 0;
  uint64_t exceptions = 0;            // underlay packets that are the kernel's
  uint64_t flooded = 0;               // packets whose destination was unknown or a group
  uint64_t suppressed = 0;            // ARP requests and ND solicitations answered here
  uint64_t checksums_completed = 0;   // L4 checksums that the kernel had left to hardware
  uint64_t checksums_unfinished = 0;  // outer UDP checksums accepted though the kernel had not finished them
  uint64_t learned = 0, moved = 0, aged = 0;       // FDB rows
  uint64_t learn_over_limit = 0;                   // refused: max_macs of the network, or the FDB is full
  uint64_t learn_over_member_limit = 0;            // refused: max_macs_per_member of the network
  uint64_t learn_dropped = 0;                      // requests that found the ring to the control lcore full
  std::array<uint64_t, kDropReasonCount> drops{};  // by DropReason
  std::vector<LcoreStats> lcores;
};

struct EncapCounters {
  uint64_t packets = 0;
  uint64_t bytes = 0;  // of the inner frames
};
using FlowCounters = EncapCounters;

struct Fence {
  uint64_t number = 0;  // of the fences so far
  uint64_t grace = 0;   // RCU token
};

class Dataplane {
 public:
  // Makes the workers and shares the ports' queues out among them; nothing runs yet, no network exists, and
  // every port is an underlay port. Error: no memory, or a lcore or port that cannot be used.
  static Result<std::unique_ptr<Dataplane>> create(const Setup& setup);
  ~Dataplane();  // shutdown()

  // Runs each worker on its lcore. Error: a lcore is busy or not EAL's.
  Status launch();
  // Off: workers go on emptying the ports and drop what comes (reason `stopped`). On at first.
  void set_forwarding(bool on);
  // Ends the workers and waits for them. Later calls do nothing.
  void shutdown();

  // The tunnel's header and next hop as they are now; null: unresolved, with the reason to count its packets
  // by. May be called at any time, for a new or a known id. With a `mark` the NIC writes the header: workers
  // look whether the packet fits the MTU, count it, and send the inner frame with the mark as Tx metadata.
  // Give one only to an encap that the NIC has a rule for, and whose header is the same for all packets. 0:
  // the workers write it. Error: id out of range, unknown port, header too long; then the encap is
  // unresolved.
  Status set_encap(EncapId id, const tunnel::Tunnel& tunnel, const tunnel::EncapRule* rule,
                   Unresolved why = Unresolved::tunnel, uint32_t mark = 0);
  // Forgets the encap; its counters start anew when the id is used again. Take it out of networks and
  // terminations first (packets that still find it are dropped as tunnel_unresolved).
  void remove_encap(EncapId id);

  // The whole list, each time. A port that is in a network or has flows is a tenant port, every other is an
  // underlay port.
  // A port is a member as a whole, or is a trunk by its VLANs. FDB rows of networks, ports and encaps that
  // are gone, or no longer members, go too. Error: unknown port or id, a port, VLAN or encap in two networks,
  // a port both ways, a VLAN in an l3 network; then nothing has changed. With `terminations`: those too, in
  // the same step, and their errors.
  Status set_networks(std::vector<NetworkSpec> networks,
                      std::optional<std::vector<Termination>> terminations = std::nullopt);
  // The whole list, each time. A packet that the NIC has decapsulated names its tunnel by the Rx mark encap
  // + 1. Error: two alike, or an IPv6 one; then nothing has changed.
  Status set_terminations(std::vector<Termination> terminations);
  // A row of the kernel's or the user's: neither learning nor the collector touches it, set_networks() does
  // when it is no member any more. One of an origin above `origin` stays as it is. Error: not a member of the
  // network, or the FDB is full.
  Status add_path(NetworkId network, const net::Mac& mac, Where where, Origin origin = Origin::configured);
  // False: there is no row of that origin.
  bool remove_path(NetworkId network, const net::Mac& mac, Origin origin);
  // The learned rows of the network go. Returns how many.
  size_t flush_paths(NetworkId network);
  // nullopt: there is no row.
  std::optional<Origin> path_origin(NetworkId network, const net::Mac& mac) const;
  // The station of a network that suppresses ARP and ND which has the IP, as the kernel knows it: whoever
  // asks for it is answered while the FDB has the MAC. What stations say of themselves is found out without.
  // Error: the table is full, or there is no such network.
  Status set_binding(NetworkId network, const net::IpAddr& ip, const net::Mac& mac, bool router);
  void remove_binding(NetworkId network, const net::IpAddr& ip);
  // An explicit flow: looked at before networks. A new id, or another rule for a known one, which then takes
  // packets without a gap. Costs the same whatever the number of flows; more only with flows of one match on
  // one port (linear in those) and with the number of different masks of a port. A frame that a flow takes is
  // dropped like any other that cannot go into its tunnel, never learned from. A frame that no flow takes is
  // dropped as no_flow on a port that is in no network. Error: id, port or encap out of range, a match that
  // no packet can meet, an underlay port (PortSetup::underlay); then nothing has changed.
  Status set_flow(FlowId id, const FlowRule& rule);
  // Unknown ids are ignored. The counters stay readable until the id is used again.
  void remove_flow(FlowId id);
  // `listener` is told of each change of the FDB, on the control lcore, in order, from within poll(),
  // set_networks(), add_path(), remove_path() and flush_paths(). It must not call those, nor
  // set_path_listener(). What is there already it is not told: see paths(). Empty: nobody is told.
  void set_path_listener(PathListener listener);
  // The period M of the collector, at least a second, 30 s at first: what was idle for 2*M is removed, looked
  // for every M.
  void set_collector_period(std::chrono::seconds period);
  // The N buckets of each worker's path table: rounded up to a power of two, from kMinPathBuckets to
  // kMaxPathBuckets. A worker changes over by itself, in its next turn, and begins with an empty table.
  void set_path_buckets(size_t count);
  // The row was used by the NIC: its idle time begins anew. A row that is not there is ignored.
  void touch(NetworkId network, const net::Mac& mac);
  // Instead of PortSetup::own_macs, e.g. after the kernel link's MAC has changed.
  void set_own_macs(PortIndex port, std::vector<net::Mac> macs);

  // The port's device is gone. Once a grace period has passed no worker receives from it or sends to it,
  // and it may be closed; what is to go there is dropped as port_removed. For good.
  void remove_port(PortIndex port);

  // --- l3 networks (dataplane_routes.cpp).

  // Makes the tables of an l3 network that the next set_networks() has: to be filled before packets meet
  // them. What is there already stays.
  void make_routes(NetworkId id);
  // What the network routes by: by the number of a hop, see set_hop(). The caller writes it, and may do so
  // while the workers run. Null: no l3 network has the id. Good while set_networks() has the network as an l3
  // one.
  fib::Families* routes(NetworkId id);
  // The stations on the link behind a port, as host routes, each with its hop: where what a hop of kind
  // on_link leads to is looked up. Likewise the caller's to write.
  fib::Families& neighbours(PortIndex port);
  // Where the routes and neighbours with that number lead, from now on: publish a hop before what names it.
  // `id` is from 1 to kMaxHops - 1.
  void set_hop(HopId id, RouteHop hop);
  // Its packets have no route. A worker may have read the number still where it was taken away: wait for a
  // grace period first, and so before the number is used again.
  void remove_hop(HopId id);
  const RouteHop* hop(HopId id) const;
  // The second, by the clock of poll(), in which a packet last went out by the hop to a station; 0: never.
  uint32_t hop_used_s(HopId id) const;
  // `listener` is told, from within poll(), of stations on a port's link that packets are for and that have
  // no hop: the kernel is to resolve them. Told again while packets come, a few times a second.
  using NeighbourListener = std::function<void(PortIndex port, const net::IpAddr& ip)>;
  void set_neighbour_listener(NeighbourListener listener);

  // The control lcore's turn; call it at least every 10 ms or so, since learning waits for it. Tells the
  // workers the time, decides at most `budget` learning requests, looks at `budget` FDB rows of the
  // collector's round if one is due, copies four times as many where the FDB grows, and reclaims up to
  // `budget` retired objects. `now` never goes back. Returns true when it left work for the next turn.
  bool poll(TimePoint now, size_t budget);

  // Stands for the present moment. Once it has passed, every packet that a worker handled by what was
  // published before has left the NIC: no worker uses the old any more, and what each had put on its send
  // queues is sent, as far as the driver can tell (rte_eth_tx_descriptor_status; else the grace period
  // decides alone). So the NIC's rule for a mark that was taken back with set_encap() may go then. Costs
  // nothing unless asked, nobody waits; passed() is to be asked again. A worker whose turns nobody runs holds
  // it up, one that has ended does not.
  Fence fence();
  bool passed(const Fence& fence) const;

  std::vector<PathRow> paths(TimePoint now) const;
  Stats stats() const;
  EncapCounters encap_counters(EncapId id) const;
  // What went into the tunnel for the flow. Anew with each set_flow() of an id that was not in use; within
  // the turn in which that happens a worker may still count a packet of the id's earlier flow.
  FlowCounters flow_counters(FlowId id) const;
  // Packets that came in on the port, or were to leave by it, and were dropped.
  uint64_t port_drops(PortIndex port) const;

  // For tests and measurements that run a worker's turns themselves instead of launch().
  size_t worker_count() const;
  Worker& worker(size_t index);

 private:
  struct State;
  explicit Dataplane(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace culvert::dataplane
