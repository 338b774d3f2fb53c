#include "mirror/bridge_fdb.hpp"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/log.hpp"

namespace culvert::mirror {
namespace {

using namespace std::chrono_literals;

const Log kLog("mirror");

constexpr DumpKind kEntries[] = {{RTM_GETNEIGH, AF_BRIDGE}};
constexpr size_t kEventBufferBytes = 8 * 1024 * 1024;
constexpr Duration kRetryAfter = 1s;

bool is_kept(const FdbEntry& entry) {
  return !entry.local && !entry.mac.is_multicast() && !entry.mac.is_zero();
}

}  // namespace

void BridgeFdb::poll(TimePoint now, size_t budget) {
  settled_ = false;
  if (next_dump_ && now >= *next_dump_) {
    if (!open(now)) return;
    next_dump_.reset();
    coming_.clear();
    dump_.start(kEntries);
    dumping_ = true;
  }
  if (dumping_ && !read_dump(now, budget)) return;
  if (!next_dump_) read_events(budget);
}

void BridgeFdb::close() {
  events_.reset();
  dumps_.reset();
  entries_.clear();
  dumping_ = false;
  refresh();
}

bool BridgeFdb::open(TimePoint now) {
  for (auto* socket : {&events_, &dumps_}) {
    if (*socket) continue;
    const bool events = socket == &events_;
    auto opened = netlink::Socket::open({.netns = netns_,
                                         .receive_buffer_bytes = events ? kEventBufferBytes : 0,
                                         .events = events,
                                         .neighbours_only = true});
    if (!opened) {
      kLog.warning("bridge FDBs: {}", opened.error().message);
      next_dump_ = now + kRetryAfter;
      return false;
    }
    *socket = std::move(*opened);
    if (!events) dump_.forget_socket();
  }
  return true;
}

// True when it is complete.
bool BridgeFdb::read_dump(TimePoint now, size_t& budget) {
  const auto progress = dump_.read(*dumps_, budget, [&](const nlmsghdr& message) {
    const auto event = netlink::decode_fdb(message);
    if (event && *event && is_kept((*event)->entry)) coming_[(*event)->entry.key()] = (*event)->entry;
  });
  if (progress == Dump::Progress::more) return false;
  dumping_ = false;
  if (progress == Dump::Progress::done) {
    finish_dump();
    return true;
  }
  if (progress == Dump::Progress::lost) dumps_.reset();
  next_dump_ = now + kRetryAfter;
  return false;
}

void BridgeFdb::finish_dump() {
  std::map<Key, FdbEntry> before = std::exchange(entries_, std::exchange(coming_, {}));
  for (const auto& [key, entry] : entries_) {
    const auto old = before.find(key);
    const bool same = old != before.end() && old->second == entry;
    if (old != before.end()) before.erase(old);
    if (!same) changed_(entry.mac);
  }
  for (const auto& [key, entry] : before) changed_(entry.mac);
}

void BridgeFdb::read_events(size_t& budget) {
  while (budget > 0) {
    const auto received = events_->receive([&](const nlmsghdr& message) {
      if (budget > 0) --budget;
      if (const auto event = netlink::decode_fdb(message); event && *event) apply(**event);
    });
    if (received == netlink::Received::messages) continue;
    settled_ = received == netlink::Received::nothing;
    if (!settled_) refresh();
    if (received == netlink::Received::lost) events_.reset();
    return;
  }
}

void BridgeFdb::apply(const netlink::FdbEvent& event) {
  const FdbEntry& entry = event.entry;
  const auto known = entries_.find(entry.key());
  if (!event.added || !is_kept(entry)) {
    if (known == entries_.end()) return;
    entries_.erase(known);
  } else if (known != entries_.end() && known->second == entry) {
    return;
  } else {
    entries_[entry.key()] = entry;
  }
  changed_(entry.mac);
}

}  // namespace culvert::mirror
