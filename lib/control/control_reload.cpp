// `reload`: the configuration is read again, and what differs from the one that runs is applied. All of it is
// checked first; nothing that stays the same is touched. What takes something's place comes before what goes,
// so that no packet meets a gap.

#include <algorithm>

#include "base/log.hpp"
#include "control/control.hpp"
#include "control/difference.hpp"

namespace culvert::control {

namespace {

using namespace std::chrono_literals;

const Log kLog("control");

Status first_error(const std::vector<config::Diagnostic>& errors) {
  for (const config::Diagnostic& error : errors) kLog.error("{}", error.to_string());
  const std::string more =
      errors.size() == 1 ? "" : fmt::format(" (and {} more: culvert --check tells all)", errors.size() - 1);
  return error("{}{}", errors[0].to_string(), more);
}

// Names in the list of `what` that the shell has taken.
template <typename T>
Status check_free(std::string_view what, const std::vector<const T*>& added, const auto& taken) {
  for (const T* object : added)
    if (taken(object->name))
      return error("{0} {1} of the configuration: the shell has made one of this name; `{0} del {1}` first",
                   what, object->name);
  return {};
}

}  // namespace

struct Control::Reload {
  config::Config wanted;
  Difference<tunnel::Tunnel> tunnels;
  Difference<config::Network> networks;
  Difference<tunnel::Flow> flows;

  Reload(const config::Config& running, config::Config file)
      : wanted(std::move(file)),
        tunnels(difference(running.tunnels, wanted.tunnels)),
        networks(difference(running.networks, wanted.networks)),
        flows(difference(running.flows, wanted.flows)) {}
  Reload(const Reload&) = delete;
  Reload& operator=(const Reload&) = delete;

