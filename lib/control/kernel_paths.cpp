#include "control/kernel_paths.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace culvert::control {

using dataplane::Origin;
using dataplane::Where;

namespace {
const Log kLog("control");
constexpr Duration kRetryAfter = std::chrono::seconds(10);
}  // namespace

KernelPaths::KernelPaths(const mirror::Mirror& mirror, dataplane::Dataplane& dataplane, std::string netns)
    : mirror_(mirror), dataplane_(dataplane), fdb_(std::move(netns), [this](const net::Mac& mac) {
        if (!all_changed_) update(mac);
      }) {}

void KernelPaths::set(std::vector<BridgedNetwork> networks) {
  if (networks == networks_) return;
  networks_ = std::move(networks);
  bridges_.clear();
  links_changed_ = all_changed_ = true;
  if (networks_.empty()) fdb_.close();
}

void KernelPaths::poll(TimePoint now, size_t budget) {
  now_ = now;
  if (std::exchange(links_changed_, false)) look_at_links();
  if (!networks_.empty()) fdb_.poll(now, budget);
  if (retry_ && now >= *retry_) all_changed_ = true;
  if (!std::exchange(all_changed_, false)) return;
  retry_.reset();
  update_all();
}

KernelPaths::Bridge KernelPaths::look_at(const BridgedNetwork& network,
                                         const std::vector<const mirror::Link*>& links) {
  Bridge bridge;
  const auto master = std::ranges::find_if(links, [&](const mirror::Link* link) {
    return link->name == network.bridge && link->kind == "bridge";
  });
  if (master == links.end()) return bridge;
  bridge.ifindex = (*master)->ifindex;
  for (const mirror::Link* link : links) {
    if (link->master != bridge.ifindex) continue;
    if (link->vxlan) bridge.vxlans[link->ifindex] = link->vxlan->vni;
    for (const auto& [netdev, port] : network.ports)
      if (netdev == link->name) bridge.ports[link->ifindex] = port;
  }
  return bridge;
}

// A device that goes may take its entries along without a word.
void KernelPaths::look_at_links() {
  const auto links = mirror_.links();
  std::vector<Bridge> bridges;
  for (const BridgedNetwork& network : networks_) bridges.push_back(look_at(network, links));
  if (bridges == bridges_) return;
  bridges_ = std::move(bridges);
  all_changed_ = true;
  fdb_.refresh();
}

void KernelPaths::update_all() {
  std::set<net::Mac> macs;
  for (const auto& [key, entry] : fdb_.entries()) macs.insert(entry.mac);
  std::vector<Row> gone;
  for (const auto& [row, place] : rows_)
    if (!macs.contains(row.second) ||
        std::ranges::find(networks_, row.first, &BridgedNetwork::id) == networks_.end())
      gone.push_back(row);
  for (const Row& row : gone) forget(row);
  for (const net::Mac& mac : macs) update(mac);
}

void KernelPaths::update(const net::Mac& mac) {
  for (size_t i = 0; i < bridges_.size(); ++i)
    place(networks_[i], mac, where_is(mac, fdb_, networks_[i], bridges_[i]));
}

void KernelPaths::forget(const Row& row) {
  const auto known = rows_.find(row);
  if (known == rows_.end()) return;
  if (known->second.dynamic) --dynamic_[row.first];
  rows_.erase(known);
  dataplane_.remove_path(row.first, row.second, Origin::kernel);
}

// A bridge learns without a limit, from frames that tenants send: what it learned by itself is held to
// max_macs.
void KernelPaths::place(const BridgedNetwork& network, const net::Mac& mac,
                        const std::optional<Place>& place) {
  const Row row{network.id, mac};
  const auto known = rows_.find(row);
  if (known != rows_.end() && place && known->second == *place) return;
  const bool was_dynamic = known != rows_.end() && known->second.dynamic;
  const bool over = place && place->dynamic && !was_dynamic && dynamic_[network.id] >= network.max_macs;
  if (!place || over) return forget(row);
  if (const Status added = dataplane_.add_path(network.id, mac, place->where, Origin::kernel); !added) {
    if (!retry_)
      kLog.warning("bridge {}: entries are left out for now: {}", network.bridge, added.error().message);
    retry_ = now_ + kRetryAfter;
    return forget(row);
  }
  dynamic_[network.id] += (place->dynamic ? 1u : 0u) - (was_dynamic ? 1u : 0u);
  rows_[row] = *place;
}

void KernelPaths::restore(dataplane::NetworkId network, const net::Mac& mac) {
  const auto known = rows_.find({network, mac});
  if (known == rows_.end()) return;
  // Networks are about to change: then all are placed anew.
  const bool added =
      !all_changed_ && dataplane_.add_path(network, mac, known->second.where, Origin::kernel).has_value();
  if (!added) forget({network, mac});
}

std::optional<KernelPaths::Place> KernelPaths::where_is(const net::Mac& mac, const mirror::BridgeFdb& fdb,
                                                        const BridgedNetwork& network, const Bridge& bridge) {
  std::optional<Place> remote;
  bool elsewhere = false;  // behind a port of the bridge that is none of ours
  const auto& entries = fdb.entries();
  for (auto at = entries.lower_bound({mac, 0, 0}); at != entries.end() && at->second.mac == mac; ++at) {
    const mirror::FdbEntry& entry = at->second;
    if (entry.owner == bridge.ifindex) {
      if (const auto port = bridge.ports.find(entry.port); port != bridge.ports.end())
        return Place{Where::port(port->second), entry.dynamic};
      elsewhere |= !bridge.vxlans.contains(entry.port);
    } else if (const auto vxlan = bridge.vxlans.find(entry.owner); vxlan != bridge.vxlans.end()) {
      const uint32_t vni = entry.vni.value_or(entry.tag != 0 ? entry.tag : vxlan->second);
      for (const BridgedNetwork::Tunnel& tunnel : network.tunnels)
        if (tunnel.vni == vni && tunnel.remote == entry.remote) remote = Place{Where::tunnel(tunnel.encap)};
    }
  }
  return elsewhere ? std::nullopt : remote;
}

}  // namespace culvert::control
