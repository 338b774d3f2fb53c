// Which tunnel an arriving outer packet belongs to. Immutable once built: it is part of a Snapshot.
//
// Open addressing over 32-byte slots, at most half full. Besides a row for each tunnel it holds two kinds of
// markers under the sender 0.0.0.0, which tell the packets that nobody's row fits apart: "this address and
// UDP port are ours" and "... and this VNI is, from another sender".
//
// An IPv6 underlay stands beside it as a second table with a wider key; what a row says stays the same.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "dataplane/ids.hpp"
#include "net/byte_order.hpp"

namespace culvert::dataplane {

struct TunnelKey {
  net::be32 remote, local;  // the outer source and destination
  net::be16 dst_port;
  uint32_t vni = 0;

  bool operator==(const TunnelKey&) const = default;
};

struct TunnelMatch {
  static constexpr uint32_t kNoNetwork = UINT32_MAX;
  EncapId encap = 0;
  uint32_t network = kNoNetwork;
};

class TerminationTable {
 public:
  TerminationTable() : slots_(1) {}
  // Room for `tunnels` tunnels with their markers.
  explicit TerminationTable(size_t tunnels) : slots_(std::bit_ceil(tunnels * 3 * 2 + 1)) {}

  // False: the key is there already.
  bool add(const TunnelKey& key, const TunnelMatch& match) {
    put({.local = key.local, .dst_port = key.dst_port, .vni = kAnyVni}, {});
    put({.local = key.local, .dst_port = key.dst_port, .vni = key.vni}, {});
    if (!put(key, match)) return false;
    if (match.encap >= by_encap_.size()) by_encap_.resize(match.encap + size_t{1}, kNoSlot);
    by_encap_[match.encap] = static_cast<uint32_t>(place(key));
    return true;
  }

  // A tunnel with this encap. Null: none.
  const TunnelMatch* find_encap(EncapId encap) const {
    if (encap >= by_encap_.size() || by_encap_[encap] == kNoSlot) return nullptr;
    return &slots_[by_encap_[encap]].match;
  }

  // Null: no tunnel.
  const TunnelMatch* find(const TunnelKey& key) const {
    const Slot& slot = slots_[place(key)];
    return slot.used ? &slot.match : nullptr;
  }
  bool is_endpoint(net::be32 local, net::be16 dst_port) const {
    return find({.local = local, .dst_port = dst_port, .vni = kAnyVni}) != nullptr;
  }
  bool knows_vni(net::be32 local, net::be16 dst_port, uint32_t vni) const {
    return find({.local = local, .dst_port = dst_port, .vni = vni}) != nullptr;
  }

 private:
  static constexpr uint32_t kNoSlot = UINT32_MAX;
  static constexpr uint32_t kAnyVni = UINT32_MAX;  // no VNI: those have 24 bits

  struct Slot {
    TunnelKey key;
    TunnelMatch match;
    bool used = false;
  };

  // Where the key is, or the free slot where it would be.
  size_t place(const TunnelKey& key) const {
    const uint64_t addresses = static_cast<uint64_t>(key.remote.wire()) << 32 | key.local.wire();
    const uint64_t rest = static_cast<uint64_t>(key.vni) << 16 | key.dst_port.wire();
    size_t i = ((addresses * 0x9e3779b97f4a7c15 ^ rest) * 0xff51afd7ed558ccd) >> 32 & (slots_.size() - 1);
    while (slots_[i].used && !(slots_[i].key == key)) i = (i + 1) & (slots_.size() - 1);
    return i;
  }

  bool put(const TunnelKey& key, const TunnelMatch& match) {
    Slot& slot = slots_[place(key)];
    if (slot.used) return false;
    slot = {key, match, true};
    return true;
  }

  std::vector<Slot> slots_;
  std::vector<uint32_t> by_encap_;  // places in slots_
};

}  // namespace culvert::dataplane
