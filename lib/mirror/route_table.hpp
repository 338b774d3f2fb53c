// The routes, with the kernel's own notion of which of them are the same.
//
// A prefix of a table holds several routes, ordered as the kernel looks at them: higher TOS first, then lower
// metric, then the order in which they were put there (fib_trie.c, fib_insert_alias; ip6_fib.c,
// fib6_add_rt2node).
//
// A route is a row of 40 bytes: its destination and the number of its path, which it shares with all that
// lead the same way (path_table.hpp). The rows of a prefix are chained in their order, and the first is found
// by an index of 8 bytes a place; those of a path are chained too, so that what happens to a link finds its
// routes. Written by the control lcore; for_each() is for readers of the change counter (changes.hpp), who
// throw away what they saw if it moved meanwhile: a row may then have been half of one route and half of
// another.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "mirror/chunks.hpp"
#include "mirror/path_table.hpp"
#include "mirror/prefix_index.hpp"

namespace culvert::mirror {

using netlink::Hop;
using netlink::Route;

class RouteTable {
 public:
  // Told of each change; null as in Listener::on_route.
  using Changed = std::function<void(const net::Prefix& dst, const Path* before, const Path* after)>;
  // What becomes of the routes of a path: nullopt: they go.
  using Rule = std::function<std::optional<Path>(const Path&)>;
  using RowId = uint32_t;

  // How a new route finds its place (flags of its RTM_NEWROUTE).
  enum class Place {
    first,    // before its equals: plain add of IPv4
    last,     // after its equals: NLM_F_APPEND
    replace,  // instead of its first equal: NLM_F_REPLACE
    dumped,   // by its mark; instead of an equal that the dump did not confirm
  };

  struct Found {
    net::Prefix dst;
    const Path* path;
  };

  RouteTable(rcu::RetireQueue& retired, Changed changed) : paths_(retired), changed_(std::move(changed)) {}

  size_t size() const { return size_; }
  // The first route that covers `ip` and is for no TOS of its own, longest prefix first, for whose path
  // `usable` holds.
  std::optional<Found> lookup(uint32_t table, const net::IpAddr& ip,
                              const std::function<bool(const Path&)>& usable) const;
  // The first of those with exactly this destination that is for no TOS of its own and for whose path
  // `usable` holds. Null: none.
  const Path* best(uint32_t table, const net::Prefix& dst,
                   const std::function<bool(const Path&)>& usable) const;
  // Visits that of each destination of the table whose first route is among the `budget` rows from `from` on,
  // in no order, and moves `from` on. False: there are no more rows. What changes between two calls may be
  // visited twice, or as it was.
  bool visit_best(uint32_t table, RowId& from, size_t budget, const std::function<bool(const Path&)>& usable,
                  const std::function<void(const net::Prefix&, const Path&)>& visit) const;
  // By table, prefix, and the kernel's order.
  std::vector<Found> sorted() const;

  // As of Table. `oldest` is the first mark of the running dump. A route that no longer stands where it stood
  // among its equals is not confirmed, and put() as dumped takes it away and enters it anew.
  bool confirm(const Route& route, Mark mark, Mark oldest);
  // A row that nobody sees until it is put, which it is once, or discarded.
  RowId prepare(const Route& route, Mark mark);
  void put(RowId row, Place place, Mark oldest);
  void discard(RowId row);
  // Of a row that is about to be put.
  void prefetch(RowId row) const { index_.prefetch(hash_of(key_of(row))); }

  std::vector<RowId> older_than(Mark mark) const;
  void forget_marks();
  Found at(RowId row) const { return {prefix_of(row), path_of(row)}; }

  void remove(RowId row);
  // RTM_DELROUTE: takes away the route, or of an IPv6 multipath route the siblings told.
  void remove(const Route& told);

  // Applies a rule to every route with a hop on the link, on the nexthop object, with the preferred source.
  void revise_on_link(int ifindex, const Rule& rule) { revise(paths_.on_link(ifindex), rule); }
  void revise_on_nexthop(uint32_t id, const Rule& rule) { revise(paths_.on_nexthop(id), rule); }
  void revise_with_prefsrc(const net::IpAddr& ip, const Rule& rule) { revise(paths_.with_prefsrc(ip), rule); }

  // Readers.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (RowId row = 0; row < rows_.size(); ++row) {
      const uint64_t info = load(rows_[row].info);
      if ((info & kPresent) != 0) visit(prefix_of(row), static_cast<PathId>(info >> 32));
    }
  }
  const Path* path(PathId id) const { return paths_.at(id); }

 private:
  struct Row {
    uint64_t address[2];  // as on the wire; IPv4 in the first four bytes; also read by others
    uint64_t info;        // path << 32, kPresent, kIpv4, length; likewise
    Mark mark;
    RowId next;                      // of the same prefix; kNone: the last
    RowId path_before, path_behind;  // of the same path; likewise
  };
  static_assert(sizeof(Row) == 40);
  static constexpr RowId kNone = UINT32_MAX;
  static constexpr Mark kAnyMark = UINT32_MAX;
  static constexpr uint64_t kPresent = 1 << 16, kIpv4 = 1 << 17;

  struct Key {
    std::array<uint64_t, 2> address;
    uint32_t table;
    bool v4;
    uint8_t length;
  };
  struct Lengths {  // of one table and family: how many prefixes of each length
    std::array<uint32_t, 129> count{};
    size_t total = 0;
  };
  using Rows = std::vector<RowId>;

  // Release and acquire keep them behind and ahead of the change counter (changes.hpp).
  static uint64_t load(uint64_t& word) { return std::atomic_ref(word).load(std::memory_order_acquire); }
  static void store(uint64_t& word, uint64_t value) {
    std::atomic_ref(word).store(value, std::memory_order_release);
  }

  static Key key_of(uint32_t table, const net::Prefix& dst);
  static uint32_t hash_of(const Key& key);
  Key key_of(RowId row) const;
  bool has_key(RowId row, const Key& key) const;
  net::Prefix prefix_of(RowId row) const;
  PathId path_id(RowId row) const { return static_cast<PathId>(rows_[row].info >> 32); }
  const Path* path_of(RowId row) const { return paths_.at(path_id(row)); }

  // The rows of a prefix, in order. The scratch is overwritten by the next call.
  const Rows& chain(const Key& key) const;
  RowId first_of(const Key& key) const;  // kNone: there is none
  // Of a prefix's rows from its first on.
  const Path* best_from(RowId row, const std::function<bool(const Path&)>& usable) const;
  RowId find_same(const Rows& rows, const Path& path, Mark below) const;  // of those with a lower mark
  RowId find_replaced(const Rows& rows, const Path& path, Place place, Mark oldest) const;
  bool is_overtaken(const Rows& rows, RowId row, Mark oldest) const;
  size_t position(const Rows& rows, RowId row, Place place) const;

  void enter(const Rows& rows, const Key& key, RowId row, size_t at);
  void count(const Key& key, bool add);
  void set_path(RowId row, PathId path, uint64_t flags);
  void link_to_path(RowId row);
  void unlink_from_path(RowId row);
  void change(RowId row, PathId after);
  void revise(const std::vector<PathId>& paths, const Rule& rule);

  Chunks<Row> rows_;
  std::vector<RowId> free_;
  PathTable paths_;
  std::vector<RowId> first_of_path_;  // by path
  PrefixIndex index_;                 // the first row of each prefix
  std::map<std::pair<uint32_t, net::Family>, Lengths> lengths_;
  mutable Rows chain_;  // scratch
  size_t size_ = 0;
  const Changed changed_;
};

}  // namespace culvert::mirror
