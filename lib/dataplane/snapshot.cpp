#include "dataplane/snapshot.hpp"

namespace culvert::dataplane {

namespace {

constexpr size_t kVidCount = 4096;
constexpr uint16_t kLastVid = 4094;

Status add_vlan(Snapshot& snapshot, const NetworkSpec& spec, const VlanMember& member) {
  const auto fault = [&](std::string_view what) {
    return error("network {}: VLAN {} of port {}: {}", spec.id, member.vlan, member.port, what);
  };
  if (member.port >= snapshot.ports.size()) return fault("there is no such port");
  if (member.vlan == 0 || member.vlan > kLastVid) return fault("a VID is from 1 to 4094");
  if (spec.routed) return fault("an l3 network has whole ports only");
  PortRole& port = snapshot.ports[member.port];
  if (port.in_network && port.vlans.empty()) return fault("the whole port is in a network");
  port.tenant = port.in_network = true;
  port.vlans.resize(kVidCount, kNoNetwork);
  if (port.vlans[member.vlan] != kNoNetwork) return fault("it is in a network already");
  port.vlans[member.vlan] = spec.id;
  return {};
}

Status add_network(Snapshot& snapshot, const NetworkSpec& spec, const RoutesOf& routes,
                   std::vector<bool>& encap_taken) {
  if (spec.id >= kMaxNetworks) return error("network {}: ids end at {}", spec.id, kMaxNetworks - 1);
  if (spec.id >= snapshot.networks.size()) snapshot.networks.resize(spec.id + size_t{1});
  Network& network = snapshot.networks[spec.id];
  if (network.exists) return error("network {} is given twice", spec.id);
  std::vector<Where> ports;
  for (const PortIndex index : spec.ports) {
    if (index >= snapshot.ports.size()) return error("network {}: there is no port {}", spec.id, index);
    PortRole& port = snapshot.ports[index];
    if (!port.vlans.empty()) return error("network {}: port {} is a trunk", spec.id, index);
    if (port.in_network) return error("network {}: port {} is in network {}", spec.id, index, port.network);
    port.tenant = port.in_network = true;
    port.routed = spec.routed;
    port.network = spec.id;
    ports.push_back(Where::port(index));
  }
  for (const VlanMember& member : spec.vlans) {
    if (auto status = add_vlan(snapshot, spec, member); !status) return status;
    ports.push_back(Where::port(member.port, member.vlan));
  }
  for (const EncapId encap : spec.encaps) {
    if (encap >= kMaxEncaps) return error("network {}: encap ids end at {}", spec.id, kMaxEncaps - 1);
    if (encap_taken[encap]) return error("network {}: encap {} is in a network already", spec.id, encap);
    encap_taken[encap] = true;
  }
  network = {.exists = true,
             .learning = spec.learning,
             .flood = spec.flood,
             .max_macs = spec.max_macs,
             .max_macs_per_member = spec.max_macs_per_member,
             .routes = spec.routed ? routes.at(spec.id).get() : nullptr,
             .ports = std::move(ports),
             .encaps = spec.encaps,
             .suppress = spec.suppress};
  snapshot.suppresses |= spec.suppress;
  return {};
}

Status add_termination(Snapshot& snapshot, const Termination& termination) {
  if (!termination.local.is_v4() || !termination.remote.is_v4())
    return error("termination {} from {}: only IPv4 underlays are carried", termination.local,
                 termination.remote);
  if (termination.encap >= kMaxEncaps)
    return error("termination {} from {}: encap ids end at {}", termination.local, termination.remote,
                 kMaxEncaps - 1);
  const TunnelKey key{termination.remote.v4_be(), termination.local.v4_be(), net::be16{termination.dst_port},
                      termination.vni};
  TunnelMatch match{.encap = termination.encap};
  if (termination.network) match.network = *termination.network;
  if (!snapshot.terminations.add(key, match))
    return error("termination {} from {}, UDP port {}, VNI {} is given twice", termination.local,
                 termination.remote, termination.dst_port, termination.vni);
  if (termination.inner_mac) {
    auto& macs = snapshot.inner_macs;
    macs.resize(std::max<size_t>(macs.size(), termination.encap + size_t{1}));
    macs[termination.encap] = termination.inner_mac->bits();
  }
  return {};
}

}  // namespace

Result<Snapshot> make_snapshot(std::span<const PortSetup> ports, const std::vector<bool>& has_flows,
                               std::span<const NetworkSpec> networks, const RoutesOf& routes,
                               std::span<const Termination> terminations) {
  Snapshot snapshot;
  for (const PortSetup& setup : ports) {
    const bool flows = has_flows[snapshot.ports.size()];
    PortRole& role = snapshot.ports.emplace_back();
    role.tenant = flows && !setup.underlay;
    role.bifurcated = setup.bifurcated;
    role.kernel_frames = setup.kernel_frames;
    role.removed = setup.removed;
    for (const net::Mac& mac : setup.own_macs) role.own_macs.push_back(mac.bits());
  }
  std::vector<bool> encap_taken(kMaxEncaps);
  for (const NetworkSpec& spec : networks)
    if (auto status = add_network(snapshot, spec, routes, encap_taken); !status)
      return tl::make_unexpected(status.error());
  snapshot.terminations = TerminationTable(terminations.size());
  for (const Termination& termination : terminations)
    if (auto status = add_termination(snapshot, termination); !status)
      return tl::make_unexpected(status.error());
  return snapshot;
}

}  // namespace culvert::dataplane
