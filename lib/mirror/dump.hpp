// One run of dumps, one kind after the other, read as the event loop has time.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "netlink/channel.hpp"

namespace culvert::mirror {

struct DumpKind {
  uint16_t type;  // RTM_GET*
  uint8_t family;
};

// Links before what stands on them, nexthop objects and addresses before routes: the rules applied to an
// event that is older than the dump of the routes then see the state that the kernel had
// (doc/architecture.md).
std::span<const DumpKind> all_kinds();
// What the self-check compares: nexthops and routes, which the kernel changes without a word, and policy
// rules, which choose among them.
std::span<const DumpKind> checked_kinds();

// Has a socket of its own: answers never crowd out events, and the kernel waits for us to read them.
class Dump {
 public:
  enum class Progress {
    more,         // read again when the socket is readable
    done,         // all kinds are complete and consistent
    interrupted,  // all kinds were answered, but something changed meanwhile (NLM_F_DUMP_INTR) or failed
    lost,         // the socket is of no use any more
  };
  using Sink = std::function<void(const nlmsghdr&)>;

  // Begins anew. What is still under way on the socket is read and thrown away.
  void start(std::span<const DumpKind> kinds);
  // The socket is a new one.
  void forget_socket() { running_ = false; }

  // Reads up to about `budget` messages, which it counts down, and asks for the next kind when it is its
  // turn.
  Progress read(netlink::Channel& channel, size_t& budget, const Sink& sink);
  // Answers are on their way: nothing to do until the socket is readable.
  bool waiting() const { return running_; }

 private:
  void take(const nlmsghdr& message, const Sink& sink);

  std::span<const DumpKind> kinds_;
  size_t next_ = 0;
  uint32_t sequence_ = 0;
  bool running_ = false;
  bool discard_ = false;
  bool interrupted_ = false;
};

}  // namespace culvert::mirror
