// Tunnels as the configuration and the shell make them, and `wait`.

#include <algorithm>

#include "control/control.hpp"

namespace culvert::control {

Status Control::add_tunnel(const tunnel::Tunnel& tunnel) {
  if (tunnels_.contains(tunnel.name))
    return error("tunnel {} exists already; delete it first or choose another name", tunnel.name);
  if (tunnels_.size() >= dataplane::kMaxEncaps)
    return error("{} tunnels are the most", dataplane::kMaxEncaps);
  for (const auto& [name, id] : tunnels_) {
    const tunnel::Tunnel& other = resolver_->at(id).tunnel;
    if (same_packets(other, tunnel))
      return error(
          "tunnel {}: local, remote, dst_port and vni are those of tunnel {}; one of them must differ",
          tunnel.name, name);
  }
  if (const Status free = check_kernel_vxlan(tunnel); !free) return free;
  if (const Status held = holder_.acquire(tunnel.dst_port, kernel_vxlan_on(tunnel.dst_port)); !held)
    return error("tunnel {}: {}", tunnel.name, held.error().message);
  tunnels_[tunnel.name] = resolver_->add(tunnel, Clock::now());
  terminations_changed_ = true;
  return {};
}

Status Control::delete_tunnel(const std::string& name) {
  const auto found = tunnels_.find(name);
  if (found == tunnels_.end()) return error("no tunnel '{}'; show tunnels lists them", name);
  if (const config::Network* network = network_of(name))
    return error("tunnel {} is in use by network {}; take it out of the configuration first", name,
                 network->name);
  if (const auto& users = flows_.into(name); !users.empty())
    return error("tunnel {} is in use by flow {}{}; delete that first", name, *users.begin(),
                 users.size() == 1 ? "" : fmt::format(" and {} more", users.size() - 1));
  const resolver::EncapId id = found->second;
  holder_.release(resolver_->at(id).tunnel.dst_port);
  std::erase_if(config_.tunnels, [&](const tunnel::Tunnel& tunnel) { return tunnel.name == name; });
  tunnels_.erase(found);
  publish_terminations();
  forget_encap(id);
  return {};
}

void Control::forget_encap(resolver::EncapId id) {
  resolver_->remove(id);
  hardware_->remove_encap(id);
  keepalive_->set(id, std::nullopt, Clock::now());
}

// Would both terminate the same packets?
bool Control::same_packets(const tunnel::Tunnel& a, const tunnel::Tunnel& b) {
  return std::tie(a.local, a.remote, a.dst_port, a.vni) == std::tie(b.local, b.remote, b.dst_port, b.vni);
}

// Two would answer for the same packets: on a bifurcated port the kernel's device sees each of them too.
Status Control::check_kernel_vxlan(const tunnel::Tunnel& tunnel) const {
  for (const mirror::Link* link : mirror_->links()) {
    if (!link->vxlan || link->vxlan->port != tunnel.dst_port) continue;
    if (link->vxlan->external || link->vxlan->vni == tunnel.vni)
      return error(
          "tunnel {}: the kernel's device {} has {} on UDP port {} already; delete it or choose another vni "
          "or dst_port",
          tunnel.name, link->name, link->vxlan->external ? "every VNI" : fmt::format("VNI {}", tunnel.vni),
          tunnel.dst_port);
  }
  return {};
}

bool Control::kernel_vxlan_on(uint16_t udp_port) const {
  return std::ranges::any_of(mirror_->links(), [udp_port](const mirror::Link* link) {
    return link->vxlan && link->vxlan->port == udp_port;
  });
}

const config::Network* Control::network_of(const std::string& tunnel) const {
  const auto found = std::ranges::find_if(config_.networks, [&](const config::Network& network) {
    return std::ranges::find(network.tunnels, tunnel) != network.tunnels.end();
  });
  return found == config_.networks.end() ? nullptr : &*found;
}

void Control::wait(TimePoint deadline, std::optional<std::string> tunnel, std::function<void(Status)> done) {
  if (!reloads_.empty()) {
    after_reloads_.emplace_back([this, deadline, tunnel, done] { wait(deadline, tunnel, done); });
    return;
  }
  if (tunnel && !tunnels_.contains(*tunnel)) {
    done(error("no tunnel '{}'; show tunnels lists them", *tunnel));
    return;
  }
  const auto unsettled = [this, tunnel]() -> std::optional<std::string> {
    if (!gids_->is_settled()) return "GIDs are being added or removed";
    if (!kernel_paths_->is_settled()) return "the entries of kernel bridges are being read";
    if (l3_->is_behind()) return "the routes of l3 networks are not all entered yet";
    if (!tunnel) return std::nullopt;
    const auto found = tunnels_.find(*tunnel);
    if (found == tunnels_.end()) return fmt::format("tunnel {} was deleted", *tunnel);
    const resolver::Adjacency& adjacency = resolver_->at(found->second);
    if (adjacency.rule) return std::nullopt;
    return fmt::format("tunnel {} is unresolved: {}", *tunnel, adjacency.reason_text);
  };
  waiters_.add(
      *mirror_, deadline, unsettled,
      [this](std::function<void()> call) { hardware_->barrier(std::move(call)); }, std::move(done));
}

}  // namespace culvert::control
