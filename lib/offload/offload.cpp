#include "offload/offload.hpp"

#include <algorithm>
#include <mutex>

#include "base/compat.hpp"
#include "base/log.hpp"
#include "offload/engine.hpp"
#include "offload/flow_table.hpp"
#include "offload/targets.hpp"
#include "offload/template_queue.hpp"

namespace culvert::offload {

namespace {

using namespace std::chrono_literals;

const Log kLog("offload");

// The offload thread looks at its counters and retries this often when nothing else wakes it.
constexpr std::chrono::microseconds kNap = 20ms;

}  // namespace

struct Offload::State {
  std::function<void(const std::string&)> before_init_done;
  rcu::Domain* domain = nullptr;
  std::unique_ptr<FlowTable> table;
  std::vector<EncapState> encaps{kMaxEncaps};
  std::unique_ptr<Engine> engine;
  std::vector<std::string> descriptions;  // by PortIndex
  std::vector<bool> takes_rules;          // likewise
  std::optional<compat::ControlThread> thread;
  std::atomic<bool> running{true};
  std::function<void()> wake;
  std::mutex answers_mutex;
  std::vector<std::function<void()>> answers;

  void answer(std::function<void()> call) {
    {
      const std::lock_guard lock(answers_mutex);
      answers.push_back(std::move(call));
    }
    if (wake) wake();
  }
};

Prepared prepare(uint16_t port_id, bool isolate, std::optional<bool> async) {
  Prepared prepared;
  rte_flow_error error{};
  const int rc = isolate ? rte_flow_isolate(port_id, 1, &error) : 0;
  prepared.isolated = isolate && rc == 0;
  if (rc != 0 && rc != -ENOSYS && rc != -ENOTSUP)  // those: it has no such rules, as net_af_packet
    kLog.warning("ethdev {} cannot be isolated, so the kernel does not see what it receives: {}", port_id,
                 DriverError::of(error, rc).to_string());
  if (!async.value_or(traits_of(port_id).prefers_async)) return prepared;
  if (const auto operations = make_async(port_id))
    prepared.operations = *operations;
  else
    kLog.debug("ethdev {}: classic rules: {}", port_id, operations.error().message);
  return prepared;
}

Offload::Offload(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Offload>> Offload::create(const Setup& setup) {
  auto state = std::make_unique<State>();
  state->before_init_done = setup.before_init_done;
  state->domain = setup.domain;
  state->wake = setup.wake;
  auto table = FlowTable::create(*setup.domain);
  if (!table) return tl::make_unexpected(table.error());
  state->table = std::move(*table);

  Engine::Setup engine;
  engine.mode = setup.mode;
  engine.domain = setup.domain;
  engine.table = state->table.get();
  engine.encaps = state->encaps.data();
  engine.wake_control = setup.wake;
  engine.targets = find_targets(setup.ports);
  state->descriptions.resize(setup.ports.size());
  state->takes_rules.resize(setup.ports.size());
  for (const auto& target : engine.targets) {
    probe_target(*target, setup);
    const std::string text = Engine::describe(*target);
    kLog.info("{}", text);
    for (const PortIndex port : target->ports) {
      state->descriptions[port] = text;
      state->takes_rules[port] = target->able.any;
    }
    if (setup.mode == Mode::required && !target->unable.empty())
      return error("offload.mode is required, but {}; give another port, or mode auto", text);
  }
  for (const PortSetup& port : setup.ports) {
    engine.port_ids.push_back(port.port_id);
    engine.isolated.push_back(port.prepared.isolated);
    auto& queues = engine.rx_queues.emplace_back();
    for (uint16_t queue = 0; queue < port.rx_queues; ++queue) queues.push_back(queue);
  }
  state->engine = std::make_unique<Engine>(std::move(engine));
  const auto run = [](void* argument) -> uint32_t {
    auto& all = *static_cast<State*>(argument);
    while (all.running.load(std::memory_order_acquire)) all.engine->turn(kNap);
    all.engine->shutdown();
    return 0;
  };
  compat::ControlThread thread{};
  if (const int rc = compat::start_control_thread(thread, "culvert-offload", run, state.get()); rc != 0)
    return error("the offload thread does not start: {}", errno_text(rc));
  state->thread = thread;
  return std::unique_ptr<Offload>(new Offload(std::move(state)));
}

Offload::~Offload() { shutdown(); }

void Offload::shutdown() {
  if (!state_->thread) return;
  state_->running.store(false, std::memory_order_release);
  state_->engine->mailbox().post(Ask{[] {}});
  compat::join_control_thread(*std::exchange(state_->thread, std::nullopt));
}

// --- The control lcore.

void Offload::set_encap(EncapUpdate update) {
  state_->engine->mailbox().post(SetEncap{std::make_unique<EncapUpdate>(std::move(update))});
}
void Offload::remove_encap(EncapId id) { state_->engine->mailbox().post(RemoveEncap{id}); }
void Offload::set_networks(std::vector<NetworkSpec> networks) {
  state_->engine->mailbox().post(SetNetworks{std::move(networks)});
}
void Offload::set_mode(Mode mode, LayoutWish layout) {
  state_->engine->mailbox().post(SetMode{mode, layout});
}
void Offload::remove_port(PortIndex port) { state_->engine->mailbox().post(RemovePort{port}); }
void Offload::drained(EncapId id, uint64_t generation) {
  state_->engine->mailbox().post(Drained{id, generation});
}
std::vector<Event> Offload::take_events() { return state_->engine->take_events(); }

void Offload::barrier(std::function<void()> done) {
  State* const state = state_.get();
  state->engine->mailbox().post(
      Barrier{[state, done = std::move(done)]() mutable { state->answer(std::move(done)); }});
}

void Offload::verify(std::function<void(std::vector<std::string>)> done) {
  State* const state = state_.get();
  state->engine->mailbox().post(Ask{[state, done = std::move(done)] {
    state->answer([done, found = state->engine->audit()] { done(found); });
  }});
}

void Offload::explain(const std::string& name, std::function<void(Result<std::vector<std::string>>)> done) {
  State* const state = state_.get();
  state->engine->mailbox().post(Ask{[state, name, done = std::move(done)] {
    state->answer([done, said = state->engine->explain(name)] { done(said); });
  }});
}

void Offload::run_answers() {
  std::vector<std::function<void()>> answers;
  {
    const std::lock_guard lock(state_->answers_mutex);
    answers.swap(state_->answers);
  }
  for (const auto& answer : answers) answer();
}

// --- Any thread.

EncapView Offload::encap(EncapId id) const {
  const EncapState& state = state_->encaps[id];
  EncapView view;
  view.in_hardware = state.slot.load(std::memory_order_acquire) == EncapState::Slot::in ||
                     state.flow_rules.load(std::memory_order_relaxed) != 0;
  view.hardware = {state.packets.load(std::memory_order_relaxed),
                   state.bytes.load(std::memory_order_relaxed)};
  return view;
}

Operations Offload::operations() const { return state_->engine->operations(); }
Latency Offload::latency() const { return state_->engine->latency(); }
bool Offload::takes_rules(PortIndex port) const { return state_->takes_rules[port]; }
std::string Offload::describe(PortIndex port) const { return state_->descriptions[port]; }

// --- Clients.

Result<std::unique_ptr<Offload::Client>> Offload::client() {
  const auto reader = state_->domain->lend_name();
  if (!reader) return tl::make_unexpected(reader.error());
  return std::unique_ptr<Client>(new Client(*state_, *reader));
}

// Online for as long as it lives.
class Offload::Client::Reading {
 public:
  explicit Reading(const Client& client) : client_(client) { client_.state_.domain->online(client_.reader_); }
  ~Reading() { client_.state_.domain->offline(client_.reader_); }

 private:
  const Client& client_;
};

Offload::Client::Client(State& state, rcu::ReaderId reader) : state_(state), reader_(reader) {
  state_.domain->add(reader_);
}

Offload::Client::~Client() {
  state_.domain->remove(reader_);
  state_.domain->give_back(reader_);
}

namespace {

// What follows from the flow alone is made here, so that the offload thread has less to do.
std::unique_ptr<Flow> make_flow(FlowSpec&& spec) {
  auto flow = std::make_unique<Flow>();
  flow->spec = std::move(spec);
  flow->nodes.reserve(1);
  if (const auto* const what = std::get_if<Explicit>(&flow->spec.what)) flow->made = make_node(*what);
  return flow;
}

}  // namespace

Status Offload::Client::add(FlowSpec spec) {
  auto flow = make_flow(std::move(spec));
  if (const Status inserted = state_.table->insert(*flow); !inserted) return inserted;
  if (state_.before_init_done) state_.before_init_done(flow->spec.name);
  state_.engine->mailbox().post(AddFlow{std::move(flow), nullptr});
  return {};
}

Status Offload::Client::replace(FlowSpec spec) {
  auto flow = make_flow(std::move(spec));
  const auto old = state_.table->replace(*flow);
  if (!old) return tl::make_unexpected(old.error());
  state_.engine->mailbox().post(AddFlow{std::move(flow), *old});
  return {};
}

Status Offload::Client::remove(const std::string& name) {
  Flow* const flow = state_.table->remove(name);
  if (flow == nullptr) return error("no flow '{}'", name);
  state_.engine->mailbox().post(RemoveFlow{flow});
  return {};
}

namespace {

FlowView view_of(const Flow& flow, const std::vector<EncapState>& encaps) {
  FlowView view;
  view.name = flow.spec.name;
  view.source = flow.spec.source;
  if (const auto* what = std::get_if<Explicit>(&flow.spec.what)) {
    view.port = what->port;
    view.encap = what->encap;
  } else if (const auto* path = std::get_if<PathTo>(&flow.spec.what)) {
    view.network = path->network;
    view.station = path->mac;
    view.encap = path->encap;
  } else {
    const auto& station = std::get<StationAt>(flow.spec.what);
    view.network = station.network;
    view.station = station.mac;
    view.port = station.port;
  }
  const std::string* reason = flow.reason.load();
  view.state = flow.state.load(std::memory_order_acquire);
  const auto slot =
      view.encap ? encaps[*view.encap].slot.load(std::memory_order_acquire) : EncapState::Slot::none;
  // Its own rule is in: whether it leads anywhere is the slot's matter. And without a next hop it waits,
  // whatever the NIC would say.
  if (view.encap && (flow.by_slot.load(std::memory_order_acquire) || slot == EncapState::Slot::pending)) {
    const EncapState& encap = encaps[*view.encap];
    view.state = slot == EncapState::Slot::in        ? FlowState::offloaded
                 : slot == EncapState::Slot::refused ? FlowState::software
                                                     : FlowState::pending;
    if (slot != EncapState::Slot::in) reason = encap.reason.load();
  }
  if (reason != nullptr) view.reason = *reason;
  view.packets = flow.packets.load(std::memory_order_relaxed);
  view.bytes = flow.bytes.load(std::memory_order_relaxed);
  return view;
}

}  // namespace

std::optional<FlowView> Offload::Client::find(const std::string& name) {
  const Reading reading(*this);
  const Flow* const flow = state_.table->find(name);
  if (flow == nullptr) return std::nullopt;
  return view_of(*flow, state_.encaps);
}

std::vector<FlowView> Offload::Client::flows() {
  std::vector<FlowView> views;
  const uint32_t end = state_.table->end();
  for (uint32_t id = 0; id < end; ++id) {
    const Reading reading(*this);
    const Flow* const flow = state_.table->at(id);
    if (flow == nullptr || flow->removed.load(std::memory_order_acquire)) continue;
    if (flow->init_done.load(std::memory_order_acquire)) views.push_back(view_of(*flow, state_.encaps));
  }
  return views;
}

}  // namespace culvert::offload
