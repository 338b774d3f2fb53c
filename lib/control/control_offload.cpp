// Where lib/offload is joined: everything that control asks of it or tells it stands here. Without it every
// flow is carried by the packet path.

#include "control/control.hpp"

namespace culvert::control {

namespace {

constexpr const char* kNoRules = "rules in the NIC are not supported yet";

}  // namespace

// Nothing has changed yet.
Status Control::check_offload(const config::Offload& wanted) const {
  if (wanted.mode == config::Offload::Mode::required)
    return error("offload.mode is required, and {}; set it to auto or off", kNoRules);
  return {};
}

// config_.offload is new.
void Control::apply_offload() {}

// The flow is new, or its match, priority or tunnel are.
void Control::offload_flow(const FlowStore::Row&) {}

// Called before the packet path loses the flow.
void Control::withdraw_flow(dataplane::FlowId) {}

// State and reason; adds what the NIC has counted.
void Control::place_flow(const FlowStore::Row& row, FlowView& view) const {
  const resolver::Adjacency& adjacency = resolver_->at(tunnels_.at(row.flow.tunnel));
  view.state = adjacency.rule ? "software" : "pending";
  if (!adjacency.rule)
    view.reason = adjacency.reason_text;
  else
    view.reason = config_.offload.mode == config::Offload::Mode::off ? "offload.mode is off" : kNoRules;
}

// The steps behind the neighbour: slot, layout, what the driver says.
void Control::explain_offload(const FlowStore::Row& row, std::function<void(Result<std::string>)> done) {
  FlowView view;
  place_flow(row, view);
  done(fmt::format("state      {}: {}\n", view.state, *view.reason));
}

void Control::verify(std::function<void(Result<std::vector<std::string>>)> done) {
  done(std::vector<std::string>{});
}

}  // namespace culvert::control
