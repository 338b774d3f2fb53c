// Where messages come from and requests go to: the kernel's socket, or what stands in its place.
#pragma once

#include <linux/netlink.h>
#include <netlink/msg.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/c_handle.hpp"
#include "base/result.hpp"

namespace culvert::netlink {

using MessagePtr = CHandle<nl_msg, nlmsg_free>;

struct SocketOptions {
  std::string netns;                // name or path; empty: the caller's namespace
  size_t receive_buffer_bytes = 0;  // SO_RCVBUFFORCE; 0: the system's default
  bool events = false;  // join the multicast groups of links, addresses, neighbours, routes, nexthops, rules
  bool neighbours_only = false;  // of these: neighbours alone, which entries of bridges' FDBs are too
};

// What one receive() found.
enum class Received {
  messages,  // one datagram of messages was handed on
  nothing,   // the queue is empty: wait for the descriptor
  overrun,   // ENOBUFS, or a datagram longer than our buffer: the kernel dropped messages (af_netlink.c,
             // netlink_overrun). It goes on dropping, and says so no second time, until the queue was emptied
  lost,      // the socket is unusable: open a new one
};

// What makes the owner of a channel begin something without a message.
enum class Prompt { timer, resync };

// One thread at a time.
class Channel {
 public:
  virtual ~Channel() = default;

  virtual int fd() const = 0;

  // Reads one datagram and calls `handle` for each whole message in it. Never blocks, survives EINTR. What
  // does not come from the kernel is skipped. The header is valid during the call only.
  virtual Received receive(const std::function<void(const nlmsghdr&)>& handle) = 0;

  // Completes the header (port, sequence number) and sends. Returns the sequence number, which the answers
  // carry.
  virtual Result<uint32_t> send(MessagePtr message) = 0;

  // Told when that happens: recordings keep it, to others it is nothing.
  virtual void note(Prompt) {}
};

// Opens one: Socket::open_channel, or another in its place.
using Open = std::function<Result<std::unique_ptr<Channel>>(const SocketOptions&)>;

}  // namespace culvert::netlink
