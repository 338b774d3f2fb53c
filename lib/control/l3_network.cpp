#include "control/l3_network.hpp"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <utility>

namespace culvert::control {

namespace {

// Changes that wait: with more of them than this, and than a quarter of the routes, all is built at once.
constexpr size_t kManyChanges = 65536;
// So many of the mirror's routes are looked at in a step of collecting.
constexpr size_t kPortion = 32768;

}  // namespace

void L3Network::set_sources(Sources sources) {
  if (sources == sources_) return;
  const Sources before = std::exchange(sources_, std::move(sources));
  if (before.table != sources_.table || before.local != sources_.local) {
    rebuild_ = Rebuild::wanted;
    return;
  }
  for (const auto& [prefix, leads] : before.configured) mark(prefix);
  for (const auto& [prefix, leads] : sources_.configured) mark(prefix);
}

void L3Network::mark(const net::Prefix& dst) {
  if (rebuild_ == Rebuild::wanted) return;
  dirty_.push_back(dst);
  if (rebuild_ == Rebuild::none && many_wait()) rebuild_ = Rebuild::wanted;
}

bool L3Network::many_wait() const {
  const size_t waiting = dirty_.size() - next_dirty_;
  return waiting > kManyChanges && waiting > (tables_.v4.size() + tables_.v6.size()) / 4;
}

void L3Network::flush(size_t& budget, TimePoint now) {
  if (rebuild_ != Rebuild::none) {
    budget = 0;
    return rebuild(now);
  }
  try_refused();
  for (; next_dirty_ < dirty_.size() && budget != 0; --budget) {
    const net::Prefix& dst = dirty_[next_dirty_++];
    const auto wanted = leads(dst);
    hops_.release(tables_.set(dst, wanted ? hold(dst, *wanted, now) : fib::kNoRoute));
  }
  if (next_dirty_ < dirty_.size()) return;
  dirty_.clear();
  next_dirty_ = 0;
}

// Numbers have come free, and nothing else waits.
void L3Network::try_refused() {
  if (refused_.empty() || !dirty_.empty() || std::exchange(freed_, hops_.freed()) == hops_.freed()) return;
  dirty_.assign(refused_.begin(), refused_.end());
  refused_.clear();
}

dataplane::HopId L3Network::hold(const net::Prefix& dst, const Leads& leads, TimePoint now) {
  const dataplane::HopId hop = hops_.hold(leads, now);
  if (hop == HopIds::kNone) refused_.insert(dst);
  return hop;
}

std::optional<Leads> L3Network::leads(const net::Prefix& dst) const {
  if (sources_.local)
    if (const mirror::Path* own = mirror_.best(RT_TABLE_LOCAL, dst)) return Leads::of(*own);
  if (const auto found = sources_.configured.find(dst); found != sources_.configured.end())
    return found->second;
  if (sources_.table)
    if (const mirror::Path* path = mirror_.best(*sources_.table, dst)) return Leads::of(*path);
  return std::nullopt;
}

// The steps, one a call. Hops are held as routes are collected, and counted anew in the last: no route that
// the tables have loses its own in between.
void L3Network::rebuild(TimePoint now) {
  switch (rebuild_) {
    case Rebuild::none:
      return;
    case Rebuild::wanted:
      begin();
      rebuild_ = Rebuild::first;
      return;
    case Rebuild::first:
      if (!collect_first(now)) rebuild_ = Rebuild::others;
      return;
    case Rebuild::others:
      if (!collect_others(now)) rebuild_ = Rebuild::sort_v4;
      return;
    case Rebuild::sort_v4:
      sort(v4_);
      rebuild_ = Rebuild::load_v4;
      return;
    case Rebuild::load_v4:
      load(tables_.v4, v4_);
      rebuild_ = v6_.empty() ? Rebuild::load_v6 : Rebuild::sort_v6;
      return;
    case Rebuild::sort_v6:
      sort(v6_);
      rebuild_ = Rebuild::load_v6;
      return;
    case Rebuild::load_v6:
      load(tables_.v6, v6_);
      first_.clear();
      hops_.recount(std::exchange(counts_, {}));
      rebuild_ = many_wait() ? Rebuild::wanted : Rebuild::none;
  }
}

void L3Network::begin() {
  dirty_.clear();
  next_dirty_ = 0;
  v4_.clear();
  v6_.clear();
  counts_.clear();
  refused_.clear();
  first_ = sources_.configured;
  next_route_ = 0;
}

// Those of the kernel's local table and of the configuration, which come first. False: that was all.
bool L3Network::collect_first(TimePoint now) {
  const auto own = [&](const net::Prefix& dst, const mirror::Path& path) { first_[dst] = Leads::of(path); };
  if (sources_.local && mirror_.visit_best(RT_TABLE_LOCAL, next_route_, kPortion, own)) return true;
  for (const auto& [dst, leads] : first_) collect(dst, hold(dst, leads, now));
  next_route_ = 0;
  return false;
}

bool L3Network::collect_others(TimePoint now) {
  if (!sources_.table || (sources_.local && *sources_.table == RT_TABLE_LOCAL)) return false;
  // A million routes share a few paths, and paths keep their places meanwhile.
  std::unordered_map<const mirror::Path*, dataplane::HopId> hop_of;
  return mirror_.visit_best(*sources_.table, next_route_, kPortion,
                            [&](const net::Prefix& dst, const mirror::Path& path) {
                              if (first_.contains(dst)) return;
                              const auto [known, is_new] = hop_of.try_emplace(&path);
                              if (is_new) known->second = hops_.hold(Leads::of(path), now);
                              if (known->second == HopIds::kNone) refused_.insert(dst);
                              collect(dst, known->second);
                            });
}

void L3Network::collect(const net::Prefix& dst, dataplane::HopId hop) {
  if (dst.address.is_v4())
    v4_.push_back({fib::address_of<4>(dst.address), dst.length, hop});
  else
    v6_.push_back({fib::address_of<16>(dst.address), dst.length, hop});
}

// What changed while it was collected may be there twice, and is entered again when all is over.
template <size_t kBytes>
void L3Network::sort(std::vector<fib::Route<kBytes>>& routes) {
  std::ranges::sort(routes);
  const auto same = [](const auto& a, const auto& b) {
    return a.address == b.address && a.length == b.length;
  };
  routes.erase(std::unique(routes.begin(), routes.end(), same), routes.end());
  for (const auto& route : routes) ++counts_[route.hop];
}

template <size_t kBytes>
void L3Network::load(fib::Table<kBytes>& table, std::vector<fib::Route<kBytes>>& routes) {
  table.load(routes);
  routes = {};
}

}  // namespace culvert::control
