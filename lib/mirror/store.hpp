// The tables, their indexes, and the listeners: every change goes through here, is entered everywhere, and is
// told once. Knows nothing of events or of the kernel's rules.
//
// Marks: each message of a dump has a number; an object that the dump confirmed carries it. What carries an
// older one when the dump is over is no longer in the kernel.
#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "mirror/listeners.hpp"
#include "mirror/route_table.hpp"
#include "mirror/table.hpp"

namespace culvert::mirror {

class Store {
 public:
  template <typename T>
  struct Change {
    std::optional<T> before;
    bool changed = false;
  };

  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  Listeners& listeners() { return listeners_; }
  const Listeners& listeners() const { return listeners_; }

  template <typename T>
  const Table<T>& table() const {
    return std::get<Table<T>>(tables_);
  }
  const RouteTable& routes() const { return routes_; }

  template <typename T>
  bool confirm(const T& object, uint64_t mark) {
    return std::get<Table<T>>(tables_).confirm(object, mark);
  }
  template <typename T>
  Change<T> put(const T& object, uint64_t mark) {
    Table<T>& objects = std::get<Table<T>>(tables_);
    Change<T> change{objects.put(object, mark), true};
    change.changed = change.before != object;
    if (!change.changed) return change;
    const T* before = change.before ? &*change.before : nullptr;
    if (before != nullptr) index(*before, false);
    index(object, true);
    listeners_.tell(before, &object);
    return change;
  }
  template <typename T>
  std::optional<T> erase(const typename Table<T>::Key& key) {
    std::optional<T> before = std::get<Table<T>>(tables_).erase(key);
    if (!before) return before;
    index(*before, false);
    listeners_.tell<T>(&*before, nullptr);
    return before;
  }

  // Routes. The hops of one with a nexthop object are completed from the object where the kernel did not tell
  // them (net.ipv4.nexthop_compat_mode=0).
  bool confirm(const Route& route, uint64_t mark, uint64_t oldest) {
    return routes_.confirm(completed(route), mark, oldest);
  }
  void put(const Route& route, RouteTable::Place place, uint64_t mark, uint64_t oldest) {
    routes_.put(completed(route), place, mark, oldest, tell_);
  }
  void remove(const Route& route) { routes_.remove(completed(route), tell_); }
  void revise_on_link(int ifindex, const RouteTable::Rule& rule) {
    routes_.revise_on_link(ifindex, rule, tell_);
  }
  void revise_with_prefsrc(const net::IpAddr& ip, const RouteTable::Rule& rule) {
    routes_.revise_with_prefsrc(ip, rule, tell_);
  }
  void erase_routes_on_nexthop(uint32_t id) {
    routes_.revise_on_nexthop(
        id, [](const Route&) { return std::nullopt; }, tell_);
  }
  // Gives the routes on a nexthop object its present hops.
  void update_routes_on_nexthop(uint32_t id);

  // By reference. Copies: the caller changes what he walks.
  std::vector<Table<Address>::Key> addresses_on(int ifindex) const { return addresses_on_.copy(ifindex); }
  std::vector<Table<Neighbour>::Key> neighbours_on(int ifindex) const { return neighbours_on_.copy(ifindex); }
  std::vector<uint32_t> nexthops_on(int ifindex) const { return nexthops_on_.copy(ifindex); }
  std::vector<uint32_t> groups_with(uint32_t id) const { return groups_with_.copy(id); }
  bool has_ipv4_address(int ifindex) const;
  const Address* address(const net::IpAddr& ip) const;
  const Link* link_by_name(const std::string& name) const;

  // Tells `listener` all that is there.
  void replay(Listener& listener) const;

 private:
  void index(const Link& link, bool add);
  void index(const Address& address, bool add);
  void index(const Neighbour& neighbour, bool add);
  void index(const Nexthop& nexthop, bool add);
  Route completed(Route route) const;
  Route with_present_hops(const Route& route, const Nexthop& nexthop) const;

  std::tuple<Table<Link>, Table<Address>, Table<Neighbour>, Table<Nexthop>> tables_;
  RouteTable routes_;
  std::unordered_map<std::string, int> link_names_;
  Index<int, Table<Address>::Key> addresses_on_;
  Index<net::IpAddr, Table<Address>::Key> addresses_with_;
  Index<int, Table<Neighbour>::Key> neighbours_on_;
  Index<int, uint32_t> nexthops_on_;
  Index<uint32_t, uint32_t> groups_with_;
  Listeners listeners_;
  const RouteTable::Changed tell_ = [this](const Route* before, const Route* after) {
    listeners_.tell(before, after);
  };
};

}  // namespace culvert::mirror
