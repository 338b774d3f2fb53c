// The forwarding database: where each station of each network is. The control lcore owns it: rows are its
// own, and for each row it keeps an entry in the hash that the workers read. Workers never write here; each
// stamps the rows it uses in an array of its own (`stamps`), which the collector reads.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/dataplane.hpp"
#include "dataplane/shared.hpp"

namespace culvert::dataplane {

// Seconds of the control lcore's clock at which a worker last used a row, by row number. Worker writes,
// control reads; relaxed, because a stamp orders nothing.
using Stamps = std::unique_ptr<std::atomic<uint32_t>[]>;

class Fdb {
 public:
  static constexpr uint32_t kMaxRows = 1u << 24;

  enum class Verdict : uint8_t { unchanged, added, moved, refused };

  // `hash` has room for `capacity` rows and outlives the Fdb. `stamps` are the workers' arrays of `capacity`.
  Fdb(FdbHash& hash, size_t capacity, std::vector<const std::atomic<uint32_t>*> stamps);

  // A frame of the station came from `where`. A static row stays where it is. Refused: the network has
  // `max_macs` rows, or the FDB is full.
  Verdict learn(StationKey station, Where where, uint32_t max_macs, uint32_t now_s);
  // A row that neither moves nor ages. False: the FDB is full.
  bool add_static(StationKey station, Where where, uint32_t now_s);

  // The row counts as used now, as if a frame had. False: no such row.
  bool touch(StationKey station, uint32_t now_s);
  // Told of each change from within the call that makes it, when the row is as the event says.
  void set_listener(PathListener listener) { listener_ = std::move(listener); }

  // Removes the rows for which `gone` is true. Returns how many.
  size_t remove_if(const std::function<bool(StationKey, Where)>& gone);

  // Looks at `budget` rows from number `first` on and removes learned ones that were idle for `idle_s` or
  // longer. Returns how many went; `first` moves on, to capacity() at the end of the round.
  size_t collect(size_t& first, size_t budget, uint32_t now_s, uint32_t idle_s);

  // One item a row; `refs` counts workers that used it within the last `recent_s`.
  std::vector<PathRow> rows(uint32_t now_s, uint32_t recent_s) const;

  // Row numbers in use are below this.
  size_t extent() const { return rows_.size(); }

 private:
  struct Row {
    StationKey station;
    Where where;
    Origin origin = Origin::learned;
    bool used = false;
    uint32_t created_s = 0;
    uint32_t touched_s = 0;  // by touch(); 0: never
  };

  void tell(PathEvent::Kind kind, const Row& row) const;
  bool add(StationKey station, Where where, Origin origin, uint32_t now_s);
  void move(uint32_t number, Where where);
  void remove(uint32_t number);
  uint32_t last_used_s(uint32_t number) const;

  FdbHash& hash_;
  size_t capacity_;
  std::vector<const std::atomic<uint32_t>*> stamps_;  // one array a worker
  std::vector<Row> rows_;                             // by row number
  std::vector<uint32_t> free_;                        // numbers below rows_.size() not in use
  PathListener listener_;                             // empty: nobody listens
  std::vector<uint32_t> macs_;                        // rows of each network, by NetworkId
};

}  // namespace culvert::dataplane
