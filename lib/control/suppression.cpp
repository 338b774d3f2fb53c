#include "control/suppression.hpp"

#include <linux/neighbour.h>

#include <optional>
#include <utility>

#include "base/log.hpp"

namespace culvert::control {

namespace {

const Log kLog("control");

bool is_stations(const mirror::Neighbour& neighbour) {
  return neighbour.is_valid() && neighbour.mac && !neighbour.mac->is_multicast() &&
         !neighbour.mac->is_zero() && !neighbour.ip.is_multicast();
}

constexpr dataplane::NetworkId kSeveral = dataplane::kNoNetwork;

template <typename Map>
void add(Map& map, const typename Map::key_type& key, dataplane::NetworkId network) {
  const auto [entry, is_new] = map.emplace(key, network);
  if (!is_new && entry->second != network) entry->second = kSeveral;
}

template <typename Map>
std::optional<dataplane::NetworkId> find(const Map& map, const typename Map::key_type& key) {
  const auto entry = map.find(key);
  return entry == map.end() ? std::nullopt : std::optional(entry->second);
}

}  // namespace

Suppression::Suppression(mirror::Mirror& mirror, dataplane::Dataplane& dataplane)
    : mirror_(mirror), dataplane_(dataplane) {
  mirror_.subscribe(*this);
}

Suppression::~Suppression() { mirror_.unsubscribe(*this); }

void Suppression::set(std::vector<SuppressSpec> specs) {
  names_.clear();
  vnis_.clear();
  for (const SuppressSpec& spec : specs) {
    for (const std::string& name : spec.links) add(names_, name, spec.id);
    for (const uint32_t vni : spec.vnis) add(vnis_, vni, spec.id);
  }
  update_links();
}

void Suppression::flush() {
  if (std::exchange(links_changed_, false)) update_links();
}

void Suppression::on_link(const mirror::Link*, const mirror::Link*) { links_changed_ = !names_.empty(); }

void Suppression::on_neighbour(const mirror::Neighbour* before, const mirror::Neighbour* after) {
  if (links_.empty()) return;
  const mirror::Neighbour& neighbour = after != nullptr ? *after : *before;
  if (const auto network = links_.find(neighbour.ifindex); network != links_.end())
    update(network->second, neighbour.ip);
}

Suppression::Links Suppression::find_links() const {
  Links links;
  if (names_.empty()) return links;
  for (const mirror::Link* link : mirror_.links()) {
    const bool has_vni = link->vxlan && !link->vxlan->external;
    const mirror::Link* const master = link->master != 0 ? mirror_.link(link->master) : nullptr;
    for (const auto network :
         {find(names_, link->name), has_vni ? find(vnis_, link->vxlan->vni) : std::nullopt}) {
      if (!network) continue;
      add(links, link->ifindex, *network);
      if (master != nullptr && master->kind == "bridge") add(links, master->ifindex, *network);
    }
  }
  std::erase_if(links, [](const auto& link) { return link.second == kSeveral; });
  return links;
}

// Which links are of which network: those of both before and now are looked at anew.
void Suppression::update_links() {
  const Links before = std::exchange(links_, find_links());
  links_of_.clear();
  for (const auto& [ifindex, network] : links_) links_of_[network].push_back(ifindex);
  if (before == links_) return;
  for (const mirror::Neighbour* neighbour : mirror_.neighbours())
    for (const auto* links : {&before, &std::as_const(links_)})
      if (const auto network = links->find(neighbour->ifindex); network != links->end())
        update(network->second, neighbour->ip);
}

// By the first of the network's links that knows the address.
void Suppression::update(dataplane::NetworkId network, const net::IpAddr& ip) {
  for (const int ifindex : links_of_[network]) {
    const mirror::Neighbour* const found = mirror_.neighbour(ifindex, ip);
    if (found == nullptr || !is_stations(*found)) continue;
    const Status set = dataplane_.set_binding(network, ip, *found->mac, (found->flags & NTF_ROUTER) != 0);
    if (!set && !std::exchange(full_, true))
      kLog.warning("ARP and ND are not suppressed for {}", set.error().message);
    return;
  }
  dataplane_.remove_binding(network, ip);
}

}  // namespace culvert::control
