#include "mirror/path_table.hpp"

#include <cstring>

namespace culvert::mirror {
namespace {

// A multiplication a word: a path is hashed for every route that the kernel tells.
uint64_t mix(uint64_t seed, uint64_t word) {
  const uint64_t product = (seed ^ word) * 0x9e3779b97f4a7c15ull;
  return product ^ product >> 32;
}

uint64_t mix(uint64_t seed, const std::optional<net::IpAddr>& ip) {
  if (!ip) return mix(seed, 1);
  uint64_t words[2]{};
  const auto bytes = ip->bytes();
  std::memcpy(words, bytes.data(), bytes.size());
  return mix(mix(seed, words[0]), words[1]);
}

uint64_t join(uint64_t high, uint64_t low) { return high << 32 | low; }

}  // namespace

size_t PathTable::Hash::operator()(const Path& path) const {
  uint64_t hash = mix(join(path.table, path.metric), join(path.nexthop_id, path.mtu));
  hash = mix(hash, static_cast<uint64_t>(path.tos) << 32 | static_cast<uint64_t>(path.protocol) << 24 |
                       static_cast<uint64_t>(path.scope) << 16 | static_cast<uint64_t>(path.type) << 8 |
                       static_cast<uint64_t>(path.family));
  if (path.prefsrc) hash = mix(hash, path.prefsrc);
  for (const netlink::Hop& hop : path.hops) {
    hash = mix(hash,
               join(static_cast<uint32_t>(hop.ifindex), static_cast<uint64_t>(hop.weight) << 8 | hop.flags));
    hash = mix(hash, hop.via);
    if (hop.encap != 0) hash = mix(hash, join(hop.encap, hop.encap_digest));
  }
  return hash;
}

PathId PathTable::hold(const Path& path) {
  if (const auto found = ids_.find(path); found != ids_.end()) {
    ++users_[*found];
    return *found;
  }
  const PathId id = paths_.add(path);
  if (id == users_.size()) users_.push_back(0);
  users_[id] = 1;
  ids_.insert(id);
  index(id, path, true);
  return id;
}

void PathTable::release(PathId id) {
  if (--users_[id] != 0) return;
  ids_.erase(id);
  index(id, *at(id), false);
  paths_.remove(id);
}

void PathTable::index(PathId id, const Path& path, bool add) {
  const auto set = [&](auto& index, const auto& reference) {
    add ? index.add(reference, id) : index.remove(reference, id);
  };
  for (const netlink::Hop& hop : path.hops)
    if (hop.ifindex != 0) set(on_link_, hop.ifindex);
  if (path.nexthop_id != 0) set(on_nexthop_, path.nexthop_id);
  if (path.prefsrc) set(with_prefsrc_, *path.prefsrc);
}

}  // namespace culvert::mirror
