// Joins lib/gid with the control lcore: the tables of the ports that have a link, the update thread, and the
// provider, by which a GID is what admits its address as a tunnel's local end.
//
// The provider runs on the update thread: it tells the control lcore and sleeps until that has done it. When
// an address goes its entry does not before the workers and the NIC have ceased to decapsulate for it. The
// control lcore never waits for the update thread, but at the end, when the provider does nothing any more.
#pragma once

#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/c_handle.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "control/event_loop.hpp"
#include "control/views.hpp"
#include "gid/follower.hpp"
#include "gid/table.hpp"
#include "gid/updater.hpp"
#include "mirror/mirror.hpp"
#include "rcu/domain.hpp"

namespace culvert::control {

class Gids final : private gid::Provider {
 public:
  // What it asks of the control lcore, on that.
  struct World {
    // Some tunnel's local end is this address.
    std::function<bool(const net::IpAddr& local)> is_used;
    // admits() may say something else of it by now: then tunnel ends are to be published anew, before it
    // returns.
    std::function<void(const net::IpAddr& local)> changed;
    // Calls back when the NIC has done or refused all that it was told.
    std::function<void(std::function<void()> done)> barrier;
  };

  // The control lcore's, all of it. `loop`, `mirror` and `domain` outlive the object. Error: no thread, no
  // descriptor, no RCU reader free.
  static Result<std::unique_ptr<Gids>> create(EventLoop& loop, mirror::Mirror& mirror, rcu::Domain& domain,
                                              const std::vector<config::Port>& ports, World world);
  ~Gids() override;

  // Queues what the mirror's changes mean for the tables, and goes on with what the provider asked for.
  void poll();
  // The port is gone for good: its entries go, and its link is like one of no port.
  void remove_port(size_t port) { follower_->remove_port(tables_[port]); }
  // Tunnel packets to this address are ours: a port's table has it as a GID, or it is on a link of no port.
  bool admits(const net::IpAddr& local) const;
  // No update is queued or under way, and what each means has been said.
  bool is_settled() const;
  std::vector<GidView> views() const;

 private:
  // The provider's question, and where it waits for the answer.
  struct Request {
    net::IpAddr address;
    bool admit = false;
    std::promise<void> done;
  };
  // An address that is no longer admitted, until nobody decapsulates for it.
  struct Departure {
    std::promise<void> done;
    uint64_t grace = 0;
    bool rules_are_out = false;
    bool abandoned = false;  // the object is gone
  };

  Gids(EventLoop& loop, mirror::Mirror& mirror, rcu::Domain& domain, World world)
      : loop_(loop), mirror_(mirror), domain_(domain), world_(std::move(world)) {}

  // The update thread.
  Status add_gid(const gid::Entry& entry) override;
  Status del_gid(const gid::Entry& entry) override;
  void tell_and_sleep(const gid::Entry& entry, bool admit);

  void handle(Request request);
  void clear_up();
  void finish_departures();

  EventLoop& loop_;
  mirror::Mirror& mirror_;
  rcu::Domain& domain_;
  const World world_;
  UniqueFd wake_;
  std::optional<rcu::ReaderId> reader_;
  std::deque<gid::Table> tables_;  // by port; one of a port without a link stays empty
  std::unique_ptr<gid::Follower> follower_;
  std::unique_ptr<gid::Updater> updater_;

  std::mutex requests_mutex_;
  std::vector<Request> requests_;
  bool closed_ = false;

  std::map<net::IpAddr, unsigned> admitted_;  // by how many entries
  // Of which admits() may say something else by now, not told yet; and those that have left one link, or one
  // entry, for another whose entry is on its way: admitted meanwhile.
  std::set<net::IpAddr> unclear_, moving_;
  std::deque<std::shared_ptr<Departure>> departures_;
};

}  // namespace culvert::control
