// Finds flows that want the same packets at the same priority on the same port. Flows are kept by what their
// matches look at, so that a look-up costs a hash look-up for each different set of fields, however many
// flows there are. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "tunnel/flow.hpp"

namespace culvert::config {

class FlowOverlaps {
 public:
  // The name of a flow that was added, has `flow`'s port and priority, and takes packets that `flow` takes.
  std::optional<std::string> find(const tunnel::Flow& flow);
  // One of each name.
  void add(const tunnel::Flow& flow);
  void remove(const tunnel::Flow& flow);

 private:
  struct Entry {
    std::string name;
    tunnel::MaskedKey key;
  };
  // By the hash of the entries' values under one mask.
  using Index = std::unordered_multimap<size_t, const Entry*>;
  struct Hash {
    size_t operator()(const tunnel::MatchKey& key) const { return net::hash_bytes(&key, sizeof(key)); }
  };
  // The flows of one port and priority with one mask, and an index of them for each mask that was asked for.
  struct Group {
    std::unordered_map<std::string, std::unique_ptr<const Entry>> entries;
    std::unordered_map<tunnel::MatchKey, Index, Hash> indexes;
  };
  using Rank = std::pair<std::string, uint16_t>;  // port, priority

  static Index& index(Group& group, const tunnel::MatchKey& mask);

  std::map<Rank, std::unordered_map<tunnel::MatchKey, Group, Hash>> groups_;  // by mask
};

// "flow b: ...": for people, of what find() found.
std::string overlap_warning(const tunnel::Flow& flow, const std::string& earlier);

}  // namespace culvert::config
