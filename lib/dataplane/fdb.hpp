// The forwarding database: where each station of each network is. The control lcore owns it: rows are its
// own, and for each row it keeps an entry in the hash that the workers read. Workers never write here; each
// stamps the rows it uses in an array of its own (`stamps`), which the collector reads.
//
// The hash has a fixed size. When it is three quarters full a larger one is made and filled, a bounded number
// of rows a turn, while the present one goes on serving and every change is made to both; then it is
// published in its place (lib/rcu).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "dataplane/dataplane.hpp"
#include "dataplane/shared.hpp"

namespace culvert::dataplane {

class Fdb {
 public:
  static constexpr uint32_t kMaxRows = 1u << 24;
  static constexpr size_t kFirstRows = 1u << 14;

  enum class Verdict : uint8_t { unchanged, added, moved, over_limit, over_member_limit, full };

  // How many rows may be learned: in a network, and behind one port or tunnel of it.
  struct Limits {
    uint32_t network = UINT32_MAX;
    uint32_t member = UINT32_MAX;
  };

  // Publishes the hash at `table`. `capacity` is the most that it grows to; `stamps` are the workers' arrays
  // of as many. What is referred to outlives the Fdb. Error: no memory.
  static Result<std::unique_ptr<Fdb>> create(rcu::Published<FdbHash>& table, rcu::RetireQueue& retired,
                                             rcu::Domain& domain, size_t capacity,
                                             std::vector<const std::atomic<uint32_t>*> stamps);

  // A frame of the station came from `where`. Only learned rows move. A row that is there may move to a
  // member that is at its limit. `full`: the FDB is, or there is no memory for a larger table.
  Verdict learn(StationKey station, Where where, const Limits& limits, uint32_t now_s);
  // A row that neither moves nor ages: `kernel` or `configured`. It takes the place of one whose origin is
  // not above its own; one that is above stays (unchanged). Makes room where there can be any.
  Verdict put(StationKey station, Where where, Origin origin, uint32_t now_s);
  // False: there is no row of that origin.
  bool remove(StationKey station, Origin origin);

  std::optional<Origin> origin_of(StationKey station) const;
  // The row counts as used now, as if a frame had. False: no such row.
  bool touch(StationKey station, uint32_t now_s);
  // Told of each change from within the call that makes it, when the row is as the event says.
  void set_listener(PathListener listener) { listener_ = std::move(listener); }

  // Removes the rows for which `gone` is true. Returns how many.
  size_t remove_if(const std::function<bool(StationKey, Where, Origin)>& gone);

  // Looks at `budget` rows from number `first` on and removes learned ones that were idle for `idle_s` or
  // longer. Returns how many went; `first` moves on, to extent() at the end of the round.
  size_t collect(size_t& first, size_t budget, uint32_t now_s, uint32_t idle_s);

  // Begins to grow when it is time, and copies `budget` rows into the larger table. True: there are more.
  bool grow(size_t budget, uint32_t now_s);

  // One item a row; `refs` counts workers that used it within the last `recent_s`.
  std::vector<PathRow> rows(uint32_t now_s, uint32_t recent_s) const;

  // Row numbers in use are below this.
  size_t extent() const { return rows_.size(); }
  size_t count() const { return rows_.size() - free_.size(); }
  // Rows that the present table is made for.
  size_t table_rows() const { return table_rows_; }

 private:
  struct Row {
    StationKey station;
    Where where;
    Origin origin = Origin::learned;
    bool used = false;
    uint32_t created_s = 0;
    uint32_t touched_s = 0;  // by touch(); 0: never
  };

  Fdb(rcu::Published<FdbHash>& published, rcu::RetireQueue& retired, rcu::Domain& domain, size_t capacity,
      std::vector<const std::atomic<uint32_t>*> stamps);

  static Result<std::unique_ptr<FdbHash>> make_table(size_t rows, rcu::Domain& domain);
  std::optional<uint32_t> find(StationKey station) const;
  void tell(PathEvent::Kind kind, const Row& row) const;
  bool add(StationKey station, Where where, Origin origin, uint32_t now_s);
  void make_room(uint32_t now_s);
  void change(uint32_t number, Where where, Origin origin);
  void remove(uint32_t number);
  void count_learned(const Row& row, int by);
  uint32_t& learned_at(StationKey station, Where where);
  bool assign(uint32_t number);
  void publish(std::unique_ptr<FdbHash> table, size_t rows);
  uint32_t last_used_s(uint32_t number) const;

  rcu::Published<FdbHash>& published_;
  rcu::RetireQueue& retired_;
  rcu::Domain& domain_;
  FdbHash* table_ = nullptr;  // as published
  size_t table_rows_ = 0;
  size_t capacity_;

  // The larger table, if one is being filled: it has the rows below `copied_`.
  std::unique_ptr<FdbHash> next_;
  size_t next_rows_ = 0;
  size_t copied_ = 0;
  uint32_t retry_s_ = 0;  // there was no memory: not before

  std::vector<const std::atomic<uint32_t>*> stamps_;   // one array a worker
  std::vector<Row> rows_;                              // by row number
  std::vector<uint32_t> free_;                         // numbers below rows_.size() not in use
  PathListener listener_;                              // empty: nobody listens
  std::vector<uint32_t> learned_;                      // learned rows of each network, by NetworkId
  std::unordered_map<uint64_t, uint32_t> learned_at_;  // ... of each member of each: see learned_at()
};

}  // namespace culvert::dataplane
