#include "control/control.hpp"

#include <sys/eventfd.h>

#include <ctime>

#include <algorithm>
#include <set>

#include "base/log.hpp"
#include "config/route_tables.hpp"
#include "offload/trace.hpp"

namespace culvert::control {

namespace {

using namespace std::chrono_literals;

const Log kLog("control");

// Learning, timers and `wait` are looked at this often; the kernel's events are handled when they come.
constexpr Duration kTick = 5ms;
constexpr Duration kFirstSyncLimit = 60s;
// Budgets of one turn, so that no source starves another.
constexpr size_t kMirrorBudget = 512;
constexpr size_t kDataplaneBudget = 1024;

Duration thread_cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

Control::Control(EventLoop& loop, const config::Config& config, const std::string& config_file)
    : loop_(loop),
      config_(config),
      config_file_(config_file),
      table_names_(config::route_tables()),
      neighbour_ageing_(config.netns),
      holder_(config.netns) {}

Control::~Control() {
  loop_.cancel(tick_);
  if (removals_) loop_.remove_fd(removals_.get());
  if (mirror_) {
    loop_.remove_fd(mirror_->fd());
    mirror_->unsubscribe(*this);
  }
  gids_.reset();  // the update thread waits for nobody any more
  if (dataplane_) dataplane_->set_path_listener({});
  hardware_.reset();  // its rules go while the workers still carry what they leave
  if (dataplane_) dataplane_->shutdown();
  port::close_all(ports_);
}

Result<std::unique_ptr<Control>> Control::create(EventLoop& loop, const config::Config& config,
                                                 const std::string& config_file,
                                                 const std::vector<unsigned>& worker_lcores,
                                                 const netlink::Open& kernel) {
  std::unique_ptr<Control> control(new Control(loop, config, config_file));
  Status status = control->check_offload(config.offload);
  if (status) status = control->watch_ports();
  if (status) status = control->open_ports(worker_lcores);
  if (status) status = control->sync_with_kernel(kernel);
  if (status) status = control->check_netdevs();
  if (status) status = control->start_dataplane(worker_lcores);
  if (status) status = control->start_gids();
  if (status) status = control->apply_config();
  if (status) status = control->dataplane_->launch();
  if (!status) return tl::make_unexpected(status.error());
  Control* self = control.get();
  loop.add_fd(control->removals_.get(), EPOLLIN, [self](uint32_t) { self->on_ports_removed(); });
  control->tick_ = loop.every(kTick, [self] { self->turn(); });
  return control;
}

Status Control::open_ports(const std::vector<unsigned>& worker_lcores) {
  auto domain = rcu::Domain::create();
  if (!domain) return tl::make_unexpected(domain.error());
  domain_ = std::move(*domain);
  const auto workers = static_cast<unsigned>(worker_lcores.size());
  auto pool = port::create_mempool("culvert",
                                   port::mbufs_needed(static_cast<unsigned>(config_.ports.size()), workers));
  if (!pool) return tl::make_unexpected(pool.error());
  pool_ = std::move(*pool);
  for (const config::Port& wanted : config_.ports) {
    auto port = port::Port::open({.name = wanted.name,
                                  .ethdev = wanted.ethdev,
                                  .workers = workers,
                                  .pool = pool_.get(),
                                  .on_removed = [fd = removals_.get()] { ::eventfd_write(fd, 1); }});
    if (!port) return tl::make_unexpected(port.error());
    ports_.push_back(std::move(*port));
  }
  prepared_.resize(ports_.size());
  for (port::Port* const port : port::start_order(ports_)) {
    const auto index = static_cast<size_t>(
        std::ranges::find(ports_, port, &std::unique_ptr<port::Port>::get) - ports_.begin());
    prepared_[index] = Hardware::prepare(*port, config_.ports[index]);
    if (prepared_[index].isolated && config::takes_flows(config_, port->name()))
      return error(
          "port {}: of a NIC that its netdev shares (kernel_path: bifurcated) culvert gets tunnel packets "
          "only, and not what a network's tenants send; leave out netdev, or say kernel_path: none",
          port->name());
    if (const Status started = port->start(); !started) return started;
  }
  return {};
}

Status Control::sync_with_kernel(const netlink::Open& kernel) {
  auto mirror = mirror::Mirror::create({.domain = domain_.get(), .netns = config_.netns, .open = kernel});
  if (!mirror) return tl::make_unexpected(mirror.error());
  mirror_ = std::move(*mirror);
  mirror_->subscribe(*this);
  loop_.add_fd(mirror_->fd(), EPOLLIN, [this](uint32_t) {
    event_at_ = Clock::now();
    mirror_->poll(kMirrorBudget, event_at_);
    turn();
    event_at_ = {};
  });
  const TimePoint deadline = Clock::now() + kFirstSyncLimit;
  neighbour_ageing_.poll(Clock::now());
  while (!mirror_->ready() || neighbour_ageing_.is_reading()) {
    loop_.turn(100ms);
    const TimePoint now = Clock::now();
    if (now >= mirror_->next_timer()) mirror_->on_timer(now);
    neighbour_ageing_.poll(now);
    if (now > deadline)
      return error("the kernel's tables could not be read within 60 s; is netlink usable here?");
  }
  return {};
}

// An af_packet port sees a link of culvert's own namespace: it must be the one that is mirrored, or the
// addresses, routes and neighbours of another link would be applied to it.
Status Control::check_netdevs() const {
  const std::string where =
      config_.netns.empty() ? "culvert's network namespace" : "kernel.netns " + config_.netns;
  for (size_t i = 0; i < ports_.size(); ++i) {
    const std::string& netdev = config_.ports[i].netdev;
    const port::Port& port = *ports_[i];
    if (netdev.empty()) continue;
    const mirror::Link* link = mirror_->link_by_name(netdev);
    if (link == nullptr && port.if_index() == 0) {
      kLog.warning("port {}: netdev {} does not exist in {} yet", port.name(), netdev, where);
      continue;
    }
    if (link == nullptr)
      return error(
          "port {}: netdev {} does not exist in {}; name the link that {} opened, in the namespace it is in",
          port.name(), netdev, where, port.ethdev());
    const bool same = port.if_index() == static_cast<unsigned>(link->ifindex) &&
                      (!port.kernel_frames() || port.mac() == link->mac);
    if (port.if_index() != 0 && !same)
      return error(
          "port {}: {} is another link than netdev {} in {}; name the link that it opened, and let "
          "kernel.netns be "
          "the namespace that culvert runs in",
          port.name(), port.ethdev(), netdev, where);
  }
  return {};
}

Status Control::start_dataplane(const std::vector<unsigned>& worker_lcores) {
  dataplane::Setup setup;
  for (size_t i = 0; i < ports_.size(); ++i)
    setup.ports.push_back({.port = ports_[i].get(),
                           .kernel_frames = ports_[i]->kernel_frames(),
                           .own_macs = own_macs(*ports_[i], config_.ports[i]),
                           .underlay = !config_.ports[i].netdev.empty(),
                           .bifurcated = config_.ports[i].kernel_path == config::KernelPath::bifurcated});
  setup.lcores = worker_lcores;
  setup.domain = domain_.get();
  auto dataplane = dataplane::Dataplane::create(setup);
  if (!dataplane) return tl::make_unexpected(dataplane.error());
  dataplane_ = std::move(*dataplane);
  follow_neighbour_cache();
  if (const Status started = start_hardware(); !started) return started;
  l3_ = std::make_unique<L3Networks>(*mirror_, *dataplane_, *domain_,
                                     [this](const resolver::NeighbourKey& key) { resolver_->used(key); });
  suppression_ = std::make_unique<Suppression>(*mirror_, *dataplane_);

  kernel_paths_ = std::make_unique<KernelPaths>(*mirror_, *dataplane_, config_.netns);

  std::vector<resolver::PortLink> links;
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (!config_.ports[i].netdev.empty())
      links.push_back({static_cast<uint16_t>(i), config_.ports[i].netdev});
  }
  resolver_ = std::make_unique<resolver::Resolver>(
      *mirror_, std::move(links), [this](const resolver::Adjacency& adjacency) { on_adjacency(adjacency); });
  keepalive_ = std::make_unique<resolver::Keepalive>(resolver::Keepalive::World{
      .packets = [this](resolver::EncapId id) { return sent_by(id); },
      .delay_probe = [this](const auto& key) -> Duration {
        return neighbour_ageing_.of(key.first, key.second).delay_probe;
      },
      .used = [this](const auto& key, resolver::EncapId id) { neighbour_used(key, id); },
  });
  return {};
}

Status Control::apply_config() {
  for (const tunnel::Tunnel& tunnel : config_.tunnels) {
    if (const Status added = add_tunnel(tunnel); !added) return added;
  }
  if (const Status set = set_networks(); !set) return set;
  set_paths();
  for (const tunnel::Flow& flow : config_.flows) {
    if (const Status made = create_flow(flow, FlowStore::Source::config); !made) return made;
  }
  return {};
}

void Control::turn() {
  const TimePoint now = Clock::now();
  if (now >= mirror_->next_timer()) mirror_->on_timer(now);
  if (!resolver_) return;  // the first sync is under way
  resolver_->flush(now);
  resolver_->run_timers(now);
  if (gids_) gids_->poll();
  l3_->flush(now);
  suppression_->flush();
  if (std::exchange(links_changed_, false)) {
    publish_own_macs();
    holder_.retry();
    kernel_paths_->links_changed();
  }
  if (std::exchange(terminations_changed_, false)) publish_terminations();
  finish_reload();
  close_removed_ports();
  hardware_->poll();
  kernel_paths_->poll(now, kDataplaneBudget);
  dataplane_->poll(now, kDataplaneBudget);
  neighbour_ageing_.poll(now);
  follow_neighbour_cache();
  keepalive_->run(now);
  if (now >= next_second_) {
    measure_load(now);
    next_second_ = now + 1s;
  }
  waiters_.run(*domain_, now);
}

void Control::on_link(const mirror::Link*, const mirror::Link*) { links_changed_ = true; }

void Control::on_adjacency(const resolver::Adjacency& adjacency) {
  using resolver::Reason;
  const bool waits =
      adjacency.reason == Reason::neighbour_unresolved || adjacency.reason == Reason::neighbour_failed;
  const Status set = hardware_->set_encap(
      adjacency, gids_->admits(adjacency.tunnel.local),
      waits ? dataplane::Unresolved::neighbour : dataplane::Unresolved::tunnel, event_at_);
  if (!set) kLog.error("tunnel {}: {}", adjacency.tunnel.name, set.error().message);
  keepalive_->set(adjacency.id, adjacency.neighbour, Clock::now());
  if (gids_->admits(adjacency.tunnel.local) != terminated_.contains(adjacency.id))
    terminations_changed_ = true;
}

void Control::publish_own_macs() {
  for (size_t i = 0; i < ports_.size(); ++i)
    dataplane_->set_own_macs(static_cast<dataplane::PortIndex>(i), own_macs(*ports_[i], config_.ports[i]));
}

// A tunnel packet to an address that is no longer ours is left alone.
std::vector<dataplane::Termination> Control::terminations() {
  std::vector<dataplane::Termination> terminations;
  terminated_.clear();
  for (const auto& [name, id] : tunnels_) {
    const resolver::Adjacency& adjacency = resolver_->at(id);
    const tunnel::Tunnel& tunnel = adjacency.tunnel;
    if (!gids_->admits(tunnel.local)) continue;
    terminated_.insert(id);
    dataplane::Termination& termination = terminations.emplace_back();
    termination = {tunnel.local, tunnel.remote, tunnel.dst_port, tunnel.vni, id};
    const config::Network* const network = network_of(name);
    if (network == nullptr) continue;
    termination.network = network_ids_.at(network->name);
    if (network->type == config::Network::Type::l3) termination.inner_mac = tunnel.inner_src_mac;
  }
  return terminations;
}

void Control::publish_terminations() {
  if (const Status set = dataplane_->set_terminations(terminations()); !set)
    kLog.error("{}", set.error().message);
}

uint64_t Control::sent_by(resolver::EncapId id) const {
  return dataplane_->encap_counters(id).packets + hardware_->encap(id).hardware.packets;
}

void Control::neighbour_used(const resolver::NeighbourKey& key, resolver::EncapId id) {
  offload::trace_neigh_used(id, sent_by(id));
  resolver_->used(key);
}

void Control::measure_load(TimePoint now) {
  const Duration cpu = thread_cpu_time();
  if (measured_at_ != TimePoint{})
    busy_pct_ = 100.0 * std::chrono::duration<double>(cpu - cpu_time_) /
                std::chrono::duration<double>(now - measured_at_);
  cpu_time_ = cpu;
  measured_at_ = now;
}

// The MACs under which the kernel itself may send on this port: the link's, which comes first, and those of
// what stands on it.
std::vector<net::Mac> Control::own_macs(const port::Port& port, const config::Port& config) const {
  std::vector<net::Mac> macs{port.mac()};
  const mirror::Link* link = config.netdev.empty() ? mirror_->link(static_cast<int>(port.if_index()))
                                                   : mirror_->link_by_name(config.netdev);
  if (link == nullptr) return macs;
  if (config.netdev.empty() && link->mac != port.mac()) return macs;  // a link of another namespace
  if (link->mac != port.mac()) macs.insert(macs.begin(), link->mac);
  for (const mirror::Link* other : mirror_->links()) {
    const bool upper = other->lower == link->ifindex || (link->master != 0 && other->ifindex == link->master);
    if (upper && std::ranges::find(macs, other->mac) == macs.end()) macs.push_back(other->mac);
  }
  return macs;
}

}  // namespace culvert::control
