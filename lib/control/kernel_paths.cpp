#include "control/kernel_paths.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace culvert::control {

using dataplane::Origin;
using dataplane::Where;

namespace {
const Log kLog("control");
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
}

void KernelPaths::poll(TimePoint now, size_t budget) {
  if (std::exchange(links_changed_, false)) look_at_links();
  if (!networks_.empty()) fdb_.poll(now, budget);
  if (std::exchange(all_changed_, false)) update_all();
}

KernelPaths::Bridge KernelPaths::look_at(const BridgedNetwork& network) const {
  Bridge bridge;
  const mirror::Link* const master = mirror_.link_by_name(network.bridge);
  if (master == nullptr || master->kind != "bridge") return bridge;
  bridge.ifindex = master->ifindex;
  for (const mirror::Link* link : mirror_.links()) {
    if (link->master != master->ifindex) continue;
    if (link->vxlan) bridge.vxlans[link->ifindex] = link->vxlan->vni;
    for (const auto& [netdev, port] : network.ports)
      if (netdev == link->name) bridge.ports[link->ifindex] = port;
  }
  return bridge;
}

// A device that goes may take its entries along without a word.
void KernelPaths::look_at_links() {
  std::vector<Bridge> bridges;
  for (const BridgedNetwork& network : networks_) bridges.push_back(look_at(network));
  if (bridges == bridges_) return;
  bridges_ = std::move(bridges);
  all_changed_ = true;
  fdb_.refresh();
}

void KernelPaths::update_all() {
  std::set<net::Mac> macs;
  for (const auto& [key, entry] : fdb_.entries()) macs.insert(entry.mac);
  std::vector<Row> gone;
  for (const auto& [row, where] : rows_)
    if (!macs.contains(row.second) ||
        std::ranges::find(networks_, row.first, &BridgedNetwork::id) == networks_.end())
      gone.push_back(row);
  for (const Row& row : gone) place(row, std::nullopt);
  for (const net::Mac& mac : macs) update(mac);
}

void KernelPaths::update(const net::Mac& mac) {
  for (size_t i = 0; i < bridges_.size(); ++i)
    place({networks_[i].id, mac}, where_is(mac, networks_[i], bridges_[i]));
}

void KernelPaths::place(const Row& row, std::optional<Where> where) {
  const auto known = rows_.find(row);
  if (!where) {
    if (known == rows_.end()) return;
    rows_.erase(known);
    dataplane_.remove_path(row.first, row.second, Origin::kernel);
    return;
  }
  if (known != rows_.end() && known->second == *where) return;
  const Status added = dataplane_.add_path(row.first, row.second, *where, Origin::kernel);
  if (added)
    rows_[row] = *where;
  else if (!std::exchange(told_full_, true))
    kLog.warning("a bridge's entry is left out, and so will others be: {}", added.error().message);
}

void KernelPaths::restore(dataplane::NetworkId network, const net::Mac& mac) {
  const auto known = rows_.find({network, mac});
  if (known == rows_.end()) return;
  const Where where = known->second;
  rows_.erase(known);
  place({network, mac}, where);
}

std::optional<Where> KernelPaths::where_is(const net::Mac& mac, const BridgedNetwork& network,
                                           const Bridge& bridge) const {
  std::optional<Where> remote;
  bool elsewhere = false;  // behind a port of the bridge that is none of ours
  const auto& entries = fdb_.entries();
  for (auto at = entries.lower_bound({mac, 0, 0}); at != entries.end() && at->second.mac == mac; ++at) {
    const mirror::FdbEntry& entry = at->second;
    if (entry.owner == bridge.ifindex) {
      if (const auto port = bridge.ports.find(entry.port); port != bridge.ports.end())
        return Where::port(port->second);
      elsewhere |= !bridge.vxlans.contains(entry.port);
    } else if (const auto vxlan = bridge.vxlans.find(entry.owner); vxlan != bridge.vxlans.end()) {
      const uint32_t vni = entry.vni.value_or(entry.tag != 0 ? entry.tag : vxlan->second);
      for (const BridgedNetwork::Tunnel& tunnel : network.tunnels)
        if (tunnel.vni == vni && tunnel.remote == entry.remote) remote = Where::tunnel(tunnel.encap);
    }
  }
  return elsewhere ? std::nullopt : remote;
}

}  // namespace culvert::control
