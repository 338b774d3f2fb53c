#include "gid/table.hpp"

#include "base/log.hpp"

namespace culvert::gid {
namespace {

const Log kLog("gid");

constexpr size_t kReclaimBudget = 64;

}  // namespace

Table::Table(std::string port, uint16_t size, rcu::Domain& domain, Provider* provider)
    : port_(std::move(port)), provider_(provider), retired_(domain), entries_(size) {
  for (uint16_t i = 0; i < size; ++i) free_.insert(free_.end(), i);
}

Table::Key Table::key_of(const Attributes& attributes) {
  return {attributes.gid, attributes.type, attributes.netdev.get(), attributes.is_default};
}

Status Table::add(const Attributes& attributes) {
  const Key key = key_of(attributes);
  std::unique_lock lock(mutex_);
  wait_until_settled(lock, key);
  const auto known = indexes_.find(key);
  if (known != indexes_.end() && state_of(known->second) == State::valid) return {};
  const auto index = known != indexes_.end() ? std::optional(known->second) : take_free(attributes);
  if (!index && attributes.is_default)
    return error("the entry of the default {} GID of {} is taken", name_of(attributes.type), port_);
  if (!index) return error("the GID table of {} is full: it has {} entries", port_, entries_.size());
  indexes_[key] = *index;
  if (provider_ == nullptr) {
    publish(*index, attributes, State::valid);
    return {};
  }
  publish(*index, attributes, State::updating);
  const Status added = without_lock(lock, key, [&] {
    return provider_->add_gid({attributes, *index, State::updating});
  });
  if (added)
    publish(*index, attributes, State::valid);
  else if (attributes.is_default)
    publish(*index, attributes, State::invalid);
  else
    release(*index, key);
  return added;
}

Status Table::remove(const Attributes& attributes) {
  const Key key = key_of(attributes);
  std::unique_lock lock(mutex_);
  wait_until_settled(lock, key);
  const auto found = indexes_.find(key);
  if (found == indexes_.end()) return error("GID {} is not in the table of {}", attributes.gid, port_);
  const uint16_t index = found->second;
  if (provider_ != nullptr && state_of(index) == State::valid) {
    const Attributes mine = entries_[index].load()->attributes;
    publish(index, mine, State::updating);
    const Status removed = without_lock(lock, key, [&] {
      return provider_->del_gid({mine, index, State::updating});
    });
    if (!removed) kLog.error("port {}: GID {}, which goes: {}", port_, mine.gid, removed.error().message);
  }
  release(index, key);
  return {};
}

void Table::clear() {
  std::vector<Attributes> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, index] : indexes_) all.push_back(entries_[index].load()->attributes);
  }
  // One that another thread has removed meanwhile is gone all the same.
  for (const Attributes& attributes : all) (void)remove(attributes);
}

// The reserved entries are in the order of the types.
std::optional<uint16_t> Table::take_free(const Attributes& attributes) {
  const auto found = attributes.is_default ? free_.find(static_cast<uint16_t>(attributes.type))
                                           : free_.lower_bound(kReserved);
  if (found == free_.end()) return std::nullopt;
  return free_.extract(found).value();
}

void Table::publish(uint16_t index, const Attributes& attributes, State state) {
  entries_[index].replace(std::make_unique<const Entry>(Entry{attributes, index, state}), retired_);
  retired_.reclaim(kReclaimBudget);
}

void Table::release(uint16_t index, const Key& key) {
  entries_[index].replace(nullptr, retired_);
  retired_.reclaim(kReclaimBudget);
  indexes_.erase(key);
  free_.insert(index);
}

void Table::wait_until_settled(std::unique_lock<std::mutex>& lock, const Key& key) {
  settled_.wait(lock, [&] { return !updating_.contains(key); });
}

// Who waits for the key does not go on before the caller has dropped the lock again.
Status Table::without_lock(std::unique_lock<std::mutex>& lock, const Key& key,
                           const std::function<Status()>& call) {
  updating_.insert(key);
  lock.unlock();
  Status status = call();
  lock.lock();
  updating_.erase(key);
  settled_.notify_all();
  return status;
}

std::optional<Entry> Table::find(const Gid& gid, Type type, const NetdevRef& netdev) const {
  for (const auto& published : entries_) {
    const Entry* const entry = published.load();
    if (entry == nullptr || entry->state != State::valid) continue;
    const Attributes& attributes = entry->attributes;
    if (attributes.gid == gid && attributes.type == type &&
        (netdev == nullptr || netdev == attributes.netdev))
      return *entry;
  }
  return std::nullopt;
}

std::optional<Entry> Table::at(uint16_t index) const {
  const Entry* const entry = index < entries_.size() ? entries_[index].load() : nullptr;
  return entry != nullptr ? std::optional(*entry) : std::nullopt;
}

std::vector<Entry> Table::entries() const {
  std::vector<Entry> taken;
  for (const auto& published : entries_)
    if (const Entry* const entry = published.load()) taken.push_back(*entry);
  return taken;
}

}  // namespace culvert::gid
