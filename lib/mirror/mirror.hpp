// The kernel's links, addresses, neighbours, nexthops and routes, kept equal to the kernel's own by its
// events.
//
// One namespace is mirrored, that of Options::netns: culvert's ports and its kernel sockets are there.
//
// Everything but one subscribe() runs on the control lcore. Listeners are told in the order of the kernel's
// events, one change at a time, after the tables hold the new state.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "mirror/listener.hpp"
#include "mirror/policy.hpp"
#include "mirror/subscription.hpp"
#include "netlink/socket.hpp"

namespace culvert::mirror {

struct Stats {
  uint64_t epoch = 0;     // resyncs begun, the first dump included
  uint64_t sequence = 0;  // changes delivered
  uint64_t resyncs = 0;   // completed, the first dump not counted
  uint64_t overruns = 0;  // ENOBUFS: the kernel dropped events
  size_t links = 0, addresses = 0, neighbours = 0, routes = 0, nexthops = 0, rules = 0;
  uint64_t malformed = 0;  // messages that could not be decoded, skipped
  uint64_t checks = 0;     // self-checks completed
  // Differences that self-checks found and mended: each means that the kernel was silent in a way unknown
  // here.
  uint64_t corrections = 0;
  bool consistent = false;  // the last dump completed and no event was lost since
  size_t behind = 0;        // events read and not yet applied
  std::string state;        // what it is doing, and what is wrong, for a person
};

struct Options {
  rcu::Domain* domain = nullptr;  // the process's, which outlives the mirror; null: its own
  std::string netns;              // `kernel.netns`: name or path; empty: the caller's
  // Of the event socket. The kernel takes memory for what waits only: most for the RTM_NEWROUTEs after a
  // change of a nexthop object that a million routes are on.
  size_t receive_buffer_bytes = 256 * 1024 * 1024;
  Duration check_after = std::chrono::seconds(1);  // quiet time after which the mirror checks itself
  netlink::Open open =
      netlink::Socket::open_channel;               // of events first, then of dumps; anew when one is lost
  Duration retry_after = std::chrono::seconds(1);  // first back-off of a sync that failed; doubles up to 30 s
};

// The mirror. It never blocks and has no thread of its own: the event loop polls fd() and keeps the timer.
//
//   auto mirror = Mirror::create({.netns = "gw"});
//   loop.add_fd(mirror->fd(), EPOLLIN, [&](uint32_t) { mirror->poll(kBudget, Clock::now()); });
//   ... and on_timer() at next_timer(), asked for again after each call into the mirror.
//
// Pointers handed out are valid until the next poll(), on_timer() or resync().
class Mirror {
 public:
  // Opens the sockets and asks for the first dump. Error: no such namespace, no permission.
  static Result<std::unique_ptr<Mirror>> create(const Options& options);
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  // Readable while there is something to do (an epoll descriptor: it stays the same when sockets are lost).
  int fd() const;
  // Reads and applies up to about `budget` messages from each socket.
  void poll(size_t budget, TimePoint now);
  // When on_timer() is due: back-off, self-check. TimePoint::max(): never.
  TimePoint next_timer() const;
  void on_timer(TimePoint now);

  // The first sync is done: the tables are the kernel's.
  bool ready() const;
  Stats stats() const;

  // Replays the present state to `listener` (links, addresses, nexthops, neighbours, routes), then calls it
  // on each change. Not owned: it stays alive until unsubscribed. Neither may be called from within a
  // callback.
  void subscribe(Listener& listener);
  void unsubscribe(Listener& listener);
  // Any thread: the same through a queue (subscription.hpp). Needs no port, nor that the mirror is ready:
  // what is not there yet comes as changes.
  Result<std::unique_ptr<Subscription>> subscribe(const SubscribeOptions& options);

  // Starts a new epoch: everything is dumped again; only real differences make deltas.
  void resync();
  // Calls `done` from a later poll(), once: when all events that the kernel queued before this call are
  // applied; if a sync is under way, after it.
  void barrier(std::function<void()> done);

  // Asks the kernel to resolve or confirm a neighbour. Does nothing for the operator's own entries
  // (permanent, noarp, externally learned).
  void use_neighbour(int ifindex, const net::IpAddr& ip);

  // Look-ups: null when there is none. All take constant time, lookup() one hash look-up a prefix length in
  // use.
  const Link* link(int ifindex) const;
  const Link* link_by_name(const std::string& name) const;
  const Address* address(const net::IpAddr& ip) const;  // any one, on whichever link
  const Neighbour* neighbour(int ifindex, const net::IpAddr& ip) const;
  const Nexthop* nexthop(uint32_t id) const;
  // The route of the longest matching prefix of the table, its lowest metric, the first of equals, as
  // fib_table_lookup and rt6_select have it: routes whose hops are all dead, and those for a TOS of their
  // own, are passed over. Its hops and type are those that its nexthop object has now.
  std::optional<Route> lookup(uint32_t table, const net::IpAddr& ip) const;
  // The route that the kernel would use for such a packet: the policy rules, and the tables that they name. A
  // route that refuses (blackhole, ...) is an answer; nullopt: no route, or a rule refuses.
  std::optional<Route> route_to(const Flow& flow) const;
  // Of the routes to exactly this destination the one that lookup() would choose; null: none. One on a
  // nexthop object has no hops of its own: present() has those.
  const Path* best(uint32_t table, const net::Prefix& dst) const;
  // The same for each destination of the table, in no order and in portions: `from` is 0 for the first of
  // them and moves on by `budget` routes, of whatever table. False: that was the last one. What a listener is
  // told of between two calls may be visited twice, or as it was.
  bool visit_best(uint32_t table, uint32_t& from, size_t budget,
                  const std::function<void(const net::Prefix&, const Path&)>& visit) const;
  // With the hops and the type that its nexthop object has now.
  Path present(const Path& path) const;
  // Some rule names a link, or the VRF or the group of one.
  bool rules_look_at_links() const;

  // All objects in the order of their keys; routes by table, prefix, metric.
  std::vector<const Link*> links() const;
  std::vector<const Address*> addresses() const;
  std::vector<const Address*> addresses(int ifindex) const;
  std::vector<const Neighbour*> neighbours() const;
  std::vector<const Neighbour*> neighbours(int ifindex) const;
  std::vector<const Nexthop*> nexthops() const;
  std::vector<PolicyRule> rules() const;  // by family, and in the order in which they are walked
  std::vector<Route> routes() const;

 private:
  class Impl;
  explicit Mirror(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::mirror
