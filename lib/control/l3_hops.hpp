// Where the routes of one l3 network lead: a hop of the packet path for each different way, however many
// routes share it. An event of a link, a neighbour or a nexthop object costs the hops that stand on it, and
// no route. Control lcore only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "control/hop_ids.hpp"
#include "dataplane/dataplane.hpp"
#include "mirror/mirror.hpp"
#include "resolver/neighbour_demand.hpp"

namespace culvert::control {

using resolver::NeighbourKey;

// What leads to the same place: of a route of the kernel all but whose it is, or a route of the
// configuration.
struct Leads {
  uint8_t type = 0;  // RTN_*
  net::Family family = net::Family::ipv4;
  uint32_t nexthop_id = 0;
  uint32_t mtu = 0;  // 0: the link's
  std::vector<mirror::Hop> hops;
  std::optional<dataplane::EncapId> encap;   // of the configuration: into this tunnel, or
  std::optional<dataplane::PortIndex> port;  // out of this port
  net::Mac dst_mac;                          // to this station

  // Whether a link has a carrier the hop knows (L3Hops::ways()): RTNH_F_LINKDOWN, which comes to each route
  // of the link, is left out.
  static Leads of(const mirror::Path& path);
  // Could a route of one take another place, or lead elsewhere, than one of the other?
  static bool differ(const mirror::Path& a, const mirror::Path& b);
  bool operator==(const Leads&) const = default;
  struct Hash {
    size_t operator()(const Leads& leads) const;
  };
};

// A tunnel of the network, as routes find it.
struct TunnelEnd {
  std::string name;
  dataplane::EncapId encap = 0;
  net::IpAddr remote;
  uint32_t vni = 0;

  bool operator==(const TunnelEnd&) const = default;
};

// A port of the network.
struct PortEnd {
  dataplane::PortIndex port = 0;
  std::string netdev;    // empty: none
  net::Mac mac;          // the ethdev's
  uint16_t mtu = 0;      // likewise
  bool removed = false;  // its device is gone

  bool operator==(const PortEnd&) const = default;
};

// A station's MAC and that of the link, with the link's MTU.
dataplane::Way station_way(dataplane::PortIndex port, const net::Mac& dst, const mirror::Link& link,
                           uint32_t route_mtu = 0);

class L3Hops {
 public:
  using HopId = dataplane::HopId;

  // All outlive the object.
  L3Hops(const mirror::Mirror& mirror, dataplane::Dataplane& dataplane, HopIds& ids,
         resolver::NeighbourDemand& demand)
      : mirror_(mirror), dataplane_(dataplane), ids_(ids), demand_(demand) {}
  ~L3Hops();
  L3Hops(const L3Hops&) = delete;
  L3Hops& operator=(const L3Hops&) = delete;

  // Who the network's tunnels and ports are from now on; flush() looks at all hops anew.
  void set_ends(std::vector<TunnelEnd> tunnels, std::vector<PortEnd> ports);

  // One more route leads there; the hop is published. HopIds::kNone: there are too many hops; worth another
  // try when freed() has changed.
  HopId hold(const Leads& leads, TimePoint now);
  uint64_t freed() const { return ids_.freed(); }
  // One less does. kNoRoute and HopIds::kNone are ignored.
  void release(HopId id);
  // All routes are others now: how many each hop has. Hops that are not in it go.
  void recount(const std::unordered_map<HopId, size_t>& routes);
  size_t size() const { return ids_of_.size(); }

  // What a change concerns.
  void on_link(int ifindex) {
    mark_dirty(by_link_, ifindex);
    mark_dirty(by_link_, kNetdevs);
  }
  void on_neighbour(const NeighbourKey& key) { mark_dirty(by_neighbour_, key); }
  void on_nexthop(uint32_t id) { mark_dirty(by_nexthop_, id); }
  // Computes it, and publishes what is new.
  void flush(TimePoint now);
  // Calls back for each neighbour that packets went to since it was last looked at: `budget` hops, from
  // `from` on, are. True: that were all, and the next call begins anew.
  bool each_used(HopId& from, size_t& budget, const std::function<void(const NeighbourKey&)>& used);

 private:
  struct Row {
    const Leads* leads = nullptr;  // the key in ids_of_
    size_t routes = 0;
    uint32_t used_s = 0;     // Dataplane::hop_used_s() at the last look
    std::vector<int> links;  // ifindexes, or kNetdevs
    std::vector<uint32_t> nexthops;
    std::vector<NeighbourKey> neighbours;
    std::vector<NeighbourKey> waits;  // of these, those without a MAC
  };
  static constexpr int kNetdevs = 0;  // in the place of an ifindex: whichever links are ports
  template <typename Key>
  using Index = std::set<std::pair<Key, HopId>>;
  template <typename Key>
  void mark_dirty(const Index<Key>& index, const Key& key) {
    for (auto entry = index.lower_bound({key, 0}); entry != index.end() && entry->first == key; ++entry)
      dirty_.insert(entry->second);
  }

  void update(HopId id, Row& row, TimePoint now);
  void index(HopId id, const Row& row);
  void unindex(HopId id, const Row& row);
  void remove(HopId id);
  std::vector<dataplane::WeightedWay> ways(Row& row) const;
  dataplane::Way way(const mirror::Hop& hop, uint32_t mtu, Row& row) const;
  const TunnelEnd* tunnel_of(const mirror::Hop& hop, const mirror::Link& link) const;
  const PortEnd* port_of(const mirror::Link& link) const;

  const mirror::Mirror& mirror_;
  dataplane::Dataplane& dataplane_;
  HopIds& ids_;
  resolver::NeighbourDemand& demand_;
  std::vector<TunnelEnd> tunnels_;
  std::vector<PortEnd> ports_;
  std::unordered_map<Leads, HopId, Leads::Hash> ids_of_;
  std::map<HopId, Row> rows_;
  Index<NeighbourKey> by_neighbour_;
  Index<uint32_t> by_nexthop_;
  Index<int> by_link_;
  std::set<HopId> dirty_;
  bool all_dirty_ = false;
};

}  // namespace culvert::control
