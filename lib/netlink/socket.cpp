#include "netlink/socket.hpp"

#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/netns.hpp"

namespace culvert::netlink {
namespace {

// The kernel sends dumps in at most 32 KiB (af_netlink.c, netlink_dump); one link's event may be longer.
constexpr size_t kDatagramBytes = 128 * 1024;

constexpr int kEventGroups[] = {RTNLGRP_LINK,    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                RTNLGRP_NEIGH,   RTNLGRP_IPV4_ROUTE,  RTNLGRP_IPV6_ROUTE,
                                RTNLGRP_NEXTHOP, RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE};

Status set_option(int fd, int level, int option, int value, const char* name) {
  if (::setsockopt(fd, level, option, &value, sizeof(value)) == 0) return {};
  return error("netlink socket: cannot set {}: {}", name, errno_text(errno));
}

}  // namespace

Socket::Socket(Handle socket) : socket_(std::move(socket)), buffer_(kDatagramBytes) {}

Result<Socket> Socket::open(const SocketOptions& options) {
  Result<Socket> socket = error("netlink socket: not opened");
  const Status status = in_netns(options.netns, [&]() -> Status {
    socket = open_here(options);
    return {};
  });
  if (!status) return tl::make_unexpected(status.error());
  return socket;
}

Result<std::unique_ptr<Channel>> Socket::open_channel(const SocketOptions& options) {
  auto socket = open(options);
  if (!socket) return tl::make_unexpected(socket.error());
  return std::make_unique<Socket>(std::move(*socket));
}

Result<Socket> Socket::open_here(const SocketOptions& options) {
  Handle handle(nl_socket_alloc());
  if (handle == nullptr) return error("netlink socket: out of memory");
  if (const int code = nl_connect(handle.get(), NETLINK_ROUTE); code < 0)
    return error("netlink socket: {}", nl_geterror(code));
  nl_socket_set_nonblocking(handle.get());
  nl_socket_disable_auto_ack(handle.get());  // a request says itself whether it wants an answer

  const int fd = nl_socket_get_fd(handle.get());
  if (auto status = set_option(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1, "NETLINK_GET_STRICT_CHK"); !status)
    return tl::make_unexpected(status.error());
  if (options.receive_buffer_bytes > 0) {
    const int bytes = static_cast<int>(options.receive_buffer_bytes);
    if (auto status = set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes, "SO_RCVBUFFORCE"); !status)
      return tl::make_unexpected(status.error());
  }
  if (options.events) {
    for (const int group : kEventGroups) {
      if (options.neighbours_only && group != RTNLGRP_NEIGH) continue;
      if (const int code = nl_socket_add_membership(handle.get(), group); code < 0)
        return error("netlink socket: cannot join group {}: {}", group, nl_geterror(code));
    }
  }
  return Socket(std::move(handle));
}

Received Socket::receive(const std::function<void(const nlmsghdr&)>& handle) {
  sockaddr_nl from{};
  iovec part{buffer_.data(), buffer_.size()};
  msghdr datagram{};
  datagram.msg_name = &from;
  datagram.msg_namelen = sizeof(from);
  datagram.msg_iov = &part;
  datagram.msg_iovlen = 1;
  ssize_t size;
  do {
    size = ::recvmsg(fd(), &datagram, MSG_DONTWAIT);
  } while (size < 0 && errno == EINTR);

  if (size < 0) {
    if (errno == EAGAIN) return Received::nothing;
    return errno == ENOBUFS ? Received::overrun : Received::lost;
  }
  if (size == 0) return Received::lost;
  if ((datagram.msg_flags & MSG_TRUNC) != 0) return Received::overrun;
  if (from.nl_pid != 0) return Received::messages;  // another process: only the kernel is believed

  int left = static_cast<int>(size);
  auto* message = reinterpret_cast<nlmsghdr*>(buffer_.data());
  while (nlmsg_ok(message, left)) {
    handle(*message);
    message = nlmsg_next(message, &left);
  }
  return Received::messages;
}

Result<uint32_t> Socket::send(MessagePtr message) {
  if (message == nullptr) return error("netlink request: out of memory");
  nl_complete_msg(socket_.get(), message.get());
  int code;
  do {
    code = nl_send(socket_.get(), message.get());
  } while (code == -NLE_INTR);
  if (code < 0) return error("netlink request: {}", nl_geterror(code));
  return nlmsg_hdr(message.get())->nlmsg_seq;
}

}  // namespace culvert::netlink
