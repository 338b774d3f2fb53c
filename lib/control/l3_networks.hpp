// All l3 networks: follows the kernel's routes, nexthops, links and neighbours through the mirror and keeps
// the packet path's tables by them. Control lcore only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "config/config.hpp"
#include "control/l3_hops.hpp"
#include "control/l3_network.hpp"
#include "dataplane/dataplane.hpp"
#include "mirror/mirror.hpp"
#include "rcu/domain.hpp"
#include "resolver/neighbour_demand.hpp"

namespace culvert::control {

// A network of the configuration with what its names stand for.
struct L3Spec {
  dataplane::NetworkId id = 0;
  config::Network network;
  std::vector<TunnelEnd> tunnels;
  std::vector<PortEnd> ports;
};

class L3Networks final : private mirror::Listener {
 public:
  // All outlive the object. `used` is told, every other second, of neighbours that packets went to meanwhile:
  // the kernel sees none of them, and must be told to find out a MAC that has changed.
  using Used = std::function<void(const NeighbourKey&)>;
  // `hops_end`: hops have numbers below it.
  L3Networks(mirror::Mirror& mirror, dataplane::Dataplane& dataplane, rcu::Domain& domain, Used used,
             dataplane::HopId hops_end = dataplane::kMaxHops);
  ~L3Networks() override;

  // To be called before Dataplane::set_networks() has them: those that are new get their tables, and all
  // their routes into them. The others stay as they are.
  void add(const std::vector<L3Spec>& specs, TimePoint now);
  // All that there are, after Dataplane::set_networks() has them. Their routes are in force when it returns.
  void set(const std::vector<L3Spec>& specs, TimePoint now);

  // The port's device is gone for good: ways out of it are dead.
  void remove_port(dataplane::PortIndex port);

  // Each turn: what changed since, within a budget; neighbours that are waited for.
  void flush(TimePoint now);
  // The tables do not have all of it yet.
  bool is_behind() const;

 private:
  struct Network {
    Network(L3Spec wanted, const mirror::Mirror& mirror, dataplane::Dataplane& dataplane, HopIds& ids,
            resolver::NeighbourDemand& demand)
        : spec(std::move(wanted)),
          hops(mirror, dataplane, ids, demand),
          routes(mirror, *dataplane.routes(spec.id), hops) {}
    L3Spec spec;
    L3Hops hops;
    L3Network routes;
  };

  void on_link(const mirror::Link* before, const mirror::Link* after) override;
  void on_neighbour(const mirror::Neighbour* before, const mirror::Neighbour* after) override;
  void on_nexthop(const mirror::Nexthop* before, const mirror::Nexthop* after) override;
  void on_route(const net::Prefix& dst, const mirror::Path* before, const mirror::Path* after) override;

  void enter(const L3Spec& spec);
  void fill(Network& network, TimePoint now);
  void flush_routes(TimePoint now);
  void update_networks();
  void update_links(const std::set<int>& ifindexes);
  void update_sources(Network& network) const;
  void set_station(const mirror::Neighbour& neighbour);
  void set_stations(int ifindex);
  void forget_stations(int ifindex);
  void tell_used(TimePoint now);
  void want_neighbour(dataplane::PortIndex port, const net::IpAddr& ip);

  mirror::Mirror& mirror_;
  dataplane::Dataplane& dataplane_;
  HopIds ids_;
  resolver::NeighbourDemand demand_;
  std::map<dataplane::NetworkId, std::unique_ptr<Network>> networks_;
  std::multimap<uint32_t, Network*> by_table_;           // whose source that table of the kernel's is
  dataplane::NetworkId next_network_ = 0;                // whose routes come first in the next turn
  std::map<std::string, dataplane::PortIndex> netdevs_;  // of the ports of all networks
  std::map<int, dataplane::PortIndex> ports_;            // by the ifindex of their links
  // Since the last flush().
  std::set<int> changed_links_;
  bool networks_changed_ = false;  // or a VRF

  // The stations whose MAC is known on those links, each with its hop.
  struct Station {
    dataplane::PortIndex port;
    dataplane::HopId hop;  // or HopIds::kNone
    uint32_t used_s = 0;   // as in L3Hops
  };
  std::map<NeighbourKey, Station> stations_;
  std::set<NeighbourKey> changed_;  // neighbours, since the last flush()
  std::set<NeighbourKey> refused_;  // stations that found no number for their hop
  uint64_t freed_ = 0;              // HopIds::freed() when they were last tried

  std::set<NeighbourKey> asked_;  // of the kernel within this second
  TimePoint second_{};            // when it began

  const Used used_;
  // Of tell_used(): the next round, and how far this one is.
  TimePoint next_look_{};
  NeighbourKey next_station_{};
  bool stations_told_ = false;
  dataplane::NetworkId told_network_ = 0;
  dataplane::HopId told_hop_ = 0;
};

}  // namespace culvert::control
