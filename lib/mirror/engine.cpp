#include "mirror/engine.hpp"

#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>

#include "base/log.hpp"
#include "netlink/decode_route.hpp"
#include "netlink/requests.hpp"

namespace culvert::mirror {
namespace {

const Log kLog("mirror");

constexpr unsigned kTries = 5;
constexpr Duration kLongestBackOff = std::chrono::seconds(30);
constexpr Duration kProgress = std::chrono::seconds(1);
constexpr size_t kDumpBufferBytes = 1024 * 1024;
constexpr size_t kLoggedDifferences = 10;

Status watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return error("mirror: epoll_ctl: {}", errno_text(errno));
}

}  // namespace

Result<std::unique_ptr<Mirror::Impl>> Mirror::Impl::create(const Options& options) {
  std::unique_ptr<rcu::Domain> own_domain;
  if (options.domain == nullptr) {
    auto domain = rcu::Domain::create();
    if (!domain) return tl::make_unexpected(domain.error());
    own_domain = std::move(*domain);
  }
  std::unique_ptr<Impl> impl(new Impl(options, std::move(own_domain)));
  if (auto status = impl->open_wake(); !status) return tl::make_unexpected(status.error());
  if (auto status = impl->open_sockets(); !status) return tl::make_unexpected(status.error());
  impl->begin_epoch();
  return impl;
}

Mirror::Impl::Impl(const Options& options, std::unique_ptr<rcu::Domain> own_domain)
    : options_(options),
      own_domain_(std::move(own_domain)),
      domain_(own_domain_ ? *own_domain_ : *options.domain),
      back_off_(options.retry_after) {}

Status Mirror::Impl::open_wake() {
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_ || !wake_) return error("mirror: cannot make descriptors: {}", errno_text(errno));
  return watch(epoll_.get(), wake_.get());
}

// The old sockets, if any, leave the epoll set as they are closed.
Status Mirror::Impl::open_sockets() {
  events_.reset();
  dumps_.reset();
  auto events = options_.open({options_.netns, options_.receive_buffer_bytes, true});
  if (!events) return tl::make_unexpected(events.error());
  auto dumps = options_.open({options_.netns, kDumpBufferBytes, false});
  if (!dumps) return tl::make_unexpected(dumps.error());
  for (const int fd : {(*events)->fd(), (*dumps)->fd()})
    if (auto status = watch(epoll_.get(), fd); !status) return status;
  events_ = std::move(*events);
  dumps_ = std::move(*dumps);
  dump_.forget_socket();
  return {};
}

void Mirror::Impl::poll(size_t budget, TimePoint now) {
  now_ = now;
  clear_wake();
  store_.reclaim(2 * budget);
  read_events(budget);
  advance(budget);
  tell_progress();
  if (has_work()) wake();
  run_due();
}

void Mirror::Impl::read_events(size_t budget) {
  const auto take_one = [&](const nlmsghdr& message) {
    if (budget > 0) --budget;
    take(message);
  };
  while (events_ && budget > 0) {
    switch (events_->receive(take_one)) {
      case netlink::Received::messages:
        break;
      case netlink::Received::nothing:
        if (phase_ == Phase::drain) request_dump();
        return;
      case netlink::Received::overrun:
        overrun();
        break;
      case netlink::Received::lost:
        return lost();
    }
  }
}

void Mirror::Impl::take(const nlmsghdr& message) {
  if (message.nlmsg_type == NLMSG_ERROR)
    return take(Item(Answer{message.nlmsg_seq, netlink::error_of(message)}));
  auto event = netlink::decode(message);
  if (!event) {
    ++malformed_;
    kLog.warning("skipped: {}", event.error().message);
  } else if (*event) {
    take(Item(std::move(**event)));
  }
}

void Mirror::Impl::take(Item item) {
  switch (phase_) {
    case Phase::drain:
    case Phase::back_off:
      return;  // the dump will tell; no barrier is under way (drain)
    case Phase::dump:
    case Phase::settle:
    case Phase::replay:
      queue_.push_back(std::move(item));
      return;
    case Phase::live:
    case Phase::check:
    case Phase::check_barrier:
      apply(item);
  }
}

void Mirror::Impl::apply(const Item& item) {
  if (const auto* answer = std::get_if<Answer>(&item)) return answered(*answer);
  const auto& event = std::get<netlink::Event>(item);
  follower_.apply(event, census_.mark());
  note(event);
}

// Routes and nexthops change without a word after events of the other kinds; neighbours stand for themselves.
void Mirror::Impl::note(const netlink::Event& event) {
  if (std::holds_alternative<Neighbour>(event.object)) return;
  disturbed_ = true;
  const bool silent = !std::holds_alternative<Route>(event.object);
  if (silent || check_at_ != TimePoint::max()) check_at_ = now_ + options_.check_after;
}

