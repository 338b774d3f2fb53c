// From bytes to a Key: the switch's only parser. It trusts no length field beyond the bytes that are there; a
// header counts only when it is there whole.
#pragma once

#include <atomic>
#include <bitset>
#include <cstdint>
#include <memory>
#include <span>

#include "key.hpp"

namespace eswitch {

inline constexpr uint16_t kNoOffset = 0xffff;

/// Where each header of a level starts, in bytes from the start of the packet; kNoOffset: it has none.
struct LevelLayout {
  uint16_t eth = kNoOffset;
  uint16_t l3 = kNoOffset;
  uint16_t l4 = kNoOffset;
  uint16_t tunnel = kNoOffset;      // of the VXLAN or GRE header itself
  uint16_t tunnel_end = kNoOffset;  // what the tunnel carries starts here
  uint8_t l4_proto = 0;             // of the header at l4
  bool fragment = false;            // not the first of its datagram
};

struct Layout {
  LevelLayout level[kLevelCount];
};

/// UDP destination ports whose payload is parsed as VXLAN: 4789 and those that rules or applications name.
/// Any thread reads; add and remove come under the switch's lock.
class VxlanPorts {
 public:
  VxlanPorts();
  void add(uint16_t port);
  void remove(uint16_t port);
  bool contains(uint16_t port) const {
    // Relaxed: a set bit only has to be seen before the rule that needs it, and that is published with
    // release.
    return counts_[port].load(std::memory_order_relaxed) != 0;
  }

 private:
  std::unique_ptr<std::atomic<uint32_t>[]> counts_;
};

/// Fills the header levels of `key` (metadata is left alone) and `layout` from the packet's bytes. They start
/// with an Ethernet header or, where a rule has just taken that off, with IP.
void parse_packet(std::span<const uint8_t> bytes, bool starts_with_ip, const VxlanPorts& ports, Key& key,
                  Layout& layout);

}  // namespace eswitch