  // Tunnels that were not, or not so, before.
  std::vector<const tunnel::Tunnel*> new_tunnels() const {
    std::vector<const tunnel::Tunnel*> all = tunnels.added;
    all.insert(all.end(), tunnels.changed.begin(), tunnels.changed.end());
    return all;
  }
};

void Control::reload(std::function<void(Status)> done) {
  reloads_.push_back(std::move(done));
  if (reloads_.size() == 1) read_configuration();
}

// Beside the event loop: 100,000 flows take seconds, and no neighbour may wait for them.
void Control::read_configuration() {
  parsed_ = std::async(std::launch::async, [file = config_file_] { return config::load(file); });
}

void Control::finish_reload() {
  if (reloads_.empty() || parsed_.wait_for(0s) != std::future_status::ready) return;
  const Status status = apply(parsed_.get());
  const auto done = std::move(reloads_.front());
  reloads_.pop_front();
  if (!reloads_.empty()) read_configuration();  // as it is since then
  done(status);
  if (!reloads_.empty()) return;
  for (const auto& next : std::exchange(after_reloads_, {})) next();
}

Status Control::apply(config::Parsed parsed) {
  if (!parsed.errors.empty()) return first_error(parsed.errors);
  const Reload reload(config_, std::move(parsed.config));
  Status status = check_reload(reload);
  if (status) status = hold_ports(reload);
  if (!status) return error("{}: {}; nothing is applied", config_file_, status.error().message);
  for (const config::Diagnostic& warning : parsed.warnings) kLog.warning("{}", warning.to_string());
  apply_reload(reload);
  kLog.info("{}: applied", config_file_);
  return {};
}

Status Control::check_reload(const Reload& reload) const {
  const config::Config& wanted = reload.wanted;
  if (wanted.ports != config_.ports) return error("ports have changed, and that needs a restart");
  if (wanted.netns != config_.netns) return error("kernel has changed, and that needs a restart");
  Status status = check_offload(wanted.offload);
  if (status) status = check_reload_tunnels(reload);
  if (status)
    status = check_free("flow", reload.flows.added,
                        [this](const std::string& name) { return flows_.find(name) != nullptr; });
  if (status) status = check_reload_paths(wanted);
  if (!status) return status;
  for (size_t i = 0; i < wanted.ports.size(); ++i) {
    const config::Port& port = wanted.ports[i];
    const bool takes_flows = config::takes_flows(wanted, port.name);
    if (takes_flows != config::takes_flows(config_, port.name) &&
        hardware_->takes_rules(static_cast<offload::PortIndex>(i)))
      return error(
          "port {}: it comes into a network or leaves it; its NIC's rules are made for what it is, so that "
          "needs a restart",
          port.name);
    if (takes_flows) continue;
    for (const auto& [name, row] : flows_.rows())
      if (row.source == FlowStore::Source::shell && row.flow.port == port.name)
        return error("the shell's flow {}: {}; `flow del {}` first", name, config::takes_no_flows(port.name),
                     name);
  }
  // What is new is made before what is gone goes.
  if (network_ids_.size() + reload.networks.added.size() > dataplane::kMaxNetworks)
    return error("{} networks, old and new together, are the most", dataplane::kMaxNetworks);
  if (flows_.rows().size() + reload.flows.added.size() > dataplane::kMaxFlows)
    return error("{} flows, old and new together, are the most", dataplane::kMaxFlows);
  return {};
}

Status Control::check_reload_tunnels(const Reload& reload) const {
  const auto& [removed, added, changed] = reload.tunnels;
  const Status free =
      check_free("tunnel", added, [this](const std::string& name) { return tunnels_.contains(name); });
  if (!free) return free;
  if (tunnels_.size() + added.size() > dataplane::kMaxEncaps)
    return error("{} tunnels, old and new together, are the most", dataplane::kMaxEncaps);
  for (const tunnel::Tunnel* tunnel : removed)
    for (const std::string& name : flows_.into(tunnel->name))
      if (flows_.find(name)->source == FlowStore::Source::shell)
        return error("tunnel {} is gone, and the shell's flow {} goes into it; `flow del {}` first",
                     tunnel->name, name, name);
  const std::vector<const tunnel::Tunnel*> all = reload.new_tunnels();
  for (const auto& [name, id] : tunnels_) {
    if (std::ranges::find(config_.tunnels, name, &tunnel::Tunnel::name) != config_.tunnels.end()) continue;
    for (const tunnel::Tunnel* tunnel : all)
      if (same_packets(resolver_->at(id).tunnel, *tunnel))
        return error(
            "tunnel {}: local, remote, dst_port and vni are those of the shell's tunnel {}; `tunnel del {}` "
            "first",
            tunnel->name, name, name);
  }
  for (const tunnel::Tunnel* tunnel : all)
    if (const Status alone = check_kernel_vxlan(*tunnel); !alone) return alone;
  return {};
}

// One more user of the UDP port of each new tunnel: the last thing that can fail.
Status Control::hold_ports(const Reload& reload) {
  std::vector<uint16_t> held;
  for (const tunnel::Tunnel* tunnel : reload.new_tunnels()) {
    const Status status = holder_.acquire(tunnel->dst_port, kernel_vxlan_on(tunnel->dst_port));
    if (!status) {
      for (const uint16_t port : held) holder_.release(port);
      return error("tunnel {}: {}", tunnel->name, status.error().message);
    }
    held.push_back(tunnel->dst_port);
  }
  return {};
}

void Control::apply_reload(const Reload& reload) {
  const TimePoint now = Clock::now();
  for (const tunnel::Tunnel* tunnel : reload.tunnels.added)
    tunnels_[tunnel->name] = resolver_->add(*tunnel, now);
  std::vector<uint16_t> unused;
  for (const tunnel::Tunnel* tunnel : reload.tunnels.changed) {
    const resolver::EncapId id = tunnels_.at(tunnel->name);
    unused.push_back(resolver_->at(id).tunnel.dst_port);
    resolver_->change(id, *tunnel, now);
  }
  std::vector<resolver::EncapId> gone;
  for (const tunnel::Tunnel* tunnel : reload.tunnels.removed) {
    unused.push_back(tunnel->dst_port);
    gone.push_back(tunnels_.at(tunnel->name));
    tunnels_.erase(tunnel->name);
  }
  const config::Config before = std::exchange(config_, reload.wanted);
  if (const Status set = set_networks(); !set) kLog.error("{}", set.error().message);
  set_paths();
  apply_flows(reload);
  for (const resolver::EncapId id : gone) forget_encap(id);
  for (const uint16_t port : unused) holder_.release(port);
  if (before.offload != config_.offload) hardware_->set_mode(config_.offload);
}

void Control::apply_flows(const Reload& reload) {
  const auto put = [this](const FlowStore::Row& row) {
    if (const Status done = put_flow(row); !done) kLog.error("{}", done.error().message);
  };
  for (const tunnel::Flow* flow : reload.flows.changed) put(flows_.change(*flow));
  for (const tunnel::Flow* flow : reload.flows.added)
    if (const Status made = create_flow(*flow, FlowStore::Source::config); !made)
      kLog.error("{}", made.error().message);
  for (const tunnel::Flow* flow : reload.flows.removed) erase_flow(flow->name);
}

}  // namespace culvert::control
