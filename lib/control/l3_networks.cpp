#include "control/l3_networks.hpp"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/log.hpp"

namespace culvert::control {

namespace {

using namespace std::chrono_literals;

const Log kLog("control");

constexpr size_t kRouteBudget = 2048;  // of a turn, for all networks
constexpr size_t kUsedBudget = 4096;   // hops and stations looked at in a turn
constexpr size_t kAskedMost = 1000;    // neighbours a second

net::Prefix host_prefix(const net::IpAddr& ip) { return {ip, static_cast<uint8_t>(ip.width_bits())}; }

}  // namespace

L3Networks::L3Networks(mirror::Mirror& mirror, dataplane::Dataplane& dataplane, rcu::Domain& domain,
                       Used used, dataplane::HopId hops_end)
    : mirror_(mirror),
      dataplane_(dataplane),
      ids_(dataplane, domain, hops_end),
      demand_([this](const NeighbourKey& key) { mirror_.use_neighbour(key.first, key.second); }),
      used_(std::move(used)) {
  mirror_.subscribe(*this);
  dataplane_.set_neighbour_listener(
      [this](dataplane::PortIndex port, const net::IpAddr& ip) { want_neighbour(port, ip); });
}

L3Networks::~L3Networks() {
  dataplane_.set_neighbour_listener({});
  mirror_.unsubscribe(*this);
}

void L3Networks::add(const std::vector<L3Spec>& specs, TimePoint now) {
  std::vector<Network*> added;
  for (const L3Spec& spec : specs) {
    if (networks_.contains(spec.id)) continue;
    dataplane_.make_routes(spec.id);
    enter(spec);
    added.push_back(networks_.at(spec.id).get());
  }
  if (added.empty()) return;
  update_networks();
  for (Network* const network : added) fill(*network, now);
}

void L3Networks::fill(Network& network, TimePoint now) {
  network.hops.flush(now);
  do {
    size_t unlimited = std::numeric_limits<size_t>::max();
    network.routes.flush(unlimited, now);
  } while (network.routes.behind() != 0);
}

void L3Networks::enter(const L3Spec& spec) {
  std::unique_ptr<Network>& network = networks_[spec.id];
  if (network == nullptr)
    network = std::make_unique<Network>(spec, mirror_, dataplane_, ids_, demand_);
  else
    network->spec = spec;
  network->hops.set_ends(spec.tunnels, spec.ports);
  const std::string& vrf = spec.network.vrf;
  if (!vrf.empty() && mirror_.link_by_name(vrf) == nullptr)
    kLog.warning("network {}: there is no VRF {} yet", spec.network.name, vrf);
}

void L3Networks::set(const std::vector<L3Spec>& specs, TimePoint now) {
  std::erase_if(networks_, [&](const auto& entry) {
    return std::ranges::find(specs, entry.first, &L3Spec::id) == specs.end();
  });
  for (const L3Spec& spec : specs) enter(spec);
  update_networks();
  for (auto& [id, network] : networks_) fill(*network, now);
}

void L3Networks::remove_port(dataplane::PortIndex port) {
  for (auto& [id, network] : networks_)
    for (PortEnd& end : network->spec.ports) {
      if (end.port != port) continue;
      end.removed = true;
      network->hops.set_ends(network->spec.tunnels, network->spec.ports);
      networks_changed_ = true;
    }
}

void L3Networks::flush(TimePoint now) {
  if (std::exchange(networks_changed_, false)) update_networks();
  update_links(std::exchange(changed_links_, {}));
  if (std::exchange(freed_, ids_.freed()) != ids_.freed()) changed_.merge(std::exchange(refused_, {}));
  for (const NeighbourKey& key : std::exchange(changed_, {})) {
    if (!ports_.contains(key.first)) continue;
    if (const mirror::Neighbour* neighbour = mirror_.neighbour(key.first, key.second)) {
      set_station(*neighbour);
    } else {
      set_station({.ifindex = key.first, .ip = key.second});
    }
  }
  flush_routes(now);
  demand_.run(now);
  ids_.run();
  tell_used(now);
}

// Each network comes first once.
void L3Networks::flush_routes(TimePoint now) {
  for (auto& [id, network] : networks_) network->hops.flush(now);
  if (networks_.empty()) return;
  auto first = networks_.lower_bound(next_network_);
  if (first == networks_.end()) first = networks_.begin();
  size_t budget = kRouteBudget;
  auto network = first;
  do {
    network->second->routes.flush(budget, now);
    if (++network == networks_.end()) network = networks_.begin();
  } while (network != first && budget != 0);
  next_network_ = network == first ? static_cast<dataplane::NetworkId>(first->first + 1) : network->first;
}

// As often as half of the kernel's delay_probe_time is by default: see resolver/keepalive.hpp. A round takes
// several turns where there is much to look at.
void L3Networks::tell_used(TimePoint now) {
  if (now < next_look_) return;
  size_t budget = kUsedBudget;
  if (!stations_told_) {
    for (auto entry = stations_.lower_bound(next_station_); entry != stations_.end(); ++entry) {
      auto& [key, station] = *entry;
      next_station_ = key;
      if (budget-- == 0) return;
      const uint32_t used_s = dataplane_.hop_used_s(station.hop);
      if (std::exchange(station.used_s, used_s) != used_s) used_(key);
    }
    stations_told_ = true;
  }
  for (auto entry = networks_.lower_bound(told_network_); entry != networks_.end(); ++entry) {
    if (std::exchange(told_network_, entry->first) != entry->first) told_hop_ = 0;
    if (!entry->second->hops.each_used(told_hop_, budget, used_)) return;
  }
  next_look_ = now + 2500ms;
  next_station_ = {};
  stations_told_ = false;
  told_network_ = 0;
}

bool L3Networks::is_behind() const {
  return std::ranges::any_of(networks_, [](const auto& entry) { return entry.second->routes.behind() != 0; });
}

// --- Changes. The tables that they speak of are looked at in flush().

void L3Networks::on_link(const mirror::Link* before, const mirror::Link* after) {
  changed_links_.insert((after != nullptr ? after : before)->ifindex);
  const auto is_vrf = [](const mirror::Link* link) { return link != nullptr && link->vrf_table != 0; };
  networks_changed_ = networks_changed_ || is_vrf(before) || is_vrf(after);
}

void L3Networks::on_neighbour(const mirror::Neighbour* before, const mirror::Neighbour* after) {
  const mirror::Neighbour& neighbour = after != nullptr ? *after : *before;
  const NeighbourKey key{neighbour.ifindex, neighbour.ip};
  if (!networks_.empty()) changed_.insert(key);
  for (auto& [id, network] : networks_) network->hops.on_neighbour(key);
}

// Of the object, or of a group that it is in: a hop stands on all of them.
void L3Networks::on_nexthop(const mirror::Nexthop* before, const mirror::Nexthop* after) {
  const uint32_t nexthop = (after != nullptr ? after : before)->id;
  for (auto& [id, network] : networks_) network->hops.on_nexthop(nexthop);
}

void L3Networks::on_route(const net::Prefix& dst, const mirror::Path* before, const mirror::Path* after) {
  const auto [first, last] = by_table_.equal_range((after != nullptr ? after : before)->table);
  if (first == last || (before != nullptr && after != nullptr && !Leads::differ(*before, *after))) return;
  for (auto entry = first; entry != last; ++entry) entry->second->routes.on_route(dst);
}

// --- Links.

// Whatever is said of networks, and of the VRFs that they name: which links are their ports, which tables are
// their sources.
void L3Networks::update_networks() {
  std::set<int> links;
  for (const auto& [ifindex, port] : ports_) links.insert(ifindex);
  netdevs_.clear();
  for (const auto& [id, network] : networks_)
    for (const PortEnd& port : network->spec.ports) {
      if (port.netdev.empty() || port.removed) continue;
      netdevs_[port.netdev] = port.port;
      if (const mirror::Link* link = mirror_.link_by_name(port.netdev)) links.insert(link->ifindex);
    }
  update_links(links);
  by_table_.clear();
  for (auto& [id, network] : networks_) {
    update_sources(*network);
    const L3Network::Sources& sources = network->routes.sources();
    if (sources.table) by_table_.emplace(*sources.table, network.get());
    if (sources.local && sources.table != RT_TABLE_LOCAL) by_table_.emplace(RT_TABLE_LOCAL, network.get());
  }
}

// Links come, go, and change their names, MACs and MTUs. What is a port no more goes first: another may have
// its name.
void L3Networks::update_links(const std::set<int>& ifindexes) {
  const auto port_of = [this](int ifindex) {
    const mirror::Link* const link = mirror_.link(ifindex);
    return link != nullptr ? netdevs_.find(link->name) : netdevs_.end();
  };
  for (const int ifindex : ifindexes) {
    const auto known = ports_.find(ifindex);
    const auto port = port_of(ifindex);
    if (known == ports_.end() || (port != netdevs_.end() && port->second == known->second)) continue;
    forget_stations(ifindex);
    ports_.erase(known);
  }
  for (const int ifindex : ifindexes) {
    if (const auto port = port_of(ifindex); port != netdevs_.end()) {
      ports_[ifindex] = port->second;
      set_stations(ifindex);
    }
    for (auto& [id, network] : networks_) network->hops.on_link(ifindex);
  }
}

// In a VRF its own table has the local addresses too; the others look at the kernel's table `local` first. A
// network that has nothing to do with the kernel has all addresses for itself.
void L3Networks::update_sources(Network& network) const {
  const config::Network& wanted = network.spec.network;
  L3Network::Sources sources;
  sources.table = wanted.table;
  const mirror::Link* const vrf = wanted.vrf.empty() ? nullptr : mirror_.link_by_name(wanted.vrf);
  if (vrf != nullptr && vrf->vrf_table != 0) sources.table = vrf->vrf_table;
  const bool in_vrf =
      !wanted.vrf.empty() || std::ranges::any_of(mirror_.links(), [&](const mirror::Link* link) {
        return link->vrf_table != 0 && link->vrf_table == sources.table;
      });
  const bool has_link =
      std::ranges::any_of(network.spec.ports, [](const PortEnd& port) { return !port.netdev.empty(); });
  sources.local = !in_vrf && (sources.table || has_link);
  for (const config::StaticRoute& route : wanted.routes) {
    Leads& leads = sources.configured[route.prefix];
    leads.type = RTN_UNICAST;
    if (!route.tunnel.empty()) {
      const auto tunnel = std::ranges::find(network.spec.tunnels, route.tunnel, &TunnelEnd::name);
      leads.encap = tunnel->encap;
      continue;
    }
    const auto place =
        std::ranges::find(wanted.ports, route.port, &config::Member::port) - wanted.ports.begin();
    leads.port = network.spec.ports[static_cast<size_t>(place)].port;
    leads.dst_mac = *route.dst_mac;
  }
  network.routes.set_sources(std::move(sources));
}

// --- Stations.

void L3Networks::set_station(const mirror::Neighbour& neighbour) {
  const NeighbourKey key{neighbour.ifindex, neighbour.ip};
  const auto known = stations_.find(key);
  const mirror::Link* const link = mirror_.link(neighbour.ifindex);
  if (!neighbour.is_valid() || link == nullptr) {
    if (known == stations_.end()) return;
    dataplane_.neighbours(known->second.port).set(host_prefix(neighbour.ip), fib::kNoRoute);
    ids_.give_back(known->second.hop);
    stations_.erase(known);
    return;
  }
  const dataplane::PortIndex port = ports_.at(neighbour.ifindex);
  Station& station = stations_.try_emplace(key, Station{port, HopIds::kNone}).first->second;
  if (station.hop == HopIds::kNone) station.hop = ids_.take();
  if (station.hop == HopIds::kNone) {
    refused_.insert(key);
  } else {
    dataplane::RouteHop now = dataplane::make_route_hop({{station_way(port, *neighbour.mac, *link), 1}});
    const dataplane::RouteHop* const before = dataplane_.hop(station.hop);
    if (before == nullptr || !(*before == now)) dataplane_.set_hop(station.hop, std::move(now));
  }
  if (dataplane_.neighbours(port).find(neighbour.ip) != station.hop)
    dataplane_.neighbours(port).set(host_prefix(neighbour.ip), station.hop);
}

void L3Networks::set_stations(int ifindex) {
  for (const mirror::Neighbour* neighbour : mirror_.neighbours(ifindex)) set_station(*neighbour);
}

void L3Networks::forget_stations(int ifindex) {
  auto entry = stations_.lower_bound({ifindex, {}});
  while (entry != stations_.end() && entry->first.first == ifindex) {
    const auto& [key, station] = *entry;
    dataplane_.neighbours(station.port).set(host_prefix(key.second), fib::kNoRoute);
    ids_.give_back(station.hop);
    entry = stations_.erase(entry);
  }
}

// A packet is for a station that has no MAC yet. Once a second each, and not more in all than a kernel with
// its neighbour table at its limit would bear.
void L3Networks::want_neighbour(dataplane::PortIndex port, const net::IpAddr& ip) {
  const TimePoint now = Clock::now();
  if (now - second_ >= 1s) {
    asked_.clear();
    second_ = now;
  }
  const auto link = std::ranges::find(ports_, port, [](const auto& entry) { return entry.second; });
  if (link == ports_.end() || asked_.size() >= kAskedMost) return;
  const NeighbourKey key{link->first, ip};
  if (asked_.insert(key).second) mirror_.use_neighbour(key.first, key.second);
}

}  // namespace culvert::control
