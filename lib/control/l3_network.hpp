// The routes of one l3 network in the packet path's tables, as the kernel's tables and the configuration have
// them. Of one prefix the kernel's local addresses come first, then the configuration's route, then the
// kernel's. Control lcore only.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "control/l3_hops.hpp"
#include "fib/families.hpp"
#include "mirror/mirror.hpp"

namespace culvert::control {

class L3Network {
 public:
  struct Sources {
    std::optional<uint32_t> table;  // the kernel's whose routes are followed; nullopt: none
    bool local = false;             // the kernel's own addresses (its table `local`) come first
    std::map<net::Prefix, Leads> configured;

    bool operator==(const Sources&) const = default;
  };

  // `mirror` and `hops` outlive the object; `tables`, the packet path's, are written.
  L3Network(const mirror::Mirror& mirror, fib::Families& tables, L3Hops& hops)
      : mirror_(mirror), tables_(tables), hops_(hops) {}

  // From now on: only what differs changes, and no look-up meets a gap.
  void set_sources(Sources sources);
  const Sources& sources() const { return sources_; }
  // A route of this prefix in a table that is a source has changed.
  void on_route(const net::Prefix& dst) { mark(dst); }
  // Enters at most `budget` changes, and takes them off it; or, where most is new, does the next of the steps
  // by which everything is entered at once.
  void flush(size_t& budget, TimePoint now);
  // Changes that are not in the tables yet.
  size_t behind() const { return dirty_.size() - next_dirty_ + (rebuild_ != Rebuild::none ? 1 : 0); }

 private:
  void mark(const net::Prefix& dst);
  bool many_wait() const;
  void try_refused();
  dataplane::HopId hold(const net::Prefix& dst, const Leads& leads, TimePoint now);
  std::optional<Leads> leads(const net::Prefix& dst) const;
  void begin();
  bool collect_first(TimePoint now);
  bool collect_others(TimePoint now);
  void collect(const net::Prefix& dst, dataplane::HopId hop);
  void rebuild(TimePoint now);
  template <size_t kBytes>
  void sort(std::vector<fib::Route<kBytes>>& routes);
  template <size_t kBytes>
  static void load(fib::Table<kBytes>& table, std::vector<fib::Route<kBytes>>& routes);

  // All routes anew, a step a turn. What changes meanwhile waits until it is over.
  enum class Rebuild : uint8_t { none, wanted, first, others, sort_v4, load_v4, sort_v6, load_v6 };

  const mirror::Mirror& mirror_;
  fib::Families& tables_;
  L3Hops& hops_;
  Sources sources_;
  std::vector<net::Prefix> dirty_;  // from next_dirty_ on
  size_t next_dirty_ = 0;
  std::set<net::Prefix> refused_;  // these found no number for their hop
  uint64_t freed_ = 0;             // L3Hops::freed() when they were last tried
  Rebuild rebuild_ = Rebuild::none;
  // Of the rebuild under way.
  uint32_t next_route_ = 0;             // the mirror's, to be collected
  std::map<net::Prefix, Leads> first_;  // of the kernel's local table and of the configuration
  std::vector<fib::Route<4>> v4_;
  std::vector<fib::Route<16>> v6_;
  std::unordered_map<dataplane::HopId, size_t> counts_;  // routes by hop
};

}  // namespace culvert::control
