// The GID table of one port, after drivers/infiniband/core/cache.c of Linux.
//
// The table has a fixed number of entries. The first ones are reserved: one a type for the default GID of the
// port's MAC. Any other GID gets the first free one behind them and keeps it until it goes.
//
// Writers may be any threads. To find an entry and to take it is one step under the lock, so of two that race
// for the last free one exactly one wins. The provider is called outside the lock, while the entry is
// `updating`: taken, but not to be used. Who wants the very GID that another thread is at work on waits for
// that.
//
// Readers take no lock. An entry is immutable and published as a whole by RCU: they see it before or after a
// change, never between. They are online in the domain while they read (rcu/domain.hpp); what they are given
// is a copy that holds its netdev.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/result.hpp"
#include "gid/gid.hpp"
#include "gid/provider.hpp"
#include "rcu/domain.hpp"
#include "rcu/published.hpp"

namespace culvert::gid {

class Table {
 public:
  static constexpr uint16_t kReserved = kTypes.size();
  static constexpr uint16_t kDefaultSize = 256;

  // `size`: entries, the reserved ones included; at least kReserved. `port` names it in messages. Without a
  // provider entries are valid at once. `domain` and `provider` outlive the table.
  Table(std::string port, uint16_t size, rcu::Domain& domain, Provider* provider = nullptr);
  // No reader may be online, no writer under way. Tells the provider nothing: see clear().
  ~Table() = default;

  const std::string& port() const { return port_; }
  bool has_provider() const { return provider_ != nullptr; }
  // No entry behind the reserved ones is free. Any thread.
  bool is_full() const {
    const std::lock_guard lock(mutex_);
    return free_.lower_bound(kReserved) == free_.end();
  }

  // --- Writers, any thread; they sleep as long as the provider does.

  // What is there already is no error. Error: the table is full, or the provider's; nothing has changed.
  Status add(const Attributes& attributes);
  // Error: it is not there.
  Status remove(const Attributes& attributes);
  // All entries go: the port does.
  void clear();

  // --- Readers, online.

  // A valid entry of this GID and type; on this link, if one is given.
  std::optional<Entry> find(const Gid& gid, Type type, const NetdevRef& netdev = nullptr) const;
  // nullopt: free.
  std::optional<Entry> at(uint16_t index) const;
  // All that are taken, by index, in whatever state.
  std::vector<Entry> entries() const;

 private:
  using Key = std::tuple<Gid, Type, const Netdev*, bool>;
  static Key key_of(const Attributes& attributes);

  // Under the lock.
  std::optional<uint16_t> take_free(const Attributes& attributes);
  void publish(uint16_t index, const Attributes& attributes, State state);
  void release(uint16_t index, const Key& key);
  State state_of(uint16_t index) const { return entries_[index].load()->state; }
  void wait_until_settled(std::unique_lock<std::mutex>& lock, const Key& key);
  Status without_lock(std::unique_lock<std::mutex>& lock, const Key& key,
                      const std::function<Status()>& call);

  const std::string port_;
  Provider* const provider_;
  mutable std::mutex mutex_;  // of all below but what readers load
  std::condition_variable settled_;
  std::map<Key, uint16_t> indexes_;  // of all entries that are taken
  std::set<Key> updating_;
  std::set<uint16_t> free_;
  rcu::RetireQueue retired_;
  std::vector<rcu::Published<Entry>> entries_;
};

}  // namespace culvert::gid
