// Asks the kernel to resolve the neighbours that encaps wait for. The kernel does not retry a FAILED entry by
// itself, so an entry that is wanted and absent, INCOMPLETE or FAILED is asked for again with back-off, 1 to
// 30 s: the only polling in culvert. Control lcore only.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "base/clock.hpp"
#include "net/address.hpp"

namespace culvert::resolver {

using NeighbourKey = std::pair<int, net::IpAddr>;  // ifindex, address

class NeighbourDemand {
 public:
  static constexpr Duration kFirstRetry = std::chrono::seconds(1);
  static constexpr Duration kLastRetry = std::chrono::seconds(30);

  // `ask` sends one request to the kernel and does not wait for its answer.
  explicit NeighbourDemand(std::function<void(const NeighbourKey&)> ask) : ask_(std::move(ask)) {}

  // One more, or one less, encap waits for this neighbour. The first one asks at once.
  void add(const NeighbourKey& key, TimePoint now);
  void remove(const NeighbourKey& key);

  // When run() has something to do; nullopt: nobody waits.
  std::optional<TimePoint> next() const;
  void run(TimePoint now);

 private:
  struct Wait {
    size_t encaps;
    Duration retry;
    TimePoint due;
  };

  std::function<void(const NeighbourKey&)> ask_;
  std::map<NeighbourKey, Wait> waits_;
  std::multimap<TimePoint, NeighbourKey> due_;

  void schedule(const NeighbourKey& key, Wait& wait, TimePoint due);
  void unschedule(const NeighbourKey& key, const Wait& wait);
};

}  // namespace culvert::resolver
