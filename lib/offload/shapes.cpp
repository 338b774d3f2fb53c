#include "offload/shapes.hpp"

#include <rte_ethdev.h>

namespace culvert::offload {

namespace {

constexpr uint64_t kRssTypes = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;

Rule& start(Rule& rule, const Spot& spot, Domain domain, uint32_t group) {
  return rule.start({spot.port_id, domain, group, spot.priority});
}

Rule& on_switch(Rule& rule, const Spot& spot, uint32_t group) {
  return start(rule, spot, Domain::transfer, group);
}

// For what comes in by any port.
Rule& on_switch_from_any(Rule& rule, const Spot& spot, uint32_t group) {
  on_switch(rule, spot, group);
  return spot.any_source == AnySource::item ? rule.from_any_port() : rule;
}

void append_underlay(Rule& rule, const Underlay& underlay) {
  const unsigned width = underlay.dst.width_bits();
  rule.eth()
      .ip(underlay.dst.family(), net::Prefix::of(underlay.src, width), net::Prefix::of(underlay.dst, width))
      .udp({}, underlay.udp_dst)
      .vxlan(underlay.vni);
}

void append_congested_underlay(Rule& rule, const Underlay& underlay) {
  const unsigned width = underlay.dst.width_bits();
  rule.eth()
      .ipv4_congested(net::Prefix::of(underlay.src, width), net::Prefix::of(underlay.dst, width))
      .udp({}, underlay.udp_dst)
      .vxlan(underlay.vni);
}

void append_queues(Rule& rule, std::span<const uint16_t> queues) {
  if (queues.size() == 1)
    rule.queue(queues.front());
  else
    rule.rss(queues, kRssTypes);
}

Rule& to_slot(Rule& rule, const Spot& spot, uint32_t slot) {
  return rule.set_tag(kSlotTag, slot + 1, spot.tags).jump(kEncap);
}

Rule& send(Rule& rule, const Encap& encap) { return rule.raw_encap(encap.header).to_port(encap.port_id); }

std::optional<net::Family> family_of(const tunnel::Match& match) {
  if (!match.src && !match.dst) return std::nullopt;
  return (match.src ? match.src : match.dst)->address.family();
}

}  // namespace

std::vector<tunnel::Match> rule_matches(const tunnel::Match& match) {
  std::vector<tunnel::Match> by_protocol;
  if ((match.l4_src || match.l4_dst) && !match.ip_proto) {
    for (const uint8_t proto : {net::kProtoTcp, net::kProtoUdp})
      by_protocol.emplace_back(match).ip_proto = proto;
  } else {
    by_protocol.push_back(match);
  }
  if (!by_protocol.front().ip_proto || family_of(match)) return by_protocol;

  // An item that names a protocol is of one family; a prefix of length 0 says which.
  constexpr std::array<uint8_t, 16> kNoBytes{};
  std::vector<tunnel::Match> matches;
  for (const tunnel::Match& one : by_protocol) {
    matches.emplace_back(one).dst = net::Prefix::of(net::IpAddr(), 0);
    matches.emplace_back(one).dst = net::Prefix::of(net::IpAddr::v6(kNoBytes), 0);
  }
  return matches;
}

void append_match(Rule& rule, const tunnel::Match& match) {
  const bool untagged = match.vlan == tunnel::Match::kUntagged;
  rule.eth(match.eth_src, match.eth_dst, untagged ? std::optional(false) : std::nullopt);
  if (match.vlan && !untagged) rule.vlan(*match.vlan);
  const auto family = family_of(match);
  if (!family) return;
  // The protocol is named beside TCP and UDP too: behind IPv6 extension headers software does not see ports.
  rule.ip(*family, match.src, match.dst, match.ip_proto);
  if (!match.l4_src && !match.l4_dst) return;
  if (match.ip_proto == net::kProtoTcp)
    rule.tcp(match.l4_src, match.l4_dst);
  else
    rule.udp(match.l4_src, match.l4_dst);
}

void explicit_tagged(Rule& rule, const Spot& spot, uint16_t from, const tunnel::Match& match, uint32_t slot,
                     Counter counter) {
  append_match(on_switch(rule, spot, kEntry).from_port(from), match);
  to_slot(rule.count(counter), spot, slot);
}

void explicit_flat(Rule& rule, const Spot& spot, uint16_t from, const tunnel::Match& match,
                   const Encap& encap, Counter counter) {
  append_match(on_switch(rule, spot, kEntry).from_port(from), match);
  send(rule.count(counter), encap);
}

void hold(Rule& rule, const Spot& spot, uint16_t from, const tunnel::Match& match) {
  append_match(on_switch(rule, spot, kEntry).from_port(from), match);
  rule.jump(kMiss);
}

void tenant_source(Rule& rule, const Spot& spot, uint16_t from, const std::optional<net::Mac>& source,
                   uint32_t network, Counter counter) {
  on_switch(rule, spot, kEntry).from_port(from).eth(source);
  if (source) rule.count(counter);
  rule.set_tag(kNetworkTag, network + 1, spot.tags).jump(kTxDest);
}

void tunnel_source(Rule& rule, const Spot& spot, uint16_t uplink, const Underlay& underlay,
                   const std::optional<net::Mac>& source, uint32_t network, Counter counter) {
  append_underlay(on_switch(rule, spot, kEntry).from_port(uplink), underlay);
  if (source) rule.eth(source).count(counter);
  rule.set_tag(kNetworkTag, network + 1, spot.tags).jump(kRxDest);
}

void path_tagged(Rule& rule, const Spot& spot, uint32_t network, const net::Mac& destination, uint32_t slot,
                 Counter counter) {
  on_switch_from_any(rule, spot, kTxDest).tag(kNetworkTag, network + 1).eth({}, destination);
  to_slot(rule.count(counter), spot, slot);
}

void path_flat(Rule& rule, const Spot& spot, uint32_t network, const net::Mac& destination,
               const Encap& encap, Counter counter) {
  on_switch_from_any(rule, spot, kTxDest).tag(kNetworkTag, network + 1).eth({}, destination);
  send(rule.count(counter), encap);
}

void decap(Rule& rule, const Spot& spot, uint16_t uplink, uint32_t network, uint16_t udp_dst,
           const net::Mac& destination, uint16_t tenant, Counter counter) {
  on_switch(rule, spot, kRxDest).from_port(uplink).tag(kNetworkTag, network + 1);
  rule.eth().ip(net::Family::ipv4).udp({}, udp_dst).vxlan().eth({}, destination);
  // In this order: net_mlx5's templates take no other.
  rule.vxlan_decap().count(counter).to_port(tenant);
}

void slot_encap(Rule& rule, const Spot& spot, uint32_t slot, const Encap& encap, Counter counter) {
  on_switch_from_any(rule, spot, kEncap).tag(kSlotTag, slot + 1);
  send(rule.count(counter), encap);
}

void miss(Rule& rule, const Spot& spot, uint16_t port, uint32_t group) {
  on_switch(rule, spot, group).from_port(port).to_representor(port);
}

void congested(Rule& rule, const Spot& spot, uint16_t uplink) {
  on_switch(rule, spot, kEntry).from_port(uplink).eth().ipv4_congested();
  rule.jump(kMiss);
}

void steer(Rule& rule, const Spot& spot, const Underlay& underlay, std::span<const uint16_t> queues) {
  append_underlay(start(rule, spot, Domain::ingress, kNicRoot), underlay);
  append_queues(rule, queues);
}

void egress_root(Rule& rule, const Spot& spot) {
  start(rule, spot, Domain::egress, kNicRoot).eth().jump(kNicSlots);
}

void egress_slot(Rule& rule, const Spot& spot, uint32_t mark, const Encap& encap, Counter counter) {
  start(rule, spot, Domain::egress, kNicSlots).meta(mark).count(counter).raw_encap(encap.header);
}

void no_leak(Rule& rule, const Spot& spot) {
  start(rule, spot, Domain::egress, kNicSlots).meta(kMarkBit, kMarkBit).drop();
}

void ingress_decap(Rule& rule, const Spot& spot, const Underlay& underlay, uint32_t mark,
                   std::span<const uint16_t> queues) {
  append_underlay(start(rule, spot, Domain::ingress, kNicRoot), underlay);
  append_queues(rule.mark(mark).vxlan_decap(), queues);
}

void ingress_congested(Rule& rule, const Spot& spot, const Underlay& underlay,
                       std::span<const uint16_t> queues) {
  append_congested_underlay(start(rule, spot, Domain::ingress, kNicRoot), underlay);
  append_queues(rule, queues);
}

}  // namespace culvert::offload
