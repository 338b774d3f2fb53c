// Where the control lcore starts the GID tables, and what it does when an address becomes ours or ceases to
// be.

#include "control/control.hpp"

namespace culvert::control {

using namespace std::chrono_literals;

// The tables are filled before there is any tunnel.
Status Control::start_gids() {
  auto gids = Gids::create(
      loop_, *mirror_, *domain_, config_.ports,
      {.is_used = [this](const net::IpAddr& local) { return !resolver_->encaps_from(local).empty(); },
       .changed = [this](const net::IpAddr& local) { on_local(local); },
       .barrier = [this](std::function<void()> done) { hardware_->barrier(std::move(done)); }});
  if (!gids) return tl::make_unexpected(gids.error());
  gids_ = std::move(*gids);
  gids_->poll();
  while (!gids_->is_settled()) loop_.turn(100ms);
  return {};
}

// A local address may have become ours, or be it no longer.
void Control::on_local(const net::IpAddr& local) {
  for (const resolver::EncapId id : resolver_->encaps_from(local))
    if (gids_->admits(local) != terminated_.contains(id)) on_adjacency(resolver_->at(id));
  if (std::exchange(terminations_changed_, false)) publish_terminations();
}

std::vector<GidView> Control::gids() { return gids_->views(); }

}  // namespace culvert::control
