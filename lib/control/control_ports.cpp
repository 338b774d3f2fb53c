// Ports whose devices are removed while culvert runs: DPDK says so (RTE_ETH_EVENT_INTR_RMV), the kernel may
// say nothing. Their tunnels are unresolved at once, their rules are forgotten, and the device is closed,
// which EAL, and the kernel behind VFIO, wait for, when neither a worker nor the offload thread uses it any
// more. It comes back with a restart.
#include <sys/eventfd.h>

#include <algorithm>

#include "base/log.hpp"
#include "control/control.hpp"

namespace culvert::control {

namespace {
const Log kLog("control");
}

Status Control::watch_ports() {
  removals_ = UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!removals_) return error("no eventfd for ports that are removed: {}", errno_text(errno));
  return {};
}

void Control::on_ports_removed() {
  eventfd_t count = 0;
  ::eventfd_read(removals_.get(), &count);
  for (size_t i = 0; i < ports_.size(); ++i) {
    const port::Port& port = *ports_[i];
    const bool known = std::ranges::find(leaving_, i, &Leaving::port) != leaving_.end();
    if (!port.is_removed() || !port.is_open() || known) continue;
    kLog.error("port {}: the device {} was removed; restart culvert when it is back", port.name(),
               port.ethdev());
    const auto index = static_cast<uint16_t>(i);
    resolver_->remove_port(index);
    resolver_->flush(Clock::now());
    gids_->remove_port(index);
    l3_->remove_port(index);
    dataplane_->remove_port(index);
    Leaving& leaving = leaving_.emplace_back(Leaving{.port = i, .grace = domain_->start()});
    hardware_->remove_port(index, [&leaving] { leaving.without_rules = true; });
  }
}

void Control::close_removed_ports() {
  std::erase_if(leaving_, [this](const Leaving& leaving) {
    port::Port& port = *ports_[leaving.port];
    if (!leaving.without_rules || !domain_->passed(leaving.grace) || !port::may_close(port, ports_))
      return false;
    port.close();
    kLog.info("port {}: closed", port.name());
    return true;
  });
}

}  // namespace culvert::control
