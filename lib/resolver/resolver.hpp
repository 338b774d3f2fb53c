// Resolves every tunnel to one adjacency: tunnel x route x nexthop x neighbour -> EncapRule, or a reason why
// not.
//
// Driven by the mirror's changes through a dependency index: each adjacency remembers what it was computed
// from (its local address, its remote in its table, the links of its hop, its neighbour), and a change makes
// just the adjacencies that it concerns dirty. flush() then computes each of those once, however many changes
// met it, and reports what differs. Nothing ever scans all tunnels.
//
// Control lcore only.
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
#include "mirror/mirror.hpp"
#include "resolver/neighbour_demand.hpp"
#include "resolver/reason.hpp"
#include "tunnel/encap_rule.hpp"
#include "tunnel/tunnel.hpp"

namespace culvert::resolver {

using EncapId = uint32_t;

// A culvert port and the kernel link that it is.
struct PortLink {
  uint16_t port = 0;   // the port's index
  std::string netdev;  // the link's name; links are found by it whenever they appear
};

// One tunnel towards one remote. The key is (tunnel, remote, table), so that one tunnel may have many remotes
// later.
struct Adjacency {
  EncapId id = 0;
  tunnel::Tunnel tunnel;
  std::optional<tunnel::EncapRule> rule;  // set: resolved
  Reason reason = Reason::none;
  std::string reason_text;                // for a person; empty when resolved
  std::optional<NeighbourKey> neighbour;  // the one it stands on or waits for
};

class Resolver : public mirror::Listener {
 public:
  using OnChange = std::function<void(const Adjacency&)>;

  // `mirror` outlives the resolver; `on_change` is called by add() and flush() for each adjacency whose
  // outcome is new.
  Resolver(mirror::Mirror& mirror, std::vector<PortLink> ports, OnChange on_change);
  ~Resolver() override;

  // Resolves at once. Ids are reused after remove().
  EncapId add(const tunnel::Tunnel& tunnel, TimePoint now);
  // The encap is another tunnel's from now on, in one step.
  void change(EncapId id, const tunnel::Tunnel& tunnel, TimePoint now);
  void remove(EncapId id);

  const Adjacency& at(EncapId id) const { return rows_.at(id).adjacency; }
  // Those whose tunnel has this local address.
  std::vector<EncapId> encaps_from(const net::IpAddr& local) const;
  // How many encaps stand on this neighbour, or wait for it.
  size_t encaps_on(const NeighbourKey& key) const;

  // Packets went out by an encap on this neighbour (keepalive.hpp): the kernel is told so of a REACHABLE or
  // STALE one. The others are the operator's, or being confirmed or resolved already.
  void used(const NeighbourKey& key);

  // The port's device is gone for good, whatever the kernel says of its link.
  void remove_port(uint16_t port);

  // Computes what the changes since the last call concern.
  void flush(TimePoint now);

  // Back-off of neighbours that encaps wait for.
  std::optional<TimePoint> next_timer() const { return demand_.next(); }
  void run_timers(TimePoint now) { demand_.run(now); }

 private:
  struct Row {
    Adjacency adjacency;
    std::vector<int> links;          // ifindexes that the outcome depends on
    std::vector<uint32_t> nexthops;  // likewise, nexthop objects
    bool waits = false;              // counted in demand_ for adjacency.neighbour
  };
  struct Path;

  void on_link(const mirror::Link* before, const mirror::Link* after) override;
  void on_address(const mirror::Address* before, const mirror::Address* after) override;
  void on_neighbour(const mirror::Neighbour* before, const mirror::Neighbour* after) override;
  void on_nexthop(const mirror::Nexthop* before, const mirror::Nexthop* after) override;
  void on_rule(const mirror::PolicyRule* before, const mirror::PolicyRule* after) override;
  void on_route(const net::Prefix& dst, const mirror::Path* before, const mirror::Path* after) override;

  void update(Row& row, TimePoint now, bool is_new);
  void index(const Row& row);
  void unindex(const Row& row);

  // The steps of a resolution; each leaves its reason in the adjacency and returns false where the walk ends.
  void resolve(Row& row) const;
  bool find_route(Row& row, Path& path) const;
  const mirror::Nexthop* find_nexthop(Row& row, const mirror::Path& path) const;
  bool choose_hop(Row& row, Path& path) const;
  bool find_port(Row& row, Path& path) const;
  bool find_neighbour(Row& row, Path& path) const;
  bool is_usable(const mirror::Hop& hop) const;
  std::string link_name(int ifindex) const;

  mirror::Mirror& mirror_;
  struct KnownPort {
    uint16_t port = 0;
    bool removed = false;
  };
  std::unordered_map<std::string, KnownPort> ports_;  // by netdev
  OnChange on_change_;
  NeighbourDemand demand_;

  std::unordered_map<EncapId, Row> rows_;
  std::set<EncapId> free_ids_;  // below rows_.size() + free_ids_.size()
  std::set<EncapId> dirty_;

  // The dependency index. Ordered by key, so that what depends on a key (or, for remotes, on a prefix) stands
  // together.
  template <typename Key>
  using Index = std::set<std::pair<Key, EncapId>>;
  Index<std::pair<uint32_t, net::IpAddr>> by_remote_;  // (table, remote)
  Index<net::IpAddr> by_local_;
  Index<NeighbourKey> by_neighbour_;
  Index<int> by_link_;
  Index<uint32_t> by_nexthop_;

  template <typename Key>
  void mark_dirty(const Index<Key>& index, const Key& key) {
    for (auto entry = index.lower_bound({key, 0}); entry != index.end() && entry->first == key; ++entry)
      dirty_.insert(entry->second);
  }
};

}  // namespace culvert::resolver
