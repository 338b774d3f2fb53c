// A NETLINK_ROUTE socket that never blocks, in the namespace it was opened in.
//
// libnl-3 core only: its socket and its message and attribute helpers. libnl-route is not used: it has no
// nexthop objects and its caches are quadratic.
#pragma once

#include <linux/netlink.h>
#include <netlink/msg.h>
#include <netlink/socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/c_handle.hpp"
#include "base/result.hpp"

namespace culvert::netlink {

using MessagePtr = CHandle<nl_msg, nlmsg_free>;

struct SocketOptions {
  std::string netns;                // name or path; empty: the caller's namespace
  size_t receive_buffer_bytes = 0;  // SO_RCVBUFFORCE; 0: the system's default
  bool events = false;  // join the multicast groups of links, addresses, neighbours, routes, nexthops
};

// What one receive() found.
enum class Received {
  messages,  // one datagram of messages was handed on
  nothing,   // the queue is empty: wait for the descriptor
  overrun,   // ENOBUFS, or a datagram longer than our buffer: the kernel dropped messages (af_netlink.c,
             // netlink_overrun). It goes on dropping, and says so no second time, until the queue was emptied
  lost,      // the socket is unusable: open a new one
};

// One thread at a time.
class Socket {
 public:
  // Needs CAP_NET_ADMIN for the buffer size. Strict checking of dump requests is on.
  static Result<Socket> open(const SocketOptions& options);

  int fd() const { return nl_socket_get_fd(socket_.get()); }

  // Reads one datagram and calls `handle` for each whole message in it. Never blocks, survives EINTR. What
  // does not come from the kernel is skipped. The header is valid during the call only.
  Received receive(const std::function<void(const nlmsghdr&)>& handle);

  // Completes the header (port, sequence number) and sends. Returns the sequence number, which the answers
  // carry.
  Result<uint32_t> send(MessagePtr message);

 private:
  using Handle = CHandle<nl_sock, nl_socket_free>;

  explicit Socket(Handle socket);
  static Result<Socket> open_here(const SocketOptions& options);

  Handle socket_;
  std::vector<std::byte> buffer_;
};

}  // namespace culvert::netlink
