// A hash table of fixed size with one writer and lock-free readers: rte_hash with
// RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF and the domain's QSBR attached, so that the place of an erased key
// is used again only after a grace period.
//
// Values are 64-bit numbers, never pointers: a reader gets a copy, so assigning to a key that exists is one
// atomic store and there is nothing to free. (rte_hash 22.11 forgets an overwritten data pointer, later
// versions free it.)
//
// librte_hash is not built with ThreadSanitizer, so its release store of a key and the acquire load that
// finds it are invisible to TSan. The pair of annotations below tells it: what was written before assign() is
// seen after a find() that hits.
#pragma once

#include <rte_hash.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

#include "base/c_handle.hpp"
#include "base/result.hpp"
#include "rcu/domain.hpp"

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace culvert::rcu {

namespace detail {
// rte_hash of `capacity` keys; the name is made unique.
Result<rte_hash*> create_hash(const std::string& name, size_t capacity, size_t key_bytes, Domain& domain);
}  // namespace detail

template <typename Key>
class Hash {
  static_assert(std::has_unique_object_representations_v<Key>, "keys are compared as bytes");

 public:
  // `capacity` keys, of which cuckoo placement fills at least nine tenths. EAL must run. Error: out of
  // memory.
  static Result<std::unique_ptr<Hash>> create(const std::string& name, size_t capacity, Domain& domain) {
    auto hash = detail::create_hash(name, capacity, sizeof(Key), domain);
    if (!hash) return tl::make_unexpected(hash.error());
    return std::unique_ptr<Hash>(new Hash(*hash));
  }

  // Readers that are online, and the writer.
  std::optional<uint64_t> find(const Key& key) const {
    void* value = nullptr;
    if (rte_hash_lookup_data(hash_.get(), &key, &value) < 0) return std::nullopt;
    annotate_found();
    return reinterpret_cast<uint64_t>(value);
  }

  // Likewise for at most 64 keys at once; their cache misses overlap. The bit of each key that is there is
  // set, and its value is in values[]; the others are undefined.
  uint64_t find(std::span<const Key* const> keys, std::span<uint64_t> values) const {
    std::array<void*, RTE_HASH_LOOKUP_BULK_MAX> data;
    uint64_t found = 0;
    // The keys are only read: the type says so twice over, but not in C.
    auto** raw = reinterpret_cast<const void**>(const_cast<const Key**>(keys.data()));
    rte_hash_lookup_bulk_data(hash_.get(), raw, static_cast<uint32_t>(keys.size()), &found, data.data());
    for (size_t i = 0; i < keys.size(); ++i) values[i] = reinterpret_cast<uint64_t>(data[i]);
    if (found != 0) annotate_found();
    return found;
  }

  // The writer. Adds the key or changes its value. False: no place left; nothing has changed.
  bool assign(const Key& key, uint64_t value) {
    annotate_publish();
    return rte_hash_add_key_data(hash_.get(), &key, reinterpret_cast<void*>(value)) == 0;
  }

  // The writer. False: there was no such key.
  bool erase(const Key& key) { return rte_hash_del_key(hash_.get(), &key) >= 0; }

 private:
  explicit Hash(rte_hash* hash) : hash_(hash) {}

#if defined(__SANITIZE_THREAD__)
  void annotate_publish() { __tsan_release(hash_.get()); }
  void annotate_found() const { __tsan_acquire(hash_.get()); }
#else
  void annotate_publish() {}
  void annotate_found() const {}
#endif

  CHandle<rte_hash, rte_hash_free> hash_;
};

}  // namespace culvert::rcu
