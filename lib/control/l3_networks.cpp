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

constexpr size_t kRouteBudget = 2048;  // of a turn
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
  update_links();
  for (Network* const network : added) network->routes.flush(std::numeric_limits<size_t>::max(), now);
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
  update_links();
  for (auto& [id, network] : networks_) {
    network->hops.flush(now);
    network->routes.flush(std::numeric_limits<size_t>::max(), now);
  }
}

void L3Networks::remove_port(dataplane::PortIndex port) {
  for (auto& [id, network] : networks_)
    for (PortEnd& end : network->spec.ports) {
      if (end.port != port) continue;
      end.removed = true;
      network->hops.set_ends(network->spec.tunnels, network->spec.ports);
      links_changed_ = true;
    }
}

void L3Networks::flush(TimePoint now) {
  if (std::exchange(links_changed_, false)) update_links();
  if (std::exchange(freed_, ids_.freed()) != ids_.freed()) changed_.merge(std::exchange(refused_, {}));
  for (const NeighbourKey& key : std::exchange(changed_, {})) {
    if (!ports_.contains(key.first)) continue;
    if (const mirror::Neighbour* neighbour = mirror_.neighbour(key.first, key.second)) {
      set_station(*neighbour);
    } else {
      set_station({.ifindex = key.first, .ip = key.second});
    }
  }
  for (auto& [id, network] : networks_) {
    network->hops.flush(now);
    network->routes.flush(kRouteBudget, now);
  }
  demand_.run(now);
  ids_.run();
  tell_used(now);
}

// As often as half of the kernel's delay_probe_time is by default: see resolver/keepalive.hpp.
void L3Networks::tell_used(TimePoint now) {
  if (now < next_look_) return;
  next_look_ = now + 2500ms;
  for (auto& [key, station] : stations_) {
    const uint32_t used_s = dataplane_.hop_used_s(station.hop);
    if (std::exchange(station.used_s, used_s) != used_s) used_(key);
  }
  for (auto& [id, network] : networks_) network->hops.each_used(used_);
}

bool L3Networks::is_behind() const {
  return std::ranges::any_of(networks_, [](const auto& entry) { return entry.second->routes.behind() != 0; });
}

// --- Changes. The tables that they speak of are looked at in flush().

void L3Networks::on_link(const mirror::Link*, const mirror::Link*) { links_changed_ = true; }

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
  const uint32_t table = (after != nullptr ? after : before)->table;
  for (auto& [id, network] : networks_) network->routes.on_route(table, dst);
}

// --- Links.

// Which links are ports of networks, which table a VRF has: links come, go, and change their names.
void L3Networks::update_links() {
  std::map<int, dataplane::PortIndex> ports;
  for (const auto& [id, network] : networks_)
    for (const PortEnd& port : network->spec.ports)
      if (const mirror::Link* link =
              port.netdev.empty() || port.removed ? nullptr : mirror_.link_by_name(port.netdev))
        ports[link->ifindex] = port.port;
  ports_ = std::move(ports);
  forget_stations();
  if (!ports_.empty())
    for (const mirror::Neighbour* neighbour : mirror_.neighbours())
      if (ports_.contains(neighbour->ifindex)) set_station(*neighbour);
  for (auto& [id, network] : networks_) {
    update_sources(*network);
    network->hops.on_link();
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

// Those on links that are none of a network's ports any more.
void L3Networks::forget_stations() {
  std::erase_if(stations_, [this](const auto& entry) {
    const auto& [key, station] = entry;
    const auto port = ports_.find(key.first);
    if (port != ports_.end() && port->second == station.port) return false;
    dataplane_.neighbours(station.port).set(host_prefix(key.second), fib::kNoRoute);
    ids_.give_back(station.hop);
    return true;
  });
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
