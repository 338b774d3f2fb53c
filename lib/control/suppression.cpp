#include "control/suppression.hpp"

#include <linux/neighbour.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace culvert::control {

namespace {

const Log kLog("control");

bool is_stations(const mirror::Neighbour& neighbour) {
  return neighbour.is_valid() && neighbour.mac && !neighbour.mac->is_multicast() &&
         !neighbour.mac->is_zero() && !neighbour.ip.is_multicast();
}

}  // namespace

Suppression::Suppression(mirror::Mirror& mirror, dataplane::Dataplane& dataplane)
    : mirror_(mirror), dataplane_(dataplane) {
  mirror_.subscribe(*this);
}

Suppression::~Suppression() { mirror_.unsubscribe(*this); }

void Suppression::set(std::vector<SuppressSpec> specs) {
  specs_ = std::move(specs);
  update_links();
}

void Suppression::flush() {
  if (std::exchange(links_changed_, false)) update_links();
}

void Suppression::on_link(const mirror::Link*, const mirror::Link*) { links_changed_ = !specs_.empty(); }

void Suppression::on_neighbour(const mirror::Neighbour* before, const mirror::Neighbour* after) {
  if (links_.empty()) return;
  const mirror::Neighbour& neighbour = after != nullptr ? *after : *before;
  if (const auto network = links_.find(neighbour.ifindex); network != links_.end())
    update(network->second, neighbour.ip);
}

std::map<int, dataplane::NetworkId> Suppression::find_links() const {
  constexpr dataplane::NetworkId kSeveral = dataplane::kNoNetwork;
  std::map<int, dataplane::NetworkId> links;
  const auto add = [&](int ifindex, dataplane::NetworkId network) {
    const auto [link, is_new] = links.emplace(ifindex, network);
    if (!is_new && link->second != network) link->second = kSeveral;
  };
  for (const mirror::Link* link : specs_.empty() ? std::vector<const mirror::Link*>() : mirror_.links())
    for (const SuppressSpec& spec : specs_) {
      const bool has_vni = link->vxlan && !link->vxlan->external &&
                           std::ranges::find(spec.vnis, link->vxlan->vni) != spec.vnis.end();
      if (!has_vni && std::ranges::find(spec.links, link->name) == spec.links.end()) continue;
      add(link->ifindex, spec.id);
      const mirror::Link* const master = link->master != 0 ? mirror_.link(link->master) : nullptr;
      if (master != nullptr && master->kind == "bridge") add(master->ifindex, spec.id);
    }
  std::erase_if(links, [](const auto& link) { return link.second == kSeveral; });
  return links;
}

// Which links are of which network: those of both before and now are looked at anew.
void Suppression::update_links() {
  const std::map<int, dataplane::NetworkId> before = std::exchange(links_, find_links());
  if (before.empty() && links_.empty()) return;
  for (const mirror::Neighbour* neighbour : mirror_.neighbours())
    for (const auto* links : {&before, &std::as_const(links_)})
      if (const auto network = links->find(neighbour->ifindex); network != links->end())
        update(network->second, neighbour->ip);
}

// By the first of the network's links that knows the address.
void Suppression::update(dataplane::NetworkId network, const net::IpAddr& ip) {
  const auto is_there = [&](const SuppressSpec& spec) { return spec.id == network; };
  if (std::ranges::none_of(specs_, is_there)) return;  // what it had goes with it
  for (const auto& [ifindex, id] : links_) {
    const mirror::Neighbour* const found = id == network ? mirror_.neighbour(ifindex, ip) : nullptr;
    if (found == nullptr || !is_stations(*found)) continue;
    const Status set = dataplane_.set_binding(network, ip, *found->mac, (found->flags & NTF_ROUTER) != 0);
    if (!set && !std::exchange(full_, true))
      kLog.warning("ARP and ND are not suppressed for {}", set.error().message);
    return;
  }
  dataplane_.remove_binding(network, ip);
}

}  // namespace culvert::control
