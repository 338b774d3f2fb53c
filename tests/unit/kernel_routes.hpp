// Asks the kernel which route it uses: `ip route get fibmatch`, in this process.
#pragma once

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <poll.h>

#include "mirror/policy.hpp"
#include "netlink/decode.hpp"
#include "netlink/socket.hpp"

namespace culvert::mirror {

class KernelRoutes {
 public:
  // nullopt: it answers with an error (none, blackhole, unreachable, ...).
  std::optional<Route> ask(const Flow& flow) {
    if (!socket_) socket_ = std::move(*netlink::Socket::open({}));
    EXPECT_TRUE(socket_->send(request(flow)));
    std::optional<Route> route;
    bool answered = false;
    while (!answered) {
      pollfd fd{socket_->fd(), POLLIN, 0};
      EXPECT_EQ(::poll(&fd, 1, 5000), 1);
      socket_->receive([&](const nlmsghdr& message) {
        answered = true;
        const auto event = netlink::decode(message);
        if (event && *event) route = std::get<Route>((*event)->object);
      });
    }
    return route;
  }

 private:
  static netlink::MessagePtr request(const Flow& flow) {
    netlink::MessagePtr made(nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST));
    rtmsg header{};
    header.rtm_family = flow.dst.is_v4() ? AF_INET : AF_INET6;
    header.rtm_dst_len = static_cast<uint8_t>(flow.dst.width_bits());
    header.rtm_src_len = flow.src ? header.rtm_dst_len : uint8_t{0};
    header.rtm_tos = flow.tos;
    header.rtm_flags = RTM_F_FIB_MATCH;
    if (flow.dst.is_v4()) header.rtm_flags |= RTM_F_LOOKUP_TABLE;
    nlmsg_append(made.get(), &header, sizeof(header), NLMSG_ALIGNTO);
    const auto put = [&](int type, const net::IpAddr& ip) {
      nla_put(made.get(), type, static_cast<int>(ip.bytes().size()), ip.bytes().data());
    };
    put(RTA_DST, flow.dst);
    if (flow.src) put(RTA_SRC, *flow.src);
    if (flow.iif != 1) nla_put_u32(made.get(), RTA_IIF, static_cast<uint32_t>(flow.iif));
    if (flow.oif != 0) nla_put_u32(made.get(), RTA_OIF, static_cast<uint32_t>(flow.oif));
    if (flow.ip_protocol != 0) nla_put_u8(made.get(), RTA_IP_PROTO, flow.ip_protocol);
    if (flow.mark != 0) nla_put_u32(made.get(), RTA_MARK, flow.mark);
    return made;
  }

  std::optional<netlink::Socket> socket_;  // of the namespace in which it was first asked
};

// What both must agree on. Routes that refuse are no answer of the kernel's.
inline std::string verdict(const std::optional<Route>& route) {
  const bool refuses = !route || route->type == RTN_BLACKHOLE || route->type == RTN_UNREACHABLE ||
                       route->type == RTN_PROHIBIT || route->type == RTN_THROW;
  if (refuses) return "none";
  // The kernel may name another IPv6 route that shares a nexthop object: the object, and a member of a
  // group, caches one (route.c,
  // ip6_create_rt_rcu, rt6_info's `from`).
  if (!route->is_v4() && route->nexthop_id != 0) return "on a nexthop object";
  // Without policy rules of one's own IPv4's tables local and main are one, and the kernel calls it main.
  const bool local = route->type == RTN_LOCAL || route->type == RTN_BROADCAST;
  return fmt::format("{} {} {} metric {} nhid {}", local ? RT_TABLE_LOCAL : route->table, route->type_name(),
                     route->dst, route->metric, route->nexthop_id);
}

}  // namespace culvert::mirror
