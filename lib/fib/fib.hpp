// Where the packet path looks a route up: longest prefix match for IPv4 and IPv6, one table a kernel table.
//
// A trie of 8-bit strides whose nodes are immutable but for the pointers to their children. A node has the
// routes of the eight prefix lengths below its depth, laid out as runs of equal next hops, and its children;
// both are found by counting bits (Asai and Ohara, "Poptrie", SIGCOMM 2015; the routes stay with their node
// as in Eatherton, Varghese and Dittia, "Tree Bitmap", CCR 34/2, 2004, so that a change concerns one node). A
// change makes that node anew beside the old one, stores one pointer, and retires the old one by RCU: a
// look-up sees all of a change or nothing of it. A table of more than a few thousand routes also has a front:
// for each value of the first two bytes the node there and the best of the shorter routes, so that a look-up
// begins at depth 16.
//
// Why not rte_fib: it may not be changed while it is read, its DIR24_8 has 64 MiB a table however few the
// routes, and its rte_fib6 needs 512 MiB for 200,000 routes. Measured beside it: doc/fib.md.
#pragma once

#include <rte_prefetch.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rcu/domain.hpp"
#include "rcu/published.hpp"

namespace culvert::fib {

using Hop = uint32_t;  // the user's number of a next hop
inline constexpr Hop kNoRoute = 0;

template <size_t kBytes>
using Address = std::array<uint8_t, kBytes>;  // network order

template <size_t kBytes>
struct Route {
  Address<kBytes> address{};  // host bits are zero
  uint8_t length = 0;
  Hop hop = kNoRoute;

  auto operator<=>(const Route&) const = default;  // the order of Table::load()
};

namespace detail {

// A route of a node: of `length` bits below its depth.
struct OwnRoute {
  uint8_t bits = 0;    // the next byte, host bits zero
  uint8_t length = 0;  // 1..8
  Hop hop = kNoRoute;

  bool operator==(const OwnRoute&) const = default;
};

struct Node;
using NodePointer = std::atomic<Node*>;

// Behind it, in one piece of memory, stand the pointers to its children, the hops of its runs and its own
// routes.
struct alignas(16) Node {
  // Of the next byte's values, 64 a word: which have a child, and with which a run of equal hops begins.
  struct Word {
    uint64_t children = 0, runs = 0;
  };
  std::array<Word, 4> words;
  std::array<uint8_t, 4> children_before{}, runs_before{};  // bits set in the words before
  uint16_t child_count = 0, run_count = 0, own_count = 0;

  NodePointer* children() const { return reinterpret_cast<NodePointer*>(const_cast<Node*>(this) + 1); }
  Hop* runs() const { return reinterpret_cast<Hop*>(children() + child_count); }
  OwnRoute* own() const { return reinterpret_cast<OwnRoute*>(runs() + run_count); }

  const Hop& hop(uint8_t byte) const {
    const unsigned word = byte / 64;
    const uint64_t upto = ~uint64_t{0} >> (63 - byte % 64);
    // The first run begins with 0: there is always one.
    return runs()[runs_before[word] + static_cast<unsigned>(std::popcount(words[word].runs & upto)) - 1];
  }
  // Null: it has none there.
  NodePointer* child(uint8_t byte) const {
    const unsigned word = byte / 64;
    const uint64_t bit = uint64_t{1} << byte % 64;
    if ((words[word].children & bit) == 0) return nullptr;
    return &children()[children_before[word] +
                       static_cast<unsigned>(std::popcount(words[word].children & (bit - 1)))];
  }
  void prefetch() const {
    rte_prefetch0(this);
    rte_prefetch0(reinterpret_cast<const char*>(this) + 64);
  }
};
static_assert(sizeof(Node) == 80);

// For each value of an address's first two bytes.
struct Front {
  std::array<NodePointer, 65536> nodes{};      // of depth 16, or null
  std::array<std::atomic<Hop>, 65536> hops{};  // of the longest route of at most 16 bits
};

// Where look-ups begin.
struct Top {
  std::atomic<Hop> fallback{kNoRoute};  // of the default route
  NodePointer root{nullptr};
  std::unique_ptr<Front> front;  // null: the table is small
};

}  // namespace detail

// One writer, readers that are online in the RCU domain.
template <size_t kBytes>
class Table {
 public:
  using Address = fib::Address<kBytes>;
  using Route = fib::Route<kBytes>;

