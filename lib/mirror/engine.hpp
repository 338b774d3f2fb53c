// The life of a mirror: sockets, the course of a sync, the self-check, barriers.
//
// Two sockets. Events come on one; dumps are asked for and answered on the other. The order between the two
// is not known and need not be: all events since the dump was asked for are queued and replayed after it, and
// each event tells the whole state of its object, so that replaying an old one over a newer dump ends where
// the kernel did. A sync runs
//
//   drain -> dump -> settle -> replay -> live
//
// Drain: after ENOBUFS the kernel drops events without a further word until the queue has been emptied
// (af_netlink.c, NETLINK_S_CONGESTED), so the dump is asked for only then. Settle: the differences of a whole
// and consistent dump are entered (census.hpp). Replay: the queue.
//
// The self-check compares policy rules, nexthops and routes with a dump while events go on; it counts only if
// no event but of neighbours came between its request and a barrier after its end.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/c_handle.hpp"
#include "mirror/census.hpp"
#include "mirror/dump.hpp"
#include "mirror/follower.hpp"
#include "mirror/mirror.hpp"
#include "mirror/store.hpp"
#include "netlink/channel.hpp"

namespace culvert::mirror {

class Mirror::Impl {
 public:
  static Result<std::unique_ptr<Impl>> create(const Options& options);

  int fd() const { return epoll_.get(); }
  void poll(size_t budget, TimePoint now);
  TimePoint next_timer() const;
  void on_timer(TimePoint now);
  void resync();
  void barrier(std::function<void()> done);
  void use_neighbour(int ifindex, const net::IpAddr& ip);
  bool ready() const { return ready_; }
  Stats stats() const;
  Store& store() { return store_; }
  rcu::Domain& domain() { return domain_; }

 private:
  enum class Phase { drain, dump, settle, replay, live, check, check_barrier, back_off };
  struct Answer {  // to a barrier or to a new_neighbour_request
    uint32_t sequence;
    int code;  // 0 or a negative errno
  };
  using Item = std::variant<netlink::Event, Answer>;
  using Done = std::function<void()>;

  Impl(const Options& options, std::unique_ptr<rcu::Domain> own_domain);
  Status open_sockets();
  Status open_wake();

  void read_events(size_t budget);
  void take(const nlmsghdr& message);
  void take(Item item);
  void apply(const Item& item);
  void note(const netlink::Event& event);
  void answered(const Answer& answer);
  void advance(size_t budget);
  void read_dump(size_t& budget);
  void replay(size_t& budget);
  void use_untold_neighbour(const Table<Neighbour>::Key& key);

  void begin_epoch();
  void drain();
  void request_dump();
  void try_again(const char* why);
  void back_off(const std::string& why);
  void finish_sync();
  void overrun();
  void lost();
  void begin_check();
  void finish_check();

  std::string state() const;
  void tell_progress();
  bool syncing() const { return phase_ <= Phase::replay; }
  bool has_work() const;
  void wake();
  void clear_wake();
  void run_due();

  const Options options_;
  const std::unique_ptr<rcu::Domain> own_domain_;  // where the options name none
  rcu::Domain& domain_;
  UniqueFd epoll_, wake_;
  std::unique_ptr<netlink::Channel> events_, dumps_;

  Store store_{domain_};
  Follower follower_{store_};
  Census census_{store_};
  Dump dump_;
  std::deque<Item> queue_;
  Route dumped_;  // scratch

  Phase phase_ = Phase::drain;
  TimePoint now_{};
  unsigned tries_ = 0;
  Duration back_off_;
  TimePoint retry_at_ = TimePoint::max();

  TimePoint check_at_ = TimePoint::max();  // not max(): something happened that the kernel tells in part only
  bool disturbed_ = false;                 // an event came during the check
  uint32_t check_barrier_ = 0;

  std::unordered_map<uint32_t, Done> barriers_;
  std::unordered_map<uint32_t, Table<Neighbour>::Key> asked_;  // neighbours that the mirror did not know
  std::vector<Done> after_sync_, due_;

  uint64_t epoch_ = 0, resyncs_ = 0, overruns_ = 0, malformed_ = 0, checks_ = 0, corrections_ = 0;
  bool ready_ = false, consistent_ = false;
  std::string fault_;  // why it is not consistent; empty at first
  TimePoint progress_at_ = TimePoint::max();
};

}  // namespace culvert::mirror
