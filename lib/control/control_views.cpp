// What `show` asks for.

#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <rte_lcore.h>

#include <algorithm>

#include "config/route_tables.hpp"
#include "control/control.hpp"
#include "control/monitor.hpp"

namespace culvert::control {

namespace {

std::optional<std::string> non_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

}  // namespace

std::vector<PortView> Control::ports() {
  std::vector<PortView> views;
  for (size_t i = 0; i < ports_.size(); ++i) {
    const port::Port& port = *ports_[i];
    const rte_eth_stats stats = port.stats();
    PortView& view = views.emplace_back();
    view.name = port.name();
    view.ethdev = port.ethdev();
    view.netdev = non_empty(config_.ports[i].netdev);
    view.port_id = port.id();
    view.mac = port.mac();
    view.removed = port.is_removed();
    view.link_up = !view.removed && port.link().up;
    view.mtu = port.mtu();
    view.rx_packets = stats.ipackets;
    view.tx_packets = stats.opackets;
    view.rx_bytes = stats.ibytes;
    view.tx_bytes = stats.obytes;
    view.drops = dataplane_->port_drops(static_cast<dataplane::PortIndex>(i));
    view.rx_errors = stats.imissed + stats.ierrors + stats.rx_nombuf;
    view.tx_errors = stats.oerrors;
  }
  return views;
}

std::vector<NeighbourView> Control::neighbours() {
  std::vector<NeighbourView> views;
  for (const mirror::Neighbour* neighbour : mirror_->neighbours())
    views.push_back({netdev_name(neighbour->ifindex), neighbour->ip, neighbour->mac, neighbour->nud_name(),
                     static_cast<uint32_t>(resolver_->encaps_on({neighbour->ifindex, neighbour->ip}))});
  return views;
}

Result<std::vector<RouteView>> Control::routes(const RouteQuery& query) {
  std::optional<uint32_t> table;
  if (query.table) {
    const auto number = config::parse_route_table(*query.table, table_names_);
    if (!number) return tl::make_unexpected(number.error());
    table = *number;
  }
  std::vector<RouteView> views;
  if (query.address) {
    const auto route =
        table ? mirror_->lookup(*table, *query.address) : route_to(*query.address, RT_TABLE_MAIN);
    if (route) views.push_back(view(*route));
    return views;
  }
  for (const mirror::Route& route : mirror_->routes()) {
    if (table && route.table != *table) continue;
    if (query.prefix && route.dst != *query.prefix) continue;
    views.push_back(view(route));
  }
  return views;
}

std::optional<mirror::Route> Control::route_to(const net::IpAddr& address, uint32_t table,
                                               std::optional<net::IpAddr> from) const {
  if (table != RT_TABLE_MAIN) return mirror_->lookup(table, address);
  return mirror_->route_to({.dst = address, .src = from, .ip_protocol = IPPROTO_UDP});
}

RouteView Control::view(const mirror::Route& route) const {
  RouteView view;
  view.table = route.table;
  const auto name = table_names_.find(route.table);
  view.table_name = name != table_names_.end() ? name->second : std::to_string(route.table);
  view.prefix = route.dst;
  view.metric = route.metric;
  view.protocol = route.protocol_name();
  view.prefsrc = route.prefsrc;
  view.type = route.type_name();
  for (const mirror::Hop& hop : route.hops) {
    HopView& hop_view = view.nexthops.emplace_back();
    hop_view.via = hop.via;
    hop_view.netdev = non_empty(netdev_name(hop.ifindex));
    hop_view.weight = hop.weight;
    hop_view.alive = hop.is_alive();
    if (hop.encap != 0) hop_view.encap = hop.encap_name();
  }
  if (route.nexthop_id != 0) view.nhid = route.nexthop_id;
  return view;
}

std::vector<TunnelView> Control::tunnels() {
  std::vector<TunnelView> views;
  for (const auto& [name, id] : tunnels_) {
    const resolver::Adjacency& adjacency = resolver_->at(id);
    views.push_back({name, "vxlan", adjacency.tunnel.local, adjacency.tunnel.remote,
                     adjacency.rule.has_value(), non_empty(adjacency.reason_text), id});
  }
  return views;
}

std::vector<EncapView> Control::encaps() {
  std::vector<EncapView> views;
  for (const auto& [name, id] : tunnels_) {
    const resolver::Adjacency& adjacency = resolver_->at(id);
    const dataplane::EncapCounters counters = dataplane_->encap_counters(id);
    EncapView& view = views.emplace_back();
    view.id = id;
    view.tunnel = name;
    view.valid = adjacency.rule.has_value();
    view.reason = non_empty(adjacency.reason_text);
    view.refs = static_cast<uint32_t>(flows_.into(name).size()) + (network_of(name) != nullptr ? 1 : 0);
    const offload::EncapView in_nic = hardware_->encap(id);
    view.in_hardware = in_nic.in_hardware;
    view.packets = counters.packets + in_nic.hardware.packets;
    view.bytes = counters.bytes + in_nic.hardware.bytes;
    if (adjacency.neighbour) view.via = adjacency.neighbour->second;
    if (!adjacency.rule) continue;
    const tunnel::EncapRule& rule = *adjacency.rule;
    view.port = ports_[rule.port]->name();
    view.dst_mac = rule.dst_mac;
    view.src_mac = rule.src_mac;
    view.src_ip = rule.src_ip;
    view.mtu = rule.mtu;
    view.header = rule.header.hex();
  }
  std::ranges::sort(views, {}, &EncapView::id);
  return views;
}

namespace {

std::string origin_name(dataplane::Origin origin) {
  switch (origin) {
    case dataplane::Origin::learned:
      return "learned";
    case dataplane::Origin::kernel:
      return "kernel";
    case dataplane::Origin::configured:
      break;
  }
  return "static";
}

}  // namespace

std::vector<PathView> Control::paths() {
  std::map<dataplane::EncapId, std::string> names;
  for (const auto& [name, id] : tunnels_) names[id] = name;
  std::map<dataplane::NetworkId, std::string> networks;
  for (const auto& [name, id] : network_ids_) networks[id] = name;
  std::vector<PathView> views;
  for (const dataplane::PathRow& row : dataplane_->paths(Clock::now())) {
    PathView& view = views.emplace_back();
    view.network = networks[row.network];
    view.mac = row.mac;
    if (row.where.is_tunnel())
      view.tunnel = names[row.where.index()];
    else
      view.port = ports_[row.where.index()]->name();
    if (row.where.vlan() != 0) view.vlan = row.where.vlan();
    view.origin = origin_name(row.origin);
    view.idle_s = row.idle_s;
    view.refs = row.refs;
  }
  return views;
}

namespace {

// Without the empty rows at its end.
std::vector<LatencyView> latency_rows(const offload::Latency& latency) {
  std::vector<LatencyView> rows;
  size_t filled = 0;
  for (size_t i = 0; i < latency.buckets.size(); ++i) {
    rows.push_back({latency.below_us(i), latency.buckets[i]});
    if (latency.buckets[i] != 0) filled = i + 1;
  }
  rows.resize(filled);
  return rows;
}

}  // namespace

StatsView Control::stats() {
  const dataplane::Stats stats = dataplane_->stats();
  StatsView view;
  view.rx = stats.rx;
  view.tx = stats.tx;
  view.forwarded = stats.forwarded;
  view.encapsulated = stats.encapsulated;
  view.decapsulated = stats.decapsulated;
  view.exceptions = stats.exceptions;
  view.flooded = stats.flooded;
  view.suppressed = stats.suppressed;
  view.marked = stats.marked;
  view.checksums_completed = stats.checksums_completed;
  view.checksums_unfinished = stats.checksums_unfinished;
  view.learned = stats.learned;
  view.moved = stats.moved;
  view.aged = stats.aged;
  view.learn_over_limit = stats.learn_over_limit;
  view.learn_over_member_limit = stats.learn_over_member_limit;
  view.learn_dropped = stats.learn_dropped;
  for (const auto& [reason, name] : dataplane::kDropReasonNames)
    view.drops.emplace_back(name, stats.drops[static_cast<size_t>(reason)]);
  view.lcores.push_back({rte_get_main_lcore(), "control", 0, 0, busy_pct_});
  for (const dataplane::LcoreStats& lcore : stats.lcores)
    view.lcores.push_back({lcore.lcore, "worker", lcore.rx, lcore.tx, lcore.busy_pct});
  const offload::Operations operations = hardware_->operations();
  view.rules = {operations.created, operations.destroyed, operations.refused, operations.rules};
  view.rule_latency = latency_rows(hardware_->latency());
  return view;
}

MirrorView Control::mirror() {
  const mirror::Stats stats = mirror_->stats();
  return {stats.epoch,     stats.sequence,   stats.resyncs,   stats.overruns, stats.links,
          stats.addresses, stats.neighbours, stats.routes,    stats.nexthops, stats.consistent,
          stats.behind,    stats.rules,      stats.malformed, stats.state};
}

Result<std::unique_ptr<Stream>> Control::monitor() {
  auto monitor = Monitor::create(*mirror_, table_names_);
  if (!monitor) return tl::make_unexpected(monitor.error());
  return std::unique_ptr<Stream>(std::move(*monitor));
}

void Control::resync() {
  mirror_->resync();
  neighbour_ageing_.refresh();
  kernel_paths_->refresh();
}
void Control::set_forwarding(bool on) { dataplane_->set_forwarding(on); }
void Control::shutdown() { loop_.stop(); }

std::string Control::netdev_name(int ifindex) const {
  const mirror::Link* link = mirror_->link(ifindex);
  return link != nullptr ? link->name : "";
}

}  // namespace culvert::control