  // What is replaced goes to `retired`, which is the writer's and outlives the table.
  explicit Table(rcu::RetireQueue& retired);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table();  // no reader may be online any more

  // --- The writer.

  // Adds the route or changes its hop. Returns the hop before; kNoRoute: the route is new.
  Hop set(const Route& route);
  // Returns its hop; kNoRoute: there is no such route.
  Hop erase(const Address& address, unsigned length);
  // Replaces all that is in it, in one step for each look-up. The routes are sorted and no prefix is there
  // twice.
  void load(std::span<const Route> routes);
  size_t size() const { return size_; }
  size_t memory_bytes() const { return memory_bytes_; }

  // --- Readers. kNoRoute: there is none.

  static constexpr size_t kBulk = 64;

  Hop find(const Address& address) const {
    Hop hop;
    find(&address, &hop, 1);
    return hop;
  }

  // `count` of them, at most kBulk. They go down side by side, a depth at a time, so that the cache misses of
  // all pass at the same time.
  void find(const Address* addresses, Hop* hops, size_t count) const {
    std::array<Walk, kBulk> walks;
    size_t under_way = 0;
    size_t at = begin(addresses, hops, count, walks, under_way);
    // The depth of a node is below the width of an address, so `at` stays in it.
    for (; under_way != 0; ++at) {
      for (size_t i = 0; i < under_way; ++i) {
        Walk& walk = walks[i];
        const uint8_t byte = addresses[walk.key][at];
        walk.hop = &walk.node->hop(byte);
        walk.child = walk.node->child(byte);
        rte_prefetch0(walk.hop);
        rte_prefetch0(walk.child);
      }
      size_t going_on = 0;
      for (size_t i = 0; i < under_way; ++i) {
        const Walk walk = walks[i];
        if (*walk.hop != kNoRoute) hops[walk.key] = *walk.hop;
        if (walk.child == nullptr) continue;
        const Node* const next = walk.child->load(std::memory_order_acquire);
        next->prefetch();
        walks[going_on++] = {next, nullptr, nullptr, walk.key};
      }
      under_way = going_on;
    }
  }

 private:
  using Node = detail::Node;
  struct Walk {
    const Node* node;
    const Hop* hop;
    const detail::NodePointer* child;
    size_t key;
  };

  // Where each of them begins; their depth, in bytes.
  size_t begin(const Address* addresses, Hop* hops, size_t count, std::array<Walk, kBulk>& walks,
               size_t& under_way) const {
    const detail::Top& top = *top_.load();
    const detail::Front* const front = top.front.get();
    const auto start = [&](size_t key, const Node* node) {
      if (node == nullptr) return;
      node->prefetch();
      walks[under_way++] = {node, nullptr, nullptr, key};
    };
    for (size_t i = 0; i < count; ++i) {
      if (front == nullptr) {
        hops[i] = top.fallback.load(std::memory_order_relaxed);
        start(i, top.root.load(std::memory_order_acquire));
        continue;
      }
      const size_t index = static_cast<size_t>(addresses[i][0]) << 8 | addresses[i][1];
      hops[i] = front->hops[index].load(std::memory_order_relaxed);
      start(i, front->nodes[index].load(std::memory_order_acquire));
    }
    return front == nullptr ? 0 : 2;
  }

  Node* changed(Node* node, unsigned depth, const Route& route);
  Node* with_own(const Node* node, const detail::OwnRoute& route);
  Node* with_child(const Node* node, uint8_t byte, Node* child);
  Node* build(std::span<const Route> routes, unsigned depth);
  Node* make(std::span<const detail::OwnRoute> own, std::span<const std::pair<uint8_t, Node*>> children);
  Hop change(const Route& route);
  void refresh_front(const Route& route);
  static void fill_front(detail::Top& top, size_t first, size_t count);
  void publish(std::unique_ptr<detail::Top> top);
  void drop(Node* node);

  rcu::RetireQueue& retired_;
  rcu::Published<detail::Top> top_;
  detail::Top* current_ = nullptr;  // top_'s, to be written
  size_t size_ = 0, memory_bytes_ = 0;
  // Of the change under way.
  std::vector<Node*> replaced_;  // to be retired when nothing leads to them
  Hop before_ = kNoRoute;        // of the route
};

extern template class Table<4>;
extern template class Table<16>;

}  // namespace culvert::fib
