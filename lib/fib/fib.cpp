#include "fib/fib.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

namespace culvert::fib {

namespace {

using detail::Front;
using detail::Node;
using detail::NodePointer;
using detail::OwnRoute;
using detail::Top;

constexpr size_t kFrontFrom = 4096;  // routes: fewer are looked up as fast without a front of 768 KiB
constexpr unsigned kFrontDepth = 16;

// The hop of each value of a byte, by the longest of `own`.
std::array<Hop, 256> expanded(std::span<const OwnRoute> own) {
  std::array<Hop, 256> hops{};
  for (unsigned length = 1; length <= 8; ++length)
    for (const OwnRoute& route : own)
      if (route.length == length) std::fill_n(hops.begin() + route.bits, 1u << (8 - length), route.hop);
  return hops;
}

size_t bytes_of(size_t children, size_t runs, size_t own) {
  return sizeof(Node) + children * sizeof(NodePointer) + runs * sizeof(Hop) + own * sizeof(OwnRoute);
}

size_t bytes_of(const Node& node) { return bytes_of(node.child_count, node.run_count, node.own_count); }

// A node without what hangs on it.
struct Shell {
  explicit Shell(Node* gone) : node(gone) {}
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;
  ~Shell() { ::operator delete (node, std::align_val_t{alignof(Node)}); }
  Node* node;
};

// Visits each value of the next byte that has a child.
template <typename Visit>
void each_child(const Node& node, Visit visit) {
  size_t index = 0;
  for (unsigned word = 0; word < node.words.size(); ++word)
    for (uint64_t bits = node.words[word].children; bits != 0; bits &= bits - 1)
      visit(static_cast<uint8_t>(word * 64 + static_cast<unsigned>(std::countr_zero(bits))),
            node.children()[index++].load(std::memory_order_relaxed));
}

void free_tree(Node* node) {
  if (node == nullptr) return;
  each_child(*node, [](uint8_t, Node* child) { free_tree(child); });
  const Shell shell(node);
}

struct Tree {
  explicit Tree(Node* gone) : root(gone) {}
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { free_tree(root); }
  Node* root;
};

}  // namespace

template <size_t kBytes>
Table<kBytes>::Table(rcu::RetireQueue& retired) : retired_(retired) {
  publish(std::make_unique<Top>());
}

template <size_t kBytes>
Table<kBytes>::~Table() {
  free_tree(current_->root.load(std::memory_order_relaxed));
}

// A table that has grown gets a front. (It keeps it: one that shrinks may grow again.)
template <size_t kBytes>
void Table<kBytes>::publish(std::unique_ptr<Top> top) {
  if (size_ >= kFrontFrom) {
    top->front = std::make_unique<Front>();
    fill_front(*top, 0, top->front->nodes.size());
    memory_bytes_ += sizeof(Front);
  }
  current_ = top.get();
  top_.replace(std::move(top), retired_);
}

template <size_t kBytes>
Node* Table<kBytes>::make(std::span<const OwnRoute> own,
                          std::span<const std::pair<uint8_t, Node*>> children) {
  if (own.empty() && children.empty()) return nullptr;
  const std::array<Hop, 256> hops = expanded(own);
  std::array<Hop, 256> runs;
  Node head;
  for (unsigned value = 0; value < hops.size(); ++value) {
    if (value != 0 && hops[value] == hops[value - 1]) continue;
    runs[head.run_count++] = hops[value];
    head.words[value / 64].runs |= uint64_t{1} << value % 64;
  }
  for (const auto& [byte, child] : children) head.words[byte / 64].children |= uint64_t{1} << byte % 64;
  for (unsigned word = 1; word < head.words.size(); ++word) {
    const Node::Word& before = head.words[word - 1];
    head.runs_before[word] = static_cast<uint8_t>(head.runs_before[word - 1] + std::popcount(before.runs));
    head.children_before[word] =
        static_cast<uint8_t>(head.children_before[word - 1] + std::popcount(before.children));
  }
  head.child_count = static_cast<uint16_t>(children.size());
  head.own_count = static_cast<uint16_t>(own.size());

  const size_t bytes = bytes_of(head);
  auto* const place = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{alignof(Node)}));
  auto* const node = new (place) Node(head);
  for (size_t i = 0; i < children.size(); ++i) new (&node->children()[i]) NodePointer(children[i].second);
  std::copy_n(runs.begin(), node->run_count, node->runs());
  std::ranges::copy(own, node->own());
  memory_bytes_ += bytes;
  return node;
}

// `route`'s hop may be kNoRoute: without it.
template <size_t kBytes>
Node* Table<kBytes>::with_own(const Node* node, const OwnRoute& route) {
  std::vector<OwnRoute> own;
  std::vector<std::pair<uint8_t, Node*>> children;
  if (node != nullptr) {
    own.assign(node->own(), node->own() + node->own_count);
    each_child(*node, [&](uint8_t byte, Node* child) { children.emplace_back(byte, child); });
  }
  const auto same = std::ranges::find_if(
      own, [&](const OwnRoute& one) { return one.bits == route.bits && one.length == route.length; });
  if (same != own.end()) {
    before_ = same->hop;
    own.erase(same);
  }
  if (route.hop != kNoRoute) own.push_back(route);
  return make(own, children);
}

// `child` may be null: without one there.
template <size_t kBytes>
Node* Table<kBytes>::with_child(const Node* node, uint8_t byte, Node* child) {
  std::vector<std::pair<uint8_t, Node*>> children;
  if (node != nullptr)
    each_child(*node, [&](uint8_t other, Node* one) {
      if (other != byte) children.emplace_back(other, one);
    });
  if (child != nullptr) {
    const auto place = std::ranges::lower_bound(children, byte, {}, &std::pair<uint8_t, Node*>::first);
    children.insert(place, {byte, child});
  }
  return make(
      node != nullptr ? std::span<const OwnRoute>(node->own(), node->own_count) : std::span<const OwnRoute>(),
      children);
}

