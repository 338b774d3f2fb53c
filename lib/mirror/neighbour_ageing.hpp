// How the kernel ages its neighbours, link by link. The kernel makes no event when that changes: it is read
// again every kPeriod, on a socket of its own.
//
// Control lcore only. Never blocks.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "mirror/dump.hpp"
#include "net/address.hpp"
#include "netlink/neighbour_times.hpp"
#include "netlink/socket.hpp"

namespace culvert::mirror {

class NeighbourAgeing {
 public:
  static constexpr Duration kPeriod = std::chrono::seconds(10);

  // `netns` as in mirror::Options.
  explicit NeighbourAgeing(std::string netns) : netns_(std::move(netns)) {}

  // Asks anew when it is time, and reads what has been answered. The answers of the first call are there
  // after the second.
  void poll(TimePoint now);
  // Asks with the next poll().
  void refresh() { next_ = {}; }

  // The kernel's own defaults where nothing is known yet.
  netlink::NeighbourTimes of(int ifindex, const net::IpAddr& ip) const;
  // Of the IPv4 table (arp_cache).
  netlink::NeighbourCache cache() const;
  // An answer is on its way.
  bool is_reading() const { return reading_; }

 private:
  using Key = std::pair<int, bool>;  // ifindex, is_v4

  const std::string netns_;
  std::optional<netlink::Socket> socket_;
  Dump dump_;
  bool reading_ = false;
  TimePoint next_{};
  std::map<Key, netlink::NeighbourTimes> known_, coming_;
};

}  // namespace culvert::mirror
