// The kernel's bridges say where MACs are (networks[].bridge): what stands in a bridge's FDB, and in those of
// its vxlan links, becomes rows of the network's FDB.
//
// A bridge's entry on the netdev of a port of the network means that port. One on a vxlan link, and an entry
// of a vxlan link that the bridge says nothing of, means the tunnel of the network with its VNI and remote.
// Control lcore only.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "dataplane/dataplane.hpp"
#include "mirror/bridge_fdb.hpp"
#include "mirror/mirror.hpp"

namespace culvert::control {

// A network that follows a bridge.
struct BridgedNetwork {
  struct Tunnel {
    uint32_t vni = 0;
    net::IpAddr remote;
    dataplane::EncapId encap = 0;
    bool operator==(const Tunnel&) const = default;
  };

  dataplane::NetworkId id = 0;
  std::string bridge;
  std::vector<std::pair<std::string, dataplane::PortIndex>> ports;  // by netdev
  std::vector<Tunnel> tunnels;
  uint32_t max_macs = UINT32_MAX;  // so many of what the bridge has learned by itself

  bool operator==(const BridgedNetwork&) const = default;
};

class KernelPaths {
 public:
  // What is referred to outlives the object.
  KernelPaths(const mirror::Mirror& mirror, dataplane::Dataplane& dataplane, std::string netns);

  // The whole list, each time; after Dataplane::set_networks().
  void set(std::vector<BridgedNetwork> networks);
  // Links came, went or changed.
  void links_changed() { links_changed_ = true; }
  void poll(TimePoint now, size_t budget);
  // Reads the kernel's entries anew.
  void refresh() { fdb_.refresh(); }
  // All that the kernel said up to the last poll() is in the FDB.
  bool is_settled() const { return networks_.empty() || fdb_.is_settled(); }
  // What stood above the kernel's row is gone.
  void restore(dataplane::NetworkId network, const net::Mac& mac);

 private:
  // What the links say of a network.
  struct Bridge {
    int ifindex = 0;
    std::map<int, dataplane::PortIndex> ports;  // by ifindex
    std::map<int, uint32_t> vxlans;             // VNIs by ifindex
    bool operator==(const Bridge&) const = default;
  };
  using Row = std::pair<dataplane::NetworkId, net::Mac>;
  struct Place {
    dataplane::Where where;
    bool dynamic = false;  // the bridge learned it by itself
    bool operator==(const Place&) const = default;
  };

  static Bridge look_at(const BridgedNetwork& network, const std::vector<const mirror::Link*>& links);
  void look_at_links();
  void update_all();
  void update(const net::Mac& mac);
  void place(const BridgedNetwork& network, const net::Mac& mac, const std::optional<Place>& place);
  void forget(const Row& row);
  static std::optional<Place> where_is(const net::Mac& mac, const mirror::BridgeFdb& fdb,
                                       const BridgedNetwork& network, const Bridge& bridge);

  const mirror::Mirror& mirror_;
  dataplane::Dataplane& dataplane_;
  mirror::BridgeFdb fdb_;
  std::vector<BridgedNetwork> networks_;
  std::vector<Bridge> bridges_;                       // of each
  std::map<Row, Place> rows_;                         // as the packet path was told
  std::map<dataplane::NetworkId, uint32_t> dynamic_;  // of them, so many
  bool links_changed_ = false;
  bool all_changed_ = false;
  std::optional<TimePoint> retry_;  // something was left out: try again then
  TimePoint now_{};
};

}  // namespace culvert::control
