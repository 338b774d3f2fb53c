#include "dataplane/bindings.hpp"

#include <algorithm>
#include <iterator>

namespace culvert::dataplane {

void Bindings::count(const Rows::value_type& row, int by) {
  if (row.second.kernels) return;
  heard_ += static_cast<size_t>(by);
  heard_of_[row.first.network] += static_cast<uint32_t>(by);
}

Bindings::Rows::iterator Bindings::erase(Rows::iterator row) {
  count(*row, -1);
  hash_.erase(row->first);
  return rows_.erase(row);
}

bool Bindings::set(const BindingKey& key, BindingValue value) {
  const auto known = rows_.find(key);
  if (known == rows_.end() && rows_.size() >= kMost) return false;
  if (!hash_.assign(key, value.pack())) return false;
  if (known != rows_.end()) count(*known, -1);
  rows_[key] = {value, true};
  return true;
}

void Bindings::remove(const BindingKey& key) {
  const auto row = rows_.find(key);
  if (row != rows_.end() && row->second.kernels) erase(row);
}

void Bindings::hear(const BindingHeard& heard, uint32_t now_s) {
  const auto known = rows_.find(heard.key);
  if (known != rows_.end()) {
    Row& row = known->second;
    if (row.kernels) return;
    const bool same = row.value.mac_bits == heard.mac_bits;
    const BindingValue value{heard.mac_bits, heard.router.value_or(same && row.value.router)};
    row.heard_s = now_s;
    // The key exists, so it cannot fail.
    if (value != row.value) hash_.assign(heard.key, value.pack());
    row.value = value;
    return;
  }
  if (heard_ >= kMostHeard || rows_.size() >= kMost || heard_of_[heard.key.network] >= kMostOfNetwork) return;
  const BindingValue value{heard.mac_bits, heard.router.value_or(false)};
  if (!hash_.assign(heard.key, value.pack())) return;
  count(*rows_.emplace(heard.key, Row{value, false, now_s}).first, 1);
}

void Bindings::sweep(size_t budget, uint32_t now_s, const std::function<bool(StationKey)>& is_known,
                     const std::function<bool(NetworkId)>& is_there) {
  auto row = rows_.upper_bound(swept_);
  for (size_t left = std::min(budget, rows_.size()); left != 0 && !rows_.empty(); --left) {
    if (row == rows_.end()) row = rows_.begin();
    swept_ = row->first;
    const auto& [value, kernels, heard_s] = row->second;
    const bool old =
        !kernels && (now_s - heard_s >= kGoodForS || !is_known({row->first.network, value.mac_bits}));
    row = old || !is_there(row->first.network) ? erase(row) : std::next(row);
  }
}

}  // namespace culvert::dataplane
