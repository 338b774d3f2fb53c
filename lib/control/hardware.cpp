#include "control/hardware.hpp"

#include <sys/eventfd.h>

#include <thread>
#include <utility>

#include "base/log.hpp"

namespace culvert::control {

namespace {

const Log kLog("control");

constexpr Duration kDrainLimit = std::chrono::seconds(1);  // for a worker that does not run

offload::Mode mode_of(config::Offload::Mode mode) {
  switch (mode) {
    case config::Offload::Mode::off:
      return offload::Mode::off;
    case config::Offload::Mode::required:
      return offload::Mode::required;
    default:
      return offload::Mode::automatic;
  }
}

offload::LayoutWish layout_of(config::Offload::Layout layout) {
  switch (layout) {
    case config::Offload::Layout::tagged:
      return offload::LayoutWish::tagged;
    case config::Offload::Layout::flat:
      return offload::LayoutWish::flat;
    default:
      return offload::LayoutWish::automatic;
  }
}

}  // namespace

offload::Prepared Hardware::prepare(const port::Port& port, const config::Port& config) {
  return offload::prepare(port.id(), config.kernel_path == config::KernelPath::bifurcated);
}

Result<std::unique_ptr<Hardware>> Hardware::create(EventLoop& loop, const config::Config& config,
                                                   const std::vector<std::unique_ptr<port::Port>>& ports,
                                                   const std::vector<offload::Prepared>& prepared,
                                                   rcu::Domain& domain, dataplane::Dataplane& dataplane) {
  std::unique_ptr<Hardware> hardware(new Hardware(loop, dataplane));
  hardware->wake_ = UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!hardware->wake_) return error("no eventfd for the offload thread: {}", errno_text(errno));
  offload::Setup setup;
  for (size_t i = 0; i < ports.size(); ++i)
    setup.ports.push_back({.name = ports[i]->name(),
                           .port_id = ports[i]->id(),
                           .rx_queues = ports[i]->rx_queue_count(),
                           // One that tenants are behind is none, whatever the kernel has there: no tunnel
                           // ends at it.
                           .wire = !config::takes_flows(config, ports[i]->name()),
                           .prepared = prepared[i]});
  setup.mode = mode_of(config.offload.mode);
  setup.layout = layout_of(config.offload.layout);
  setup.domain = &domain;
  setup.wake = [fd = hardware->wake_.get()] { ::eventfd_write(fd, 1); };  // full: it is awake already
  auto offload = offload::Offload::create(setup);
  if (!offload) return tl::make_unexpected(offload.error());
  hardware->offload_ = std::move(*offload);
  auto client = hardware->offload_->client();
  if (!client) return tl::make_unexpected(client.error());
  hardware->client_ = std::move(*client);
  loop.add_fd(hardware->wake_.get(), EPOLLIN, [self = hardware.get()](uint32_t) {
    eventfd_t count = 0;
    ::eventfd_read(self->wake_.get(), &count);
    self->poll();
  });
  return hardware;
}

Hardware::~Hardware() {
  take_marks_back();
  client_.reset();
  offload_.reset();
  if (wake_) loop_.remove_fd(wake_.get());
}

