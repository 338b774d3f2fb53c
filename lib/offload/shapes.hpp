// Every rule that culvert makes, one function each: it starts `rule` at its place and fills it. Values only,
// no state; any thread. doc/offload.md shows the groups that packets go through; what each is for stands at
// SwitchGroup and NicGroup.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "net/address.hpp"
#include "net/headers.hpp"
#include "offload/driver_traits.hpp"
#include "offload/rule.hpp"
#include "tunnel/flow.hpp"

namespace culvert::offload {

// On a switch: transfer rules, made on the ethdev of its manager.
enum SwitchGroup : uint32_t {
  kEntry = 0,   // what comes in by a wire: explicit flows, holds, known sources
  kTxDest = 1,  // frames of tenants, by network and destination: paths
  kRxDest = 2,  // tunnel packets, by network and inner destination: decaps
  kEncap = 3,   // tagged layout: one rule a slot, the header and the way out
  kMiss = 4,    // no rules: what jumps here takes the packet path
};
// On a plain NIC port: egress goes from the root to the slots; ingress has its decaps in the root.
enum NicGroup : uint32_t { kNicRoot = 0, kNicSlots = 1 };

// What the tags carry; both numbers start at 0, and 0 in a tag means none.
inline constexpr uint8_t kNetworkTag = 0;  // network number + 1
inline constexpr uint8_t kSlotTag = 1;     // slot number + 1

// A mark is what a worker puts into an mbuf's Tx metadata so that the NIC writes the slot's header.
inline constexpr uint32_t kMarkBit = 0x80000000;
constexpr uint32_t mark_of(uint32_t slot) { return kMarkBit | slot; }

// Where a rule of a given shape is put; the shape itself knows the domain and the group.
struct Spot {
  uint16_t port_id = 0;
  uint32_t priority = 0;
  TagWriter tags = TagWriter::set_tag;
  AnySource any_source = AnySource::item;
};

// A header and the port it leaves by.
struct Encap {
  std::span<const uint8_t> header;  // tunnel::Header::view()
  uint16_t port_id = 0;             // on a switch: the uplink; on a plain NIC not looked at
};

// The outer headers by which a terminated tunnel's packets are known.
struct Underlay {
  net::IpAddr src;  // the peer: the tunnel's remote
  net::IpAddr dst;  // the tunnel's local address
  uint16_t udp_dst = net::kVxlanPort;
  uint32_t vni = 0;
};

using Counter = rte_flow_action_handle*;  // null: COUNT in the rule

// The matches that together take exactly the packets that `match` takes, each of which is one rule's pattern:
// a match by protocol alone is one for IPv4 and one for IPv6, ports without a protocol are TCP's and UDP's. 1
// to 4.
std::vector<tunnel::Match> rule_matches(const tunnel::Match& match);

// Appends the items of one of rule_matches().
void append_match(Rule& rule, const tunnel::Match& match);

// Switch, ENTRY. `from`: the ethdev by whose wire the packets come in; `match`: one of rule_matches().
void explicit_tagged(Rule& rule, const Spot& spot, uint16_t from, const tunnel::Match& match, uint32_t slot,
                     Counter counter = nullptr);
void explicit_flat(Rule& rule, const Spot& spot, uint16_t from, const tunnel::Match& match,
                   const Encap& encap, Counter counter = nullptr);
// Sends to the packet path what rules of a lower precedence would take.
void hold(Rule& rule, const Spot& spot, uint16_t from, const tunnel::Match& match);
// The gates of a network: only frames of known sources go on in the NIC, and are counted, so that a station
// that only sends is seen to be in use. Without `source`: all frames do (a network that does not learn),
// uncounted.
void tenant_source(Rule& rule, const Spot& spot, uint16_t from, const std::optional<net::Mac>& source,
                   uint32_t network, Counter counter = nullptr);
void tunnel_source(Rule& rule, const Spot& spot, uint16_t uplink, const Underlay& underlay,
                   const std::optional<net::Mac>& source, uint32_t network, Counter counter = nullptr);

// Switch, TX_DEST: a path.
void path_tagged(Rule& rule, const Spot& spot, uint32_t network, const net::Mac& destination, uint32_t slot,
                 Counter counter = nullptr);
void path_flat(Rule& rule, const Spot& spot, uint32_t network, const net::Mac& destination,
               const Encap& encap, Counter counter = nullptr);

// Switch, RX_DEST: takes the outer headers off and sends to the tenant. `udp_dst`: of the network's tunnels
// (a driver that is told none looks at port 4789 only); one rule for each port in use.
void decap(Rule& rule, const Spot& spot, uint16_t uplink, uint32_t network, uint16_t udp_dst,
           const net::Mac& destination, uint16_t tenant, Counter counter = nullptr);

// Switch, ENCAP: a slot of the tagged layout.
void slot_encap(Rule& rule, const Spot& spot, uint32_t slot, const Encap& encap, Counter counter = nullptr);

// Switch, ENTRY, for drivers that drop what no rule takes: from the wire of `port` to its application. To be
// made at the lowest precedence; also fits kMiss and the destination tables with `group`.
void miss(Rule& rule, const Spot& spot, uint16_t port, uint32_t group = kEntry);

// Switch, ENTRY: what met congestion takes the packet path, which tells the inner packet (RFC 6040): a NIC
// does not.
void congested(Rule& rule, const Spot& spot, uint16_t uplink);

// Isolated uplink, NIC ingress: a terminated tunnel's packets to the workers. One queue or several (RSS).
void steer(Rule& rule, const Spot& spot, const Underlay& underlay, std::span<const uint16_t> queues);

// Plain NIC, egress.
void egress_root(Rule& rule, const Spot& spot);
void egress_slot(Rule& rule, const Spot& spot, uint32_t mark, const Encap& encap, Counter counter = nullptr);
void no_leak(Rule& rule, const Spot& spot);  // at the lowest precedence: drops marked frames without a slot

// Plain NIC, ingress: a terminated tunnel's packets to the workers, the outer headers off. `mark` names the
// tunnel to them.
void ingress_decap(Rule& rule, const Spot& spot, const Underlay& underlay, uint32_t mark,
                   std::span<const uint16_t> queues);
// The same tunnel's packets that met congestion, as they are; to be made at a higher precedence.
void ingress_congested(Rule& rule, const Spot& spot, const Underlay& underlay,
                       std::span<const uint16_t> queues);

}  // namespace culvert::offload
