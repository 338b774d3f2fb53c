// Hash tables of kernel objects, and the indexes beside them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "mirror/slots.hpp"
#include "net/address.hpp"

namespace culvert::mirror {

// Hashes the keys of netlink/objects.hpp: an integer, an address, or a tuple of them.
struct KeyHash {
  template <typename Key>
  size_t operator()(const Key& key) const {
    return std::hash<Key>{}(key);
  }
  template <typename... Parts>
  size_t operator()(const std::tuple<Parts...>& key) const {
    size_t seed = sizeof...(Parts);
    std::apply([&](const Parts&... parts) { ((seed = net::hash_combine(seed, (*this)(parts))), ...); }, key);
    return seed;
  }
};

// The keys of the objects that refer to something: which addresses are on link 3?
template <typename Reference, typename Key>
class Index {
 public:
  using Keys = std::unordered_set<Key, KeyHash>;

  void add(const Reference& reference, const Key& key) { keys_[reference].insert(key); }
  void remove(const Reference& reference, const Key& key) {
    const auto found = keys_.find(reference);
    if (found == keys_.end()) return;
    found->second.erase(key);
    if (found->second.empty()) keys_.erase(found);
  }
  bool has(const Reference& reference) const { return keys_.contains(reference); }
  // Null: none.
  const Keys* find(const Reference& reference) const {
    const auto found = keys_.find(reference);
    return found == keys_.end() ? nullptr : &found->second;
  }
  // A copy, for those who change the index while they walk.
  std::vector<Key> copy(const Reference& reference) const {
    const Keys* keys = find(reference);
    return keys == nullptr ? std::vector<Key>{} : std::vector<Key>(keys->begin(), keys->end());
  }

 private:
  std::unordered_map<Reference, Keys, KeyHash> keys_;
};

// The number of a dumped message (store.hpp).
using Mark = uint32_t;

// Objects by key. Each has a mark: the message of a dump that last confirmed it. Written by the control
// lcore; for_each() is for readers that are online too.
template <typename T>
class Table {
 public:
  using Key = std::remove_cvref_t<decltype(std::declval<const T&>().key())>;

  explicit Table(rcu::RetireQueue& retired) : objects_(retired) {}

  size_t size() const { return entries_.size(); }

  const T* find(const Key& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : objects_.at(found->second.number);
  }

  // True if the very same object is here; it is marked then.
  bool confirm(const T& object, Mark mark) {
    const auto found = entries_.find(object.key());
    if (found == entries_.end() || !(*objects_.at(found->second.number) == object)) return false;
    found->second.mark = mark;
    return true;
  }

  // Returns what was there before, good until the retire queue is next reclaimed.
  const T* put(const T& object, Mark mark) {
    const auto [place, is_new] = entries_.try_emplace(object.key());
    place->second.mark = mark;
    if (!is_new) return objects_.replace(place->second.number, object);
    place->second.number = objects_.add(object);
    return nullptr;
  }

  // Likewise.
  const T* erase(const Key& key) {
    const auto node = entries_.extract(key);
    return node.empty() ? nullptr : objects_.remove(node.mapped().number);
  }

  // What was last confirmed before `mark`.
  std::vector<T> older_than(Mark mark) const {
    std::vector<T> older;
    for (const auto& [key, entry] : entries_)
      if (entry.mark < mark) older.push_back(*objects_.at(entry.number));
    return older;
  }
  void forget_marks() {
    for (auto& [key, entry] : entries_) entry.mark = 0;
  }

  // In the order of the keys.
  std::vector<const T*> sorted() const {
    std::vector<const T*> objects;
    objects.reserve(entries_.size());
    for (const auto& [key, entry] : entries_) objects.push_back(objects_.at(entry.number));
    std::sort(objects.begin(), objects.end(), [](const T* a, const T* b) { return a->key() < b->key(); });
    return objects;
  }

  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (uint32_t i = 0; i < objects_.end(); ++i)
      if (const T* object = objects_.at(i)) visit(*object);
  }

 private:
  struct Entry {
    uint32_t number = 0;  // of objects_
    Mark mark = 0;
  };
  std::unordered_map<Key, Entry, KeyHash> entries_;
  Slots<T> objects_;
};

}  // namespace culvert::mirror
