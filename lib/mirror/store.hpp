// The tables, their indexes, and who is told: every change goes through here, is entered everywhere, and is
// told once. Knows nothing of events or of the kernel's rules.
//
// Marks: each message of a dump has a number; an object that the dump confirmed carries it. What carries an
// older one when the dump is over is no longer in the kernel.
//
// Written by the control lcore. for_each_object() and routes().for_each() are for readers of the change
// counter too (changes.hpp).
#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "mirror/changes.hpp"
#include "mirror/policy.hpp"
#include "mirror/route_table.hpp"
#include "mirror/table.hpp"
#include "rcu/domain.hpp"

namespace culvert::mirror {

class Store {
 public:
  template <typename T>
  struct Change {
    const T* before = nullptr;  // good until reclaim()
    bool changed = false;
  };

  explicit Store(rcu::Domain& domain) : retired_(domain) {}
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  Changes& changes() { return changes_; }
  const Changes& changes() const { return changes_; }
  // Frees at most `budget` of what was replaced and no reader can see any more.
  void reclaim(size_t budget) { retired_.reclaim(budget); }

  template <typename T>
  const Table<T>& table() const {
    return std::get<Table<T>>(tables_);
  }
  const RouteTable& routes() const { return routes_; }
  void forget_marks() {
    std::apply([](auto&... tables) { (tables.forget_marks(), ...); }, tables_);
    routes_.forget_marks();
  }

  template <typename T>
  bool confirm(const T& object, Mark mark) {
    return std::get<Table<T>>(tables_).confirm(object, mark);
  }
  template <typename T>
  Change<T> put(const T& object, Mark mark) {
    Table<T>& objects = std::get<Table<T>>(tables_);
    const T* before = objects.find(object.key());
    if (before != nullptr && objects.confirm(object, mark)) return {before, false};
    const Changes::Writing writing(changes_);
    objects.put(object, mark);
    if (before != nullptr) index(*before, false);
    index(object, true);
    changes_.tell(before, &object);
    return {before, true};
  }
  // What was there; null: nothing. Good until reclaim().
  template <typename T>
  const T* erase(const typename Table<T>::Key& key) {
    const Changes::Writing writing(changes_);
    const T* before = std::get<Table<T>>(tables_).erase(key);
    if (before == nullptr) return nullptr;
    index(*before, false);
    changes_.tell<T>(before, nullptr);
    return before;
  }

  // Routes, as RouteTable. What a nexthop object says of a route is not kept with it: the object is asked.
  bool confirm(const Route& route, Mark mark, Mark oldest);
  RouteTable::RowId prepare(const Route& route, Mark mark);
  void prefetch(RouteTable::RowId row) const { routes_.prefetch(row); }
  void put(RouteTable::RowId row, RouteTable::Place place, Mark oldest) {
    const Changes::Writing writing(changes_);
    routes_.put(row, place, oldest);
  }
  void discard(RouteTable::RowId row) { routes_.discard(row); }
  void remove(RouteTable::RowId row) {
    const Changes::Writing writing(changes_);
    routes_.remove(row);
  }
  void remove(const Route& told);
  void revise_on_link(int ifindex, const RouteTable::Rule& rule) {
    const Changes::Writing writing(changes_);
    routes_.revise_on_link(ifindex, rule);
  }
  void revise_with_prefsrc(const net::IpAddr& ip, const RouteTable::Rule& rule) {
    const Changes::Writing writing(changes_);
    routes_.revise_with_prefsrc(ip, rule);
  }
  void erase_routes_on_nexthop(uint32_t id) {
    const Changes::Writing writing(changes_);
    routes_.revise_on_nexthop(id, [](const Path&) { return std::nullopt; });
  }
  // Mirror::lookup(), and all of them, with the present hops and type of those on nexthop objects.
  std::optional<Route> lookup(uint32_t table, const net::IpAddr& ip) const;
  Route route(const RouteTable::Found& found) const;
  // Mirror::best(), Mirror::visit_best() and Mirror::present().
  const Path* best(uint32_t table, const net::Prefix& dst) const;
  bool visit_best(uint32_t table, uint32_t& from, size_t budget,
                  const std::function<void(const net::Prefix&, const Path&)>& visit) const;
  Path with_present_hops(const Path& path) const;
  // Mirror::route_to().
  std::optional<Route> route_to(const Flow& flow) const;
  const Policy& policy() const { return policy_; }

  // By reference. Copies: the caller changes what he walks.
  std::vector<Table<Address>::Key> addresses_on(int ifindex) const { return addresses_on_.copy(ifindex); }
  std::vector<Table<Neighbour>::Key> neighbours_on(int ifindex) const { return neighbours_on_.copy(ifindex); }
  std::vector<uint32_t> nexthops_on(int ifindex) const { return nexthops_on_.copy(ifindex); }
  std::vector<uint32_t> groups_with(uint32_t id) const { return groups_with_.copy(id); }
  bool has_ipv4_address(int ifindex) const;
  const Address* address(const net::IpAddr& ip) const;
  const Link* link_by_name(const std::string& name) const;

  // Everything but routes: what others refer to first.
  template <typename Visit>
  void for_each_object(const Visit& visit) const {
    table<Link>().for_each(visit);
    table<Address>().for_each(visit);
    table<Nexthop>().for_each(visit);
    table<Neighbour>().for_each(visit);
    table<PolicyRule>().for_each(visit);
  }
  // Tells `listener` all that is there.
  void replay(Listener& listener) const;

 private:
  void index(const Link& link, bool add);
  void index(const Address& address, bool add);
  void index(const Neighbour& neighbour, bool add);
  void index(const Nexthop& nexthop, bool add);
  void index(const PolicyRule& rule, bool add) { add ? policy_.add(rule) : policy_.remove(rule); }

  rcu::RetireQueue retired_;  // outlives the tables
  std::tuple<Table<Link>, Table<Address>, Table<Neighbour>, Table<Nexthop>, Table<PolicyRule>> tables_{
      retired_, retired_, retired_, retired_, retired_};
  Changes changes_;
  RouteTable routes_{retired_, [this](const net::Prefix& dst, const Path* before, const Path* after) {
                       changes_.tell_route(dst, before, after);
                     }};
  std::unordered_map<std::string, int> link_names_;
  Index<int, Table<Address>::Key> addresses_on_;
  Index<net::IpAddr, Table<Address>::Key> addresses_with_;
  Index<int, Table<Neighbour>::Key> neighbours_on_;
  Index<int, uint32_t> nexthops_on_;
  Index<uint32_t, uint32_t> groups_with_;
  Policy policy_;
};

}  // namespace culvert::mirror
