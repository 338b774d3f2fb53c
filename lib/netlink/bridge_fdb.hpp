// Entries of forwarding databases (`bridge fdb`): those of bridges, and those of vxlan devices, which say
// behind which remote a MAC is. RTM_NEWNEIGH and RTM_DELNEIGH of family AF_BRIDGE (net/bridge/br_fdb.c,
// drivers/net/vxlan/vxlan_core.c).
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <tuple>

#include "base/result.hpp"
#include "net/address.hpp"

namespace culvert::netlink {

struct FdbEntry {
  net::Mac mac;
  int owner = 0;     // whose FDB: the bridge's ifindex, or the vxlan device's
  uint32_t tag = 0;  // the VLAN in a bridge, the source VNI in a vxlan device; 0: none
  int port = 0;      // of a bridge's: the port that the MAC is behind; the vxlan device itself otherwise
  std::optional<net::IpAddr> remote;  // of a vxlan device's
  std::optional<uint32_t> vni;        // likewise, when it is not the device's own
  bool local = false;                 // of a bridge's: its own address, or a port's
  bool dynamic = false;               // likewise: learned by itself, nobody's word

  // A MAC that moves is told with the key that it had, and nothing is said of the old place.
  auto key() const { return std::tuple(mac, owner, tag); }
  bool operator==(const FdbEntry&) const = default;
};

struct FdbEvent {
  FdbEntry entry;
  bool added = true;  // false: it is gone
};

// Decodes one message. nullopt: another kind, or an entry that names no place (devices' own address lists, a
// vxlan device's nexthop groups and entries without a remote). Error: malformed. Every length is checked. Any
// thread.
Result<std::optional<FdbEvent>> decode_fdb(const nlmsghdr& message);

}  // namespace culvert::netlink
