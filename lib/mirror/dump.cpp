#include "mirror/dump.hpp"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "netlink/decode.hpp"
#include "netlink/requests.hpp"

namespace culvert::mirror {
namespace {

using netlink::Received;

constexpr DumpKind kKinds[] = {
    {RTM_GETLINK, AF_UNSPEC},    {RTM_GETNEIGH, AF_UNSPEC}, {RTM_GETADDR, AF_INET},
    {RTM_GETADDR, AF_INET6},     {RTM_GETRULE, AF_INET},    {RTM_GETRULE, AF_INET6},
    {RTM_GETNEXTHOP, AF_UNSPEC}, {RTM_GETROUTE, AF_INET},   {RTM_GETROUTE, AF_INET6}};
constexpr size_t kCheckedKinds = 5;

// A kernel without IPv6 or nexthop objects has none to tell.
bool is_unsupported(int code) { return code == -EOPNOTSUPP || code == -EAFNOSUPPORT; }

}  // namespace

std::span<const DumpKind> all_kinds() { return kKinds; }
std::span<const DumpKind> checked_kinds() { return all_kinds().last(kCheckedKinds); }

void Dump::start(std::span<const DumpKind> kinds) {
  kinds_ = kinds;
  next_ = 0;
  interrupted_ = false;
  discard_ = running_;
}

Dump::Progress Dump::read(netlink::Channel& channel, size_t& budget, const Sink& sink) {
  const auto take_one = [&](const nlmsghdr& message) {
    if (budget > 0) --budget;
    take(message, sink);
  };
  while (budget > 0) {
    if (!running_) {
      if (next_ == kinds_.size()) return interrupted_ ? Progress::interrupted : Progress::done;
      const DumpKind kind = kinds_[next_++];
      const auto sequence = channel.send(netlink::dump_request(kind.type, kind.family));
      if (!sequence) return Progress::lost;
      sequence_ = *sequence;
      running_ = true;
      discard_ = false;
    }
    const Received received = channel.receive(take_one);
    if (received == Received::nothing) return Progress::more;
    if (received != Received::messages) return Progress::lost;
  }
  return Progress::more;
}

void Dump::take(const nlmsghdr& message, const Sink& sink) {
  if (message.nlmsg_seq != sequence_) return;
  if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0 && !discard_) interrupted_ = true;
  if (message.nlmsg_type == NLMSG_DONE || message.nlmsg_type == NLMSG_ERROR) {
    running_ = false;
    const int code = netlink::error_of(message);
    if (code != 0 && !is_unsupported(code) && !discard_) interrupted_ = true;
  } else if (!discard_) {
    sink(message);
  }
}

}  // namespace culvert::mirror
