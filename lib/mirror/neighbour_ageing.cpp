#include "mirror/neighbour_ageing.hpp"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/log.hpp"

namespace culvert::mirror {
namespace {

const Log kLog("mirror");

constexpr DumpKind kTables[] = {{RTM_GETNEIGHTBL, AF_UNSPEC}};
constexpr size_t kBudget = 256;  // messages a poll

}  // namespace

void NeighbourAgeing::poll(TimePoint now) {
  if (now >= next_) {
    next_ = now + kPeriod;
    if (!socket_) {
      auto opened = netlink::Socket::open({netns_, 0, false});
      if (!opened) {
        kLog.warning("neighbour tables: {}", opened.error().message);
        return;
      }
      socket_ = std::move(*opened);
      dump_.forget_socket();
    }
    coming_.clear();
    dump_.start(kTables);
    reading_ = true;
  }
  if (!reading_) return;
  size_t budget = kBudget;
  const auto progress = dump_.read(*socket_, budget, [&](const nlmsghdr& message) {
    if (const auto times = netlink::decode_neighbour_times(message); times && *times)
      coming_[{(*times)->ifindex, (*times)->is_v4}] = **times;
  });
  if (progress == Dump::Progress::more) return;
  reading_ = false;
  if (progress == Dump::Progress::done) known_ = std::move(coming_);
  if (progress == Dump::Progress::lost) socket_.reset();
}

netlink::NeighbourTimes NeighbourAgeing::of(int ifindex, const net::IpAddr& ip) const {
  for (const int link : {ifindex, 0})
    if (const auto found = known_.find({link, ip.is_v4()}); found != known_.end()) return found->second;
  return {};
}

netlink::NeighbourCache NeighbourAgeing::cache() const {
  const auto found = known_.find({0, true});
  return found != known_.end() ? found->second.cache.value_or(netlink::NeighbourCache{})
                               : netlink::NeighbourCache{};
}

}  // namespace culvert::mirror
