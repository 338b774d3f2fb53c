// Every rule that culvert makes, one function each: it starts `rule` at its place and fills it. Values only,
// no state; any thread. doc: the pipeline stands in the comments of the groups.
//
// On a switch (transfer; every rule is made on the transfer proxy's ethdev):
//   ENTRY    what comes in by a wire: explicit flows, holds, and known sources (which lead to a destination
//   table) TX_DEST  frames of tenants by network and destination: the paths RX_DEST  tunnel packets by
//   network and inner destination: the decaps ENCAP    one rule a slot (tagged layout): the header and the
//   way out MISS     has no rules: what jumps here takes the packet path
// On a plain NIC port: egress group 0 leads to group 1, which has one rule a slot; ingress group 0 has the
// decaps.
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

enum SwitchGroup : uint32_t { kEntry = 0, kTxDest = 1, kRxDest = 2, kEncap = 3, kMiss = 4 };
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
// The gates of a network: only frames of known sources go on in the NIC. Without `source`: all frames do (a
// network that does not learn).
void tenant_source(Rule& rule, const Spot& spot, uint16_t from, const std::optional<net::Mac>& source,
                   uint32_t network);
void tunnel_source(Rule& rule, const Spot& spot, uint16_t uplink, const Underlay& underlay,
                   const std::optional<net::Mac>& source, uint32_t network);

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
