// The offload thread's turn, its end, and what others see of it.
#include "offload/engine.hpp"

#include <rte_common.h>
#include <rte_prefetch.h>

#include <algorithm>

#include "base/log.hpp"

namespace culvert::offload {

namespace {

using namespace std::chrono_literals;

const Log kLog("offload");

// In small portions, so that what one request, decision or completion has touched is still in the processor's
// cache for the next.
constexpr size_t kRequestBudget = 256;  // a turn
constexpr size_t kFetchAhead = 4;       // requests
constexpr size_t kDecideBudget = 256;   // nodes a turn
constexpr size_t kReclaimBudget = 256;
constexpr Duration kShutdownLimit = 5s;
// While operations are under way the thread looks for their completions without rest for so long, then with
// naps: a driver that takes milliseconds costs no core.
constexpr Duration kSpin = 200us;
constexpr std::chrono::microseconds kShortNap = 50us;

}  // namespace

Engine::Engine(Setup setup)
    : mode_(setup.mode),
      domain_(*setup.domain),
      table_(*setup.table),
      targets_(std::move(setup.targets)),
      target_of_port_(setup.port_ids.size(), nullptr),
      port_ids_(std::move(setup.port_ids)),
      rx_queues_(std::move(setup.rx_queues)),
      isolated_(std::move(setup.isolated)),
      removed_(port_ids_.size(), false),
      encap_states_(setup.encaps),
      wake_control_(std::move(setup.wake_control)),
      retired_(domain_) {
  for (const auto& target : targets_) {
    for (const PortIndex port : target->ports) target_of_port_[port] = target.get();
    make_fixed(*target);
  }
}

Engine::~Engine() = default;

void Engine::make_fixed(Target& target) {
  const auto add = [&](uint8_t variant, PortIndex port) {
    Node& node = *target.fixed.emplace_back(std::make_unique<Node>());
    prepare(node, NodeKind::fixed, &target);
    node.port = port;
    node.set_entries(1);
    node.entries[0].variant = variant;
    mark_dirty(node);
  };
  if (!target.queue) return;
  if (target.is_switch)
    for (const PortIndex wire : target.wires) add(kCongested, wire);
  if (!target.is_switch && target.able.egress)
    for (const uint8_t variant : {kEgressRoot, kNoLeak}) add(variant, target.ports.front());
}

// How long it may wait for requests: not at all while there is something to do.
std::chrono::microseconds Engine::rest(std::chrono::microseconds limit) const {
  if (next_decision_ != deciding_.size() || !dirty_.empty() || counting_left_ != 0) return 0us;
  bool in_flight = false;
  for (const auto& target : targets_)
    target->each_queue([&](const RuleQueue& queue) { in_flight = in_flight || queue.in_flight() != 0; });
  if (!in_flight) return limit;
  return Clock::now() < progress_ + kSpin ? 0us : std::min(limit, kShortNap);
}

// The flows of the requests to come: another thread has just written them. With join()'s look-ups the same
// way inserting takes this thread 0.90 times the time (perf's samples of 2 x 1,000,000 flows).
void Engine::fetch_ahead() const {
  const auto fetch = [](const auto* object) {
    for (size_t at = 0; at < sizeof(*object); at += RTE_CACHE_LINE_SIZE)
      rte_prefetch0(reinterpret_cast<const char*>(object) + at);
  };
  const auto added = [this](size_t ahead) -> const Flow* {
    if (next_request_ + ahead >= requests_.size()) return nullptr;
    const auto* const request = std::get_if<AddFlow>(&requests_[next_request_ + ahead]);
    return request != nullptr ? request->flow.get() : nullptr;
  };
  if (const Flow* const flow = added(2 * kFetchAhead)) fetch(flow);
  if (const Flow* const flow = added(kFetchAhead); flow != nullptr && flow->made) fetch(flow->made.get());
}

// How many were applied.
size_t Engine::take_requests(std::chrono::microseconds limit) {
  if (next_request_ == requests_.size()) {
    requests_.clear();
    next_request_ = 0;
    mailbox_.take(requests_, rest(limit));
  }
  const size_t requests = std::min(kRequestBudget, requests_.size() - next_request_);
  for (size_t i = 0; i < requests; ++i) {
    fetch_ahead();
    std::visit([this](auto& one) { apply(one); }, requests_[next_request_++]);
  }
  for (const auto& [index, claim] : joining_) index->add(*claim);
  joining_.clear();
  return requests;
}

void Engine::turn(std::chrono::microseconds limit) {
  const size_t requests = take_requests(limit);

  // What a decision makes dirty is for the next turn.
  if (next_decision_ == deciding_.size()) {
    deciding_.clear();
    next_decision_ = 0;
    deciding_.swap(dirty_);
  }
  const size_t decisions = std::min(kDecideBudget, deciding_.size() - next_decision_);
  for (size_t i = 0; i < decisions; ++i) {
    Node& node = *deciding_[next_decision_ + i];
    node.dirty = false;
    decide(node);
  }
  // Not each after its decision: the driver's code and ours would take turns in the processor's cache.
  for (size_t i = 0; i < decisions; ++i) step(*deciding_[next_decision_++]);

  size_t completed = 0;
  for (const auto& target : targets_) {
    completions_.clear();
    target->each_queue([this](RuleQueue& queue) { queue.pull(completions_); });
    for (const Completion& completion : completions_) complete(*target, completion);
    completed += completions_.size();
  }
  const TimePoint now = Clock::now();
  if (completed + decisions + requests != 0) progress_ = now;
  retry(now);
  read_counters(now);
  reap();
  retired_.reclaim(kReclaimBudget);
  while (!barriers_.empty() && (settling_.empty() || settling_.begin()->first > barriers_.begin()->first)) {
    barriers_.begin()->second();
    barriers_.erase(barriers_.begin());
  }
}

void Engine::shutdown() {
  for (auto& [id, row] : encaps_) {
    row->now.rule.reset();
    row->now.terminated = false;
    row->removed = true;
  }
  ending_ = true;
  each_node([this](Node& node) { mark_dirty(node); });
  const TimePoint deadline = Clock::now() + kShutdownLimit;
  const auto empty = [this] {
    return std::ranges::all_of(targets_,
                               [](const auto& target) { return target->rules <= target->fixed_rules(); });
  };
  while (!empty() && Clock::now() < deadline) turn(1ms);
  // The rules that keep inner frames off the underlay go last.
  for (const auto& target : targets_)
    for (const auto& node : target->fixed) {
      node->doomed = true;
      mark_dirty(*node);
    }
  while (std::ranges::any_of(targets_, [](const auto& target) { return target->rules != 0; }) &&
         Clock::now() < deadline)
    turn(1ms);
  for (const auto& target : targets_)
    if (target->rules != 0) kLog.warning("{}: {} rules could not be withdrawn", target->name, target->rules);
}

std::vector<Event> Engine::take_events() {
  const std::lock_guard lock(events_mutex_);
  return std::exchange(events_, {});
}

Latency Engine::latency() const {
  const std::lock_guard lock(events_mutex_);
  return latency_;
}

Operations Engine::operations() const {
  Operations sum;
  // In this order, and acquire: what has been destroyed was made before.
  sum.destroyed = destroyed_.load(std::memory_order_acquire);
  sum.created = created_.load(std::memory_order_relaxed);
  sum.refused = refused_.load(std::memory_order_relaxed);
  sum.rules = sum.created - sum.destroyed;
  return sum;
}

void Engine::leave(const Event& event) {
  bool first = false;
  {
    const std::lock_guard lock(events_mutex_);
    first = events_.empty();
    events_.push_back(event);
  }
  if (first && wake_control_) wake_control_();
}

Target* Engine::target_of(PortIndex port) const {
  Target* const target = port < target_of_port_.size() ? target_of_port_[port] : nullptr;
  return target != nullptr && target->queue && target->unable.empty() ? target : nullptr;
}

EncapRow& Engine::encap(EncapId id) {
  auto& row = encaps_[id];
  if (!row) {
    row = std::make_unique<EncapRow>();
    row->now.id = id;
  }
  return *row;
}

void Engine::prepare(Node& node, NodeKind kind, Target* target) {
  node.kind = kind;
  node.target = target;
  node.sequence = ++next_sequence_;
}

void Engine::attach(Node& node, EncapRow& row) {
  node.encap = &row;
  ++row.users;
}

}  // namespace culvert::offload
