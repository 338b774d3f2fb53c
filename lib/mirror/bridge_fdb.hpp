// The FDB entries of all bridges and vxlan devices of a namespace, as the kernel has them: of unicast MACs,
// without bridges' own addresses. On sockets of their own, because in order with nothing else.
//
// Subscribe, dump, then the events that came meanwhile: applied after the dump they lead to the same end,
// whether they are older than what it said or not. After an overrun, and with each refresh(), anew: what is
// the same then is no change.
//
// Control lcore only. Never blocks.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "mirror/dump.hpp"
#include "netlink/bridge_fdb.hpp"
#include "netlink/socket.hpp"

namespace culvert::mirror {

using netlink::FdbEntry;

class BridgeFdb {
 public:
  using Key = decltype(FdbEntry().key());

  // `netns` as in mirror::Options. `changed` is told of each MAC whose entries changed, from within poll().
  BridgeFdb(std::string netns, std::function<void(const net::Mac&)> changed)
      : netns_(std::move(netns)), changed_(std::move(changed)) {}

  // Reads at most about `budget` messages. Opens its sockets with the first call.
  void poll(TimePoint now, size_t budget);
  // Reads all anew with the next poll().
  void refresh() { next_dump_ = TimePoint{}; }
  // Nobody asks: forgets all, and reads anew with the next poll().
  void close();
  // Nothing was left to read at the last poll().
  bool is_settled() const { return settled_; }

  // By MAC first.
  const std::map<Key, FdbEntry>& entries() const { return entries_; }

 private:
  bool open(TimePoint now);
  bool read_dump(TimePoint now, size_t& budget);
  void read_events(size_t& budget);
  void apply(const netlink::FdbEvent& event);
  void finish_dump();

  const std::string netns_;
  const std::function<void(const net::Mac&)> changed_;
  std::optional<netlink::Socket> events_, dumps_;
  Dump dump_;
  std::optional<TimePoint> next_dump_ = TimePoint{};  // nullopt: none is due
  bool dumping_ = false;
  bool settled_ = false;
  std::map<Key, FdbEntry> entries_, coming_;
};

}  // namespace culvert::mirror