// What takes the place of `node`, of this depth: itself where a pointer in it has changed; null: nothing is
// left.
template <size_t kBytes>
Node* Table<kBytes>::changed(Node* node, unsigned depth, const Route& route) {
  const uint8_t byte = route.address[depth / 8];
  if (route.length <= depth + 8) {
    const OwnRoute own{byte, static_cast<uint8_t>(route.length - depth), route.hop};
    if (node != nullptr) replaced_.push_back(node);
    return with_own(node, own);
  }
  NodePointer* const slot = node != nullptr ? node->child(byte) : nullptr;
  Node* const before = slot != nullptr ? slot->load(std::memory_order_relaxed) : nullptr;
  Node* const after = changed(before, depth + 8, route);
  if (after == before) return node;
  if (before != nullptr && after != nullptr) {
    slot->store(after, std::memory_order_release);
    return node;
  }
  if (node != nullptr) replaced_.push_back(node);
  return with_child(node, byte, after);
}

template <size_t kBytes>
Hop Table<kBytes>::change(const Route& route) {
  before_ = kNoRoute;
  if (route.length == 0) {
    before_ = current_->fallback.exchange(route.hop, std::memory_order_relaxed);
  } else {
    Node* const root = current_->root.load(std::memory_order_relaxed);
    current_->root.store(changed(root, 0, route), std::memory_order_release);
  }
  size_ += route.hop != kNoRoute ? 1 : 0;
  size_ -= before_ != kNoRoute ? 1 : 0;
  refresh_front(route);
  for (Node* const node : std::exchange(replaced_, {})) drop(node);
  return before_;
}

template <size_t kBytes>
Hop Table<kBytes>::set(const Route& route) {
  return change(route);
}

template <size_t kBytes>
Hop Table<kBytes>::erase(const Address& address, unsigned length) {
  return change({address, static_cast<uint8_t>(length), kNoRoute});
}

// --- All at once.

// `routes`: those below one node, sorted; all are longer than its depth.
template <size_t kBytes>
Node* Table<kBytes>::build(std::span<const Route> routes, unsigned depth) {
  std::vector<OwnRoute> own;
  std::vector<std::pair<uint8_t, Node*>> children;
  for (size_t i = 0; i < routes.size();) {
    const Route& route = routes[i];
    const uint8_t byte = route.address[depth / 8];
    if (route.length <= depth + 8) {
      own.push_back({byte, static_cast<uint8_t>(route.length - depth), route.hop});
      ++i;
      continue;
    }
    // Own routes with the same byte are shorter and stand before those of the child.
    const size_t first = i;
    while (i < routes.size() && routes[i].address[depth / 8] == byte) ++i;
    children.emplace_back(byte, build(routes.subspan(first, i - first), depth + 8));
  }
  return make(own, children);
}

template <size_t kBytes>
void Table<kBytes>::load(std::span<const Route> routes) {
  Node* const old = current_->root.load(std::memory_order_relaxed);
  memory_bytes_ = 0;
  size_ = routes.size();
  auto top = std::make_unique<Top>();
  if (!routes.empty() && routes.front().length == 0) {
    top->fallback.store(routes.front().hop, std::memory_order_relaxed);
    routes = routes.subspan(1);
  }
  top->root.store(build(routes, 0), std::memory_order_relaxed);
  publish(std::move(top));
  retired_.retire(std::make_unique<Tree>(old));
}

// --- The front.

// After a change: what it concerns there.
template <size_t kBytes>
void Table<kBytes>::refresh_front(const Route& route) {
  if (current_->front) {
    const size_t first = static_cast<size_t>(route.address[0]) << 8 | route.address[1];
    fill_front(*current_, first, route.length >= kFrontDepth ? 1 : size_t{1} << (kFrontDepth - route.length));
  } else if (size_ >= kFrontFrom) {
    auto top = std::make_unique<Top>();
    top->fallback.store(current_->fallback.load(std::memory_order_relaxed), std::memory_order_relaxed);
    top->root.store(current_->root.load(std::memory_order_relaxed), std::memory_order_relaxed);
    publish(std::move(top));
  }
}

template <size_t kBytes>
void Table<kBytes>::fill_front(Top& top, size_t first, size_t count) {
  Node* const root = top.root.load(std::memory_order_relaxed);
  for (size_t index = first; index < first + count; ++index) {
    Hop best = top.fallback.load(std::memory_order_relaxed);
    Node* node = root;
    for (const auto byte : {static_cast<uint8_t>(index >> 8), static_cast<uint8_t>(index)}) {
      if (node == nullptr) break;
      if (const Hop hop = node->hop(byte); hop != kNoRoute) best = hop;
      const NodePointer* const child = node->child(byte);
      node = child != nullptr ? child->load(std::memory_order_relaxed) : nullptr;
    }
    // Release: a reader that sees the pointer sees the node. The two need not be seen together: a change
    // concerns one of them.
    top.front->hops[index].store(best, std::memory_order_relaxed);
    top.front->nodes[index].store(node, std::memory_order_release);
  }
}

template <size_t kBytes>
void Table<kBytes>::drop(Node* node) {
  memory_bytes_ -= bytes_of(*node);
  retired_.retire(std::make_unique<Shell>(node));
}

template class Table<4>;
template class Table<16>;

}  // namespace culvert::fib
