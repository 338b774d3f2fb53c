#include "config/flow_overlaps.hpp"

#include <algorithm>

namespace culvert::config {

using tunnel::MaskedKey;
using tunnel::MatchKey;

std::optional<std::string> FlowOverlaps::find(const tunnel::Flow& flow) {
  const auto groups = groups_.find({flow.port, flow.priority});
  if (groups == groups_.end()) return std::nullopt;
  const MaskedKey key = tunnel::masked_key(flow.match);
  for (auto& [mask, group] : groups->second) {
    const MatchKey common = mask & key.mask;
    const auto [first, last] = index(group, common).equal_range(Hash{}(key.value & common));
    const auto found =
        std::find_if(first, last, [&](const auto& item) { return overlap(item.second->key, key); });
    if (found != last) return found->second->name;
  }
  return std::nullopt;
}

void FlowOverlaps::add(const tunnel::Flow& flow) {
  const MaskedKey key = tunnel::masked_key(flow.match);
  Group& group = groups_[{flow.port, flow.priority}][key.mask];
  const auto& entry = group.entries[flow.name] = std::make_unique<const Entry>(Entry{flow.name, key});
  for (auto& [mask, index] : group.indexes) index.emplace(Hash{}(key.value & mask), entry.get());
}

void FlowOverlaps::remove(const tunnel::Flow& flow) {
  const MaskedKey key = tunnel::masked_key(flow.match);
  const auto groups = groups_.find({flow.port, flow.priority});
  Group& group = groups->second.at(key.mask);
  const auto entry = group.entries.find(flow.name);
  for (auto& [mask, index] : group.indexes) {
    const auto [first, last] = index.equal_range(Hash{}(key.value & mask));
    index.erase(
        std::find_if(first, last, [&](const auto& item) { return item.second == entry->second.get(); }));
  }
  group.entries.erase(entry);
  if (group.entries.empty()) groups->second.erase(key.mask);
  if (groups->second.empty()) groups_.erase(groups);
}

FlowOverlaps::Index& FlowOverlaps::index(Group& group, const MatchKey& mask) {
  const auto [place, is_new] = group.indexes.try_emplace(mask);
  if (is_new)
    for (const auto& [name, entry] : group.entries)
      place->second.emplace(Hash{}(entry->key.value & mask), entry.get());
  return place->second;
}

std::string overlap_warning(const tunnel::Flow& flow, const std::string& earlier) {
  return fmt::format(
      "flow {}: some packets of port {} match flow {} too, and both have priority {}: the earlier, {}, gets "
      "them; "
      "give them different priorities to say which",
      flow.name, flow.port, earlier, flow.priority, earlier);
}

}  // namespace culvert::config
