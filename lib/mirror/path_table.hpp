// Paths, each kept once however many routes share it. Counted: one goes with its last user.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "mirror/slots.hpp"
#include "mirror/table.hpp"
#include "netlink/objects.hpp"

namespace culvert::mirror {

using netlink::Path;
using PathId = uint32_t;

// The writer; at() is for readers that are online too.
class PathTable {
 public:
  explicit PathTable(rcu::RetireQueue& retired) : paths_(retired) {}

  // The number of an equal path, counted once more.
  PathId hold(const Path& path);
  void hold(PathId id) { ++users_[id]; }
  void release(PathId id);

  const Path* at(PathId id) const { return paths_.at(id); }

  // Those that refer to something. Copies: the caller changes what he walks.
  std::vector<PathId> on_link(int ifindex) const { return on_link_.copy(ifindex); }
  std::vector<PathId> on_nexthop(uint32_t id) const { return on_nexthop_.copy(id); }
  std::vector<PathId> with_prefsrc(const net::IpAddr& ip) const { return with_prefsrc_.copy(ip); }

 private:
  struct Hash {
    using is_transparent = void;
    const PathTable* table;
    size_t operator()(const Path& path) const;
    size_t operator()(PathId id) const { return (*this)(*table->at(id)); }
  };
  struct Equal {
    using is_transparent = void;
    const PathTable* table;
    bool operator()(PathId a, PathId b) const { return a == b; }
    bool operator()(const Path& path, PathId id) const { return path == *table->at(id); }
    bool operator()(PathId id, const Path& path) const { return path == *table->at(id); }
  };
  void index(PathId id, const Path& path, bool add);

  Slots<Path> paths_;
  std::vector<uint32_t> users_;  // by number
  std::unordered_set<PathId, Hash, Equal> ids_{16, Hash{this}, Equal{this}};
  Index<int, PathId> on_link_;
  Index<uint32_t, PathId> on_nexthop_;
  Index<net::IpAddr, PathId> with_prefsrc_;
};

}  // namespace culvert::mirror