// Workers write the headers again, and what they marked before has left the NIC.
void Hardware::take_marks_back() {
  bool any = false;
  for (auto& [id, said] : said_) {
    if (std::exchange(said.mark, 0) == 0) continue;
    any = true;
    if (const Status set = dataplane_.set_encap(id, said.update.tunnel, &*said.update.rule); !set)
      kLog.error("{}", set.error().message);
  }
  if (!any) return;
  const dataplane::Fence fence = dataplane_.fence();
  const TimePoint deadline = Clock::now() + kDrainLimit;
  while (!dataplane_.passed(fence) && Clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void Hardware::set_mode(const config::Offload& wanted) {
  offload_->set_mode(mode_of(wanted.mode), layout_of(wanted.layout));
  if (wanted.mode != config::Offload::Mode::off) return;
  // Workers write the headers again. A mark that is being made now is nobody's any more.
  for (auto& [id, said] : said_) {
    if (!said.update.rule) continue;
    const bool was_marked = std::exchange(said.mark, 0) != 0;
    said.update.generation = ++generation_;
    said.update.since = {};
    if (const Status set = dataplane_.set_encap(id, said.update.tunnel, &*said.update.rule); !set)
      kLog.error("{}", set.error().message);
    offload_->set_encap(said.update);
    if (was_marked) fences_.push_back({dataplane_.fence(), id, said.update.generation});
  }
}

// Does the NIC see the difference? The reason for people, and the tunnel's MTU, are none of its business.
bool Hardware::is_news(const offload::EncapUpdate& before, const offload::EncapUpdate& now) {
  if (before.generation == 0 || before.tunnel != now.tunnel || before.terminated != now.terminated)
    return true;
  if (!before.rule || !now.rule) return true;
  return before.rule->port != now.rule->port || before.rule->header != now.rule->header;
}

Status Hardware::set_encap(const resolver::Adjacency& adjacency, bool terminated, dataplane::Unresolved why,
                           TimePoint since) {
  offload::EncapUpdate update{.id = adjacency.id,
                              .tunnel = adjacency.tunnel,
                              .rule = adjacency.rule,
                              .reason = adjacency.reason_text,
                              .terminated = terminated,
                              .since = since};
  Said& said = said_[adjacency.id];
  const bool news = is_news(said.update, update);
  update.generation = news ? ++generation_ : said.update.generation;
  const bool was_marked = said.mark != 0;
  if (news) said.mark = 0;
  said.update = update;
  // The packet path first: from now on no worker writes the old header.
  const tunnel::EncapRule* const rule = update.rule ? &*update.rule : nullptr;
  const Status set = dataplane_.set_encap(adjacency.id, update.tunnel, rule, why, said.mark);
  offload_->set_encap(std::move(update));
  if (news && was_marked) fences_.push_back({dataplane_.fence(), adjacency.id, said.update.generation});
  return set;
}

void Hardware::remove_encap(resolver::EncapId id) {
  dataplane_.remove_encap(id);
  offload_->remove_encap(id);
  if (said_[id].mark != 0) fences_.push_back({dataplane_.fence(), id, ++generation_});
  said_.erase(id);
}

void Hardware::set_networks(const std::vector<dataplane::NetworkSpec>& networks,
                            const std::map<std::string, dataplane::NetworkId>& ids) {
  std::vector<offload::NetworkSpec> specs;
  for (const dataplane::NetworkSpec& network : networks)
    specs.push_back({network.id, network.learning, network.ports, network.encaps, !network.vlans.empty()});
  offload_->set_networks(std::move(specs));
  network_names_.clear();
  for (const auto& [name, id] : ids) network_names_[id] = name;
}

// A network's name may be gone, or be another's, when a row of it goes: rows are called by number.
std::string Hardware::network_name(dataplane::NetworkId id) const {
  const auto network = network_names_.find(id);
  return network != network_names_.end() ? network->second : std::to_string(id);
}

std::string Hardware::name_of(const dataplane::PathEvent& event) const {
  return fmt::format("{}:{}:{}", event.where.is_tunnel() ? "path" : "decap", network_name(event.network),
                     event.mac);
}

void Hardware::on_path(const dataplane::PathEvent& event) {
  const auto key = std::pair(event.network, event.mac.bits());
  if (const auto old = path_names_.find(key); old != path_names_.end()) {
    remove_flow(old->second);
    path_names_.erase(old);
  }
  if (event.kind == dataplane::PathEvent::Kind::gone) return;
  offload::FlowSpec spec{.name = name_of(event)};
  if (event.where.is_tunnel()) {
    spec.source = offload::Source::path;
    spec.what = offload::PathTo{event.network, event.mac, event.where.index()};
  } else {
    spec.source = offload::Source::decap;
    spec.what = offload::StationAt{event.network, event.mac,
                                   static_cast<offload::PortIndex>(event.where.index()), event.where.vlan()};
  }
  const std::string name = spec.name;
  if (const Status added = client_->add(std::move(spec)); !added) {
    kLog.warning("{} is not offloaded: {}", name, added.error().message);
    return;
  }
  path_names_[key] = name;
}

Status Hardware::put_flow(const std::string& name, offload::Source source, const offload::Explicit& what) {
  return client_->find(name) ? client_->replace({name, source, what}) : client_->add({name, source, what});
}

void Hardware::remove_flow(const std::string& name) {
  if (const Status removed = client_->remove(name); !removed) kLog.error("{}", removed.error().message);
}

void Hardware::remove_port(offload::PortIndex port, std::function<void()> done) {
  offload_->remove_port(port);
  offload_->barrier(std::move(done));
}

void Hardware::poll() {
  for (const offload::Event& event : offload_->take_events())
    std::visit([this](const auto& what) { handle(what); }, event);
  while (!fences_.empty() && dataplane_.passed(fences_.front().fence)) {
    offload_->drained(fences_.front().encap, fences_.front().generation);
    fences_.pop_front();
  }
  offload_->run_answers();
}

// The rule is in: from now on workers leave the header to the NIC, if it is still the one that they would
// write.
void Hardware::handle(const offload::MarkReady& ready) {
  const auto found = said_.find(ready.encap);
  if (found == said_.end() || found->second.update.generation != ready.generation) {
    fences_.push_back(
        {dataplane_.fence(), ready.encap, ready.generation + 1});  // behind those of earlier marks
    return;
  }
  Said& said = found->second;
  const Status set = dataplane_.set_encap(ready.encap, said.update.tunnel, &*said.update.rule,
                                          dataplane::Unresolved::tunnel, ready.mark);
  if (set)
    said.mark = ready.mark;
  else
    kLog.error("{}", set.error().message);
}

void Hardware::handle(const offload::StationUsed& used) { dataplane_.touch(used.network, used.mac); }

}  // namespace culvert::control
