#include "gid/follower.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <queue>
#include <string_view>
#include <utility>

namespace culvert::gid {
namespace {

// Kinds of links whose IFLA_LINK is the link that they stand on. That of a veth is its other end, that of a
// tunnel the way that its packets take.
constexpr std::array<std::string_view, 6> kStacked{"vlan",   "macvlan", "macvtap",
                                                   "ipvlan", "ipvtap",  "macsec"};

bool stands_on_its_link(const mirror::Link& link) {
  return link.lower != 0 && std::ranges::find(kStacked, link.kind) != kStacked.end();
}

}  // namespace

Follower::Follower(const std::vector<PortLink>& ports, std::function<void(Update)> post)
    : post_(std::move(post)) {
  for (const PortLink& port : ports) ports_.push_back({port, {}, {}});
}

void Follower::on_link(const mirror::Link* before, const mirror::Link* after) {
  const int ifindex = (after != nullptr ? after : before)->ifindex;
  dirty_.insert(ifindex);
  links_changed_ = true;
  if (after == nullptr) {
    links_.erase(ifindex);
    return;
  }
  Known& known = links_[ifindex];
  if (known.netdev == nullptr) known.netdev = std::make_shared<Netdev>(ifindex, after->name);
  if (known.link.name != after->name) known.netdev->rename(after->name);
  known.link = *after;
}

void Follower::on_address(const mirror::Address* before, const mirror::Address* after) {
  const auto count = [this](const mirror::Address* address, int difference) {
    if (address == nullptr || !address->is_usable()) return;
    auto& on_link = addresses_[address->ifindex];
    auto& links = links_with_[address->local];
    if ((on_link[address->local] += static_cast<unsigned>(difference)) != 0) {
      links.insert(address->ifindex);
      return;
    }
    on_link.erase(address->local);
    if (on_link.empty()) addresses_.erase(address->ifindex);
    links.erase(address->ifindex);
    if (links.empty()) links_with_.erase(address->local);
  };
  count(after, 1);
  count(before, -1);
  const mirror::Address& address = after != nullptr ? *after : *before;
  dirty_.insert(address.ifindex);
  touched_.insert(address.local);
}

void Follower::remove_port(const Table& table) {
  for (Port& port : ports_)
    if (port.what.table == &table) port.what.netdev.clear();
  links_changed_ = true;
}

bool Follower::is_elsewhere(const net::IpAddr& address) const {
  const auto found = links_with_.find(address);
  if (found == links_with_.end()) return false;
  return std::ranges::any_of(found->second, [this](int ifindex) {
    return std::ranges::none_of(ports_, [&](const Port& port) { return port.members.contains(ifindex); });
  });
}

bool Follower::is_wanted(const net::IpAddr& address) const {
  const auto found = links_with_.find(address);
  if (found == links_with_.end()) return false;
  return std::ranges::any_of(found->second, [this](int ifindex) {
    return links_.contains(ifindex) && links_.at(ifindex).link.is_up() &&
           std::ranges::any_of(ports_, [&](const Port& port) { return port.members.contains(ifindex); });
  });
}

Follower::Uppers Follower::find_uppers() const {
  Uppers uppers;
  for (const auto& [ifindex, known] : links_) {
    if (stands_on_its_link(known.link)) uppers.emplace(known.link.lower, ifindex);
    if (known.link.master != 0) uppers.emplace(ifindex, known.link.master);
  }
  return uppers;
}

// The nearest first: of two ways up the shorter one tells the VLAN.
Follower::Members Follower::find_members(const std::string& netdev, const Uppers& uppers) const {
  Members members;
  const auto port =
      std::ranges::find_if(links_, [&](const auto& entry) { return entry.second.link.name == netdev; });
  if (port == links_.end()) return members;
  std::queue<std::pair<int, std::optional<uint16_t>>> found;
  found.emplace(port->first, std::nullopt);
  for (; !found.empty(); found.pop()) {
    const auto [ifindex, below] = found.front();
    const auto known = links_.find(ifindex);
    if (known == links_.end()) continue;
    const bool is_port = ifindex == port->first;
    const auto vlan = !is_port && known->second.link.vlan ? known->second.link.vlan : below;
    if (!members.emplace(ifindex, vlan).second) continue;
    const auto [first, last] = uppers.equal_range(ifindex);
    for (auto upper = first; upper != last; ++upper) found.emplace(upper->second, vlan);
  }
  return members;
}

std::set<Attributes> Follower::wanted(const Port& port, int ifindex) const {
  std::set<Attributes> wanted;
  const auto member = port.members.find(ifindex);
  if (member == port.members.end()) return wanted;
  const mirror::Link& link = links_.at(ifindex).link;
  const NetdevRef& netdev = links_.at(ifindex).netdev;
  const auto want = [&](const Gid& gid, std::optional<uint16_t> vlan, bool is_default) {
    for (const Type type : kTypes) wanted.insert({gid, type, netdev, vlan, is_default});
  };
  if (link.name == port.what.netdev && !link.mac.is_zero())
    want(Gid::link_local_of(link.mac), std::nullopt, true);
  if (!link.is_up()) return wanted;
  if (const auto on_link = addresses_.find(ifindex); on_link != addresses_.end())
    for (const auto& [address, count] : on_link->second) want(Gid::of(address), member->second, false);
  return wanted;
}

void Follower::flush() {
  std::set<int> links = std::exchange(dirty_, {});
  if (std::exchange(links_changed_, false)) {
    const Uppers uppers = find_uppers();
    for (Port& port : ports_) {
      const Members before = std::exchange(port.members, find_members(port.what.netdev, uppers));
      std::vector<Members::value_type> moved;
      std::ranges::set_symmetric_difference(before, port.members, std::back_inserter(moved));
      for (const auto& [ifindex, vlan] : moved) {
        links.insert(ifindex);
        const auto on_link = addresses_.find(ifindex);
        if (on_link == addresses_.end()) continue;
        for (const auto& [address, count] : on_link->second) touched_.insert(address);
      }
    }
  }
  std::vector<Update> removals, additions;
  for (Port& port : ports_) flush(port, links, removals, additions);
  for (Update& update : removals) post_(std::move(update));
  for (Update& update : additions) post_(std::move(update));
}

void Follower::flush(Port& port, const std::set<int>& links, std::vector<Update>& removals,
                     std::vector<Update>& additions) {
  for (const int ifindex : links) {
    std::set<Attributes> now = wanted(port, ifindex);
    const auto entry = port.wanted.find(ifindex);
    const std::set<Attributes> before = entry != port.wanted.end() ? entry->second : std::set<Attributes>{};
    for (const Attributes& attributes : before)
      if (!now.contains(attributes)) removals.push_back({Update::Kind::remove, port.what.table, attributes});
    for (const Attributes& attributes : now)
      if (!before.contains(attributes)) additions.push_back({Update::Kind::add, port.what.table, attributes});
    if (now.empty())
      port.wanted.erase(ifindex);
    else
      port.wanted[ifindex] = std::move(now);
  }
}

}  // namespace culvert::gid
