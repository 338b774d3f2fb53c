// Where the control lcore asks lib/offload or tells it something. What the offload thread says by itself
// comes through hardware.cpp.

#include <algorithm>

#include "base/log.hpp"
#include "control/control.hpp"

namespace culvert::control {

namespace {

const Log kLog("control");

std::string state_name(offload::FlowState state) {
  switch (state) {
    case offload::FlowState::pending:
      return "pending";
    case offload::FlowState::offloaded:
      return "offloaded";
    case offload::FlowState::software:
      return "software";
    case offload::FlowState::failed:
      return "failed";
  }
  return "software";
}

void put(const offload::FlowView& seen, FlowView& view) {
  view.state = state_name(seen.state);
  if (!seen.reason.empty()) view.reason = seen.reason;
  view.packets += seen.packets;
  view.bytes += seen.bytes;
}

}  // namespace

Status Control::start_hardware() {
  auto hardware = Hardware::create(loop_, config_, ports_, prepared_, *domain_, *dataplane_);
  if (!hardware) return tl::make_unexpected(hardware.error());
  hardware_ = std::move(*hardware);
  dataplane_->set_path_listener([this](const dataplane::PathEvent& event) { hardware_->on_path(event); });
  return {};
}

// Nothing has changed yet.
Status Control::check_offload(const config::Offload& wanted) const {
  using config::Offload;
  if (hardware_ && wanted.mode == Offload::Mode::required && config_.offload.mode != Offload::Mode::required)
    return error("offload.mode has become required: whether the ports can is asked at a restart");
  return {};
}

// The flow is new, or its match, priority or tunnel are.
void Control::offload_flow(const FlowStore::Row& row) {
  offload::Explicit what;
  what.port = port_index(row.flow.port);
  what.match = row.flow.match;
  what.priority = row.flow.priority;
  what.sequence = row.sequence;
  what.encap = tunnels_.at(row.flow.tunnel);
  const auto source =
      row.source == FlowStore::Source::config ? offload::Source::config : offload::Source::shell;
  if (const Status put = hardware_->put_flow(row.flow.name, source, what); !put)
    kLog.error("flow {} is not offloaded: {}", row.flow.name, put.error().message);
}

// Called before the packet path loses the flow.
void Control::withdraw_flow(const std::string& name) { hardware_->remove_flow(name); }

// State and reason; adds what the NIC has counted.
void Control::place_flow(const std::string& name, FlowView& view) const {
  view.state = "software";
  if (const auto seen = hardware_->flow(name)) put(*seen, view);
}

// What networks make of their stations.
void Control::add_network_flows(std::vector<FlowView>& views) {
  std::map<resolver::EncapId, std::string> names;
  for (const auto& [name, id] : tunnels_) names[id] = name;
  for (const offload::FlowView& seen : hardware_->flows()) {
    if (seen.source != offload::Source::path && seen.source != offload::Source::decap) continue;
    FlowView& view = views.emplace_back();
    view.name = seen.name;
    view.source = seen.source == offload::Source::path ? "path" : "decap";
    if (seen.port) view.port = ports_[*seen.port]->name();
    if (seen.encap) view.tunnel = names[*seen.encap];
    put(seen, view);
  }
}

// The steps behind the neighbour: slot, layout, what the driver says.
void Control::explain_offload(const std::string& name, std::function<void(Result<std::string>)> done) {
  FlowView view;
  place_flow(name, view);
  std::string state = fmt::format("state      {}\n", view.state);
  hardware_->explain(name, [state, done](const Result<std::vector<std::string>>& lines) {
    if (!lines) return done(tl::make_unexpected(lines.error()));
    std::string text = state;
    for (const std::string& line : *lines) {
      const size_t colon = line.find(':');
      text +=
          fmt::format("{:<10} {}\n", line.substr(0, colon), line.substr(std::min(colon + 2, line.size())));
    }
    done(text);
  });
}

void Control::verify(std::function<void(Result<std::vector<std::string>>)> done) {
  hardware_->verify([done](std::vector<std::string> found) { done(std::move(found)); });
}

}  // namespace culvert::control
