// The routes, with the kernel's own notion of which of them are the same.
//
// A prefix of a table holds several routes, ordered as the kernel looks at them: higher TOS first, then lower
// metric, then the order in which they were put there (fib_trie.c, fib_insert_alias; ip6_fib.c,
// fib6_add_rt2node).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "mirror/table.hpp"
#include "netlink/objects.hpp"

namespace culvert::mirror {

using netlink::Hop;
using netlink::Route;

class RouteTable {
 public:
  // Told of each change; null as in Listener::on_route.
  using Changed = std::function<void(const Route* before, const Route* after)>;
  // What becomes of a route: nullopt: it goes.
  using Rule = std::function<std::optional<Route>(const Route&)>;

  // How a new route finds its place (flags of its RTM_NEWROUTE).
  enum class Place {
    first,    // before its equals: plain add of IPv4
    last,     // after its equals: NLM_F_APPEND
    replace,  // instead of its first equal: NLM_F_REPLACE
    dumped,   // by its mark; instead of an equal that the dump did not confirm
  };

  struct Key {
    uint32_t table;
    net::Prefix dst;
    bool operator==(const Key&) const = default;
  };

  struct Entry {
    Route route;
    uint64_t mark;
  };
  struct Node {
    Key key;
    std::vector<Entry> entries;
  };

  size_t size() const { return size_; }
  // Mirror::lookup().
  const Route* lookup(uint32_t table, const net::IpAddr& ip) const;
  std::vector<const Route*> sorted() const;

  // As of Table. `oldest` is the first mark of the running dump. A route that no longer stands where it stood
  // among its equals is not confirmed, and put() as dumped takes it away and enters it anew.
  bool confirm(const Route& route, uint64_t mark, uint64_t oldest);
  void put(Route route, Place place, uint64_t mark, uint64_t oldest, const Changed& changed);
  std::vector<Route> older_than(uint64_t mark) const;

  // RTM_DELROUTE: takes away the route, or of an IPv6 multipath route the siblings told.
  void remove(const Route& told, const Changed& changed);

  // Applies a rule to every route with a hop on the link, on the nexthop object, with the preferred source.
  void revise_on_link(int ifindex, const Rule& rule, const Changed& changed);
  void revise_on_nexthop(uint32_t id, const Rule& rule, const Changed& changed);
  void revise_with_prefsrc(const net::IpAddr& ip, const Rule& rule, const Changed& changed);

 private:
  struct Hash {
    size_t operator()(const Key& key) const {
      return net::hash_combine(std::hash<net::Prefix>{}(key.dst), key.table);
    }
  };
  struct Lengths {  // of one table and family: how many prefixes of each length
    std::array<uint32_t, 129> count{};
    size_t total = 0;
  };

  Entry* find_same(Node& node, const Route& route);
  Entry* find_replaced(Node& node, const Route& route, Place place, uint64_t oldest);
  static bool is_overtaken(const Node& node, const Entry& entry, uint64_t oldest);
  static size_t position(const Node& node, const Route& route, Place place, uint64_t mark);

  Node& node_of(const Route& route);
  void drop_if_empty(Node& node);
  void change(Node& node, Entry& entry, Route after, const Changed& changed);
  void take(Node& node, size_t index, const Changed& changed);
  template <typename Concerned>
  void revise(const std::vector<Node*>& nodes, const Concerned& concerned, const Rule& rule,
              const Changed& changed);
  void index(Node& node, const Route& route, bool add);
  void reindex(Node& node);

  std::unordered_map<Key, Node, Hash> nodes_;  // a node stays where it is: the indexes point to it
  std::map<std::pair<uint32_t, net::Family>, Lengths> lengths_;
  Index<int, Node*> on_link_;
  Index<uint32_t, Node*> on_nexthop_;
  Index<net::IpAddr, Node*> with_prefsrc_;
  size_t size_ = 0;
};

}  // namespace culvert::mirror