void Mirror::Impl::answered(const Answer& answer) {
  if (phase_ == Phase::check_barrier && answer.sequence == check_barrier_) return finish_check();
  if (const auto asked = asked_.extract(answer.sequence); !asked.empty()) {
    if (answer.code == -EEXIST) use_untold_neighbour(asked.mapped());
    return;
  }
  auto found = barriers_.extract(answer.sequence);
  if (!found.empty()) due_.push_back(std::move(found.mapped()));
}

void Mirror::Impl::advance(size_t budget) {
  if (phase_ == Phase::dump || phase_ == Phase::check) read_dump(budget);
  if (phase_ == Phase::settle && census_.settle(budget)) phase_ = Phase::replay;
  if (phase_ == Phase::replay) replay(budget);
}

void Mirror::Impl::read_dump(size_t& budget) {
  const auto progress = dump_.read(*dumps_, budget, [&](const nlmsghdr& message) {
    if (message.nlmsg_type == RTM_NEWROUTE) {
      const auto is_route = netlink::decode_route(message, dumped_);
      malformed_ += !is_route;
      if (is_route && *is_route) census_.take(dumped_);
      return;
    }
    const auto event = netlink::decode(message);
    if (!event)
      ++malformed_;
    else if (*event)
      census_.take((*event)->object);
  });
  switch (progress) {
    case Dump::Progress::more:
      return;
    case Dump::Progress::lost:
      return lost();
    case Dump::Progress::interrupted:
      if (phase_ == Phase::dump) return try_again("the dump was interrupted");
      phase_ = Phase::live;
      check_at_ = now_ + options_.check_after;
      return;
    case Dump::Progress::done:
      if (phase_ == Phase::dump) {
        phase_ = Phase::settle;
        return;
      }
      const auto sequence = events_->send(netlink::barrier_request());
      if (!sequence) return lost();
      check_barrier_ = *sequence;
      phase_ = Phase::check_barrier;
  }
}

void Mirror::Impl::replay(size_t& budget) {
  for (; budget > 0 && !queue_.empty(); --budget) {
    const Item item = std::move(queue_.front());
    queue_.pop_front();
    apply(item);
  }
  if (queue_.empty()) finish_sync();
}

void Mirror::Impl::begin_epoch() {
  ++epoch_;
  tries_ = 0;
  drain();
}

// What is queued is older than the dump to come; so is what the barriers under way are waiting for.
void Mirror::Impl::drain() {
  consistent_ = false;
  phase_ = Phase::drain;
  queue_.clear();
  for (auto& [sequence, done] : barriers_) after_sync_.push_back(std::move(done));
  barriers_.clear();
  asked_.clear();
  wake();
}

void Mirror::Impl::request_dump() {
  census_.begin(true);
  dump_.start(all_kinds());
  phase_ = Phase::dump;
}

void Mirror::Impl::try_again(const char* why) {
  consistent_ = false;
  fault_ = why;
  if (++tries_ >= kTries) return back_off(why);
  kLog.info("{}: try {} of {}", why, tries_ + 1, kTries);
  drain();
}

void Mirror::Impl::back_off(const std::string& why) {
  drain();
  fault_ = why;
  phase_ = Phase::back_off;
  kLog.warning("no consistent dump; trying again in {} ms",
               std::chrono::duration_cast<std::chrono::milliseconds>(back_off_).count());
  retry_at_ = now_ + back_off_;
  back_off_ = std::min(back_off_ * 2, kLongestBackOff);
}

void Mirror::Impl::finish_sync() {
  if (ready_) ++resyncs_;
  ready_ = consistent_ = true;
  fault_.clear();
  back_off_ = options_.retry_after;
  phase_ = Phase::live;
  std::move(after_sync_.begin(), after_sync_.end(), std::back_inserter(due_));
  after_sync_.clear();
  const Stats now = stats();
  kLog.info("epoch {}: {} links, {} addresses, {} neighbours, {} nexthops, {} routes", now.epoch, now.links,
            now.addresses, now.neighbours, now.nexthops, now.routes);
}

void Mirror::Impl::overrun() {
  ++overruns_;
  kLog.warning("the kernel dropped events: its receive buffer is full");
  if (phase_ == Phase::drain || phase_ == Phase::back_off) return;
  if (syncing()) return try_again("events were dropped during a dump");
  fault_ = "the kernel dropped events";
  begin_epoch();
}

void Mirror::Impl::lost() {
  kLog.warning("a netlink socket was lost: opening new ones");
  fault_ = "a netlink socket was lost";
  begin_epoch();
  if (auto status = open_sockets(); !status) {
    kLog.error("{}", status.error().message);
    back_off(status.error().message);
  }
}

void Mirror::Impl::begin_check() {
  check_at_ = TimePoint::max();
  disturbed_ = false;
  census_.begin(false);
  dump_.start(checked_kinds());
  phase_ = Phase::check;
  wake();
}

void Mirror::Impl::finish_check() {
  phase_ = Phase::live;
  if (disturbed_) {
    check_at_ = now_ + options_.check_after;
    return;
  }
  ++checks_;
  const auto differences = census_.settle_and_tell();
  corrections_ += differences.size();
  for (size_t i = 0; i < std::min(differences.size(), kLoggedDifferences); ++i)
    kLog.warning("self-check: {} (a silent change that culvert does not know)", differences[i]);
}

