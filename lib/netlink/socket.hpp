// A NETLINK_ROUTE socket that never blocks, in the namespace it was opened in.
//
// libnl-3 core only: its socket and its message and attribute helpers. libnl-route is not used: it has no
// nexthop objects and its caches are quadratic.
#pragma once

#include <netlink/socket.h>

#include <vector>

#include "netlink/channel.hpp"

namespace culvert::netlink {

// One thread at a time.
class Socket final : public Channel {
 public:
  // Needs CAP_NET_ADMIN for the buffer size. Strict checking of dump requests is on.
  static Result<Socket> open(const SocketOptions& options);

  static Result<std::unique_ptr<Channel>> open_channel(const SocketOptions& options);

  int fd() const override { return nl_socket_get_fd(socket_.get()); }

  Received receive(const std::function<void(const nlmsghdr&)>& handle) override;
  Result<uint32_t> send(MessagePtr message) override;

 private:
  using Handle = CHandle<nl_sock, nl_socket_free>;

  explicit Socket(Handle socket);
  static Result<Socket> open_here(const SocketOptions& options);

  Handle socket_;
  std::vector<std::byte> buffer_;
};

}  // namespace culvert::netlink