TimePoint Mirror::Impl::next_timer() const {
  if (phase_ == Phase::back_off) return retry_at_;
  return phase_ == Phase::live ? check_at_ : TimePoint::max();
}

void Mirror::Impl::on_timer(TimePoint now) {
  if (now < next_timer()) return;
  now_ = now;
  if (events_) events_->note(netlink::Prompt::timer);
  if (phase_ == Phase::live) return begin_check();
  if (phase_ != Phase::back_off) return;
  if (!events_) return lost();
  tries_ = 0;
  drain();
}

void Mirror::Impl::resync() {
  if (!events_) return lost();
  events_->note(netlink::Prompt::resync);
  begin_epoch();
}

void Mirror::Impl::barrier(Done done) {
  if (phase_ == Phase::drain || phase_ == Phase::back_off) {
    after_sync_.push_back(std::move(done));
    return;
  }
  const auto sequence = events_->send(netlink::barrier_request());
  if (sequence) {
    barriers_[*sequence] = std::move(done);
    return;
  }
  after_sync_.push_back(std::move(done));
  lost();
}

void Mirror::Impl::use_neighbour(int ifindex, const net::IpAddr& ip) {
  const Neighbour* neighbour = store_.table<Neighbour>().find({ifindex, ip});
  if (!events_ || (neighbour != nullptr && neighbour->is_operators())) return;
  const auto sent = neighbour == nullptr
                        ? events_->send(netlink::new_neighbour_request(ifindex, ip))
                        : events_->send(netlink::use_neighbour_request(ifindex, ip, neighbour->is_managed()));
  if (!sent)
    kLog.warning("neighbour {}: {}", ip, sent.error().message);
  else if (neighbour == nullptr)
    asked_[*sent] = {ifindex, ip};
}

// A neighbour was there when it was asked for. All events before the answer are applied: what is still not
// known is an entry that the kernel does not tell of (INCOMPLETE, or FAILED from the start), never the
// operator's.
void Mirror::Impl::use_untold_neighbour(const Table<Neighbour>::Key& key) {
  if (store_.table<Neighbour>().find(key) != nullptr) return;
  const auto& [ifindex, ip] = key;
  const auto sent = events_->send(netlink::use_neighbour_request(ifindex, ip, false));
  if (!sent) kLog.warning("neighbour {}: {}", ip, sent.error().message);
}

Stats Mirror::Impl::stats() const {
  Stats stats;
  stats.epoch = epoch_;
  stats.sequence = store_.changes().told();
  stats.resyncs = resyncs_;
  stats.overruns = overruns_;
  stats.links = store_.table<Link>().size();
  stats.addresses = store_.table<Address>().size();
  stats.neighbours = store_.table<Neighbour>().size();
  stats.routes = store_.routes().size();
  stats.nexthops = store_.table<Nexthop>().size();
  stats.rules = store_.table<PolicyRule>().size();
  stats.malformed = malformed_;
  stats.checks = checks_;
  stats.corrections = corrections_;
  stats.consistent = consistent_;
  stats.behind = queue_.size();
  stats.state = state();
  return stats;
}

std::string Mirror::Impl::state() const {
  const std::string because = fault_.empty() ? "" : " (" + fault_ + ")";
  switch (phase_) {
    case Phase::drain:
    case Phase::dump:
      return fmt::format("reads the kernel's tables: {} objects so far{}", census_.taken(), because);
    case Phase::settle:
    case Phase::replay:
      return fmt::format("applies what it read: {} differences and {} events are left{}", census_.left(),
                         queue_.size(), because);
    case Phase::back_off:
      return fmt::format("keeps its last state and tries again with back-off{}", because);
    default:
      return "follows the kernel";
  }
}

// A long sync shows that it goes on.
void Mirror::Impl::tell_progress() {
  if (!syncing()) {
    progress_at_ = TimePoint::max();
  } else if (progress_at_ == TimePoint::max()) {
    progress_at_ = now_ + kProgress;
  } else if (now_ >= progress_at_) {
    kLog.info("epoch {}: {}", epoch_, state());
    progress_at_ = now_ + kProgress;
  }
}

bool Mirror::Impl::has_work() const {
  switch (phase_) {
    case Phase::drain:
    case Phase::settle:
    case Phase::replay:
      return true;
    case Phase::dump:
    case Phase::check:
      return !dump_.waiting();
    default:
      return false;
  }
}

void Mirror::Impl::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof(one));
}

void Mirror::Impl::clear_wake() {
  uint64_t count;
  [[maybe_unused]] const auto size = ::read(wake_.get(), &count, sizeof(count));
}

// Barriers may ask for more of the mirror: they are called when nothing else is under way.
void Mirror::Impl::run_due() {
  const std::vector<Done> due = std::exchange(due_, {});
  for (const Done& done : due) done();
}

}  // namespace culvert::mirror
