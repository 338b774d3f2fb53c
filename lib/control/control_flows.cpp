// Explicit flows: the configuration's and the shell's, in the packet path.

#include <algorithm>

#include "base/log.hpp"
#include "base/near_match.hpp"
#include "control/control.hpp"

namespace culvert::control {

namespace {

const Log kLog("control");

Status check_known(std::string_view what, const std::string& name, const std::vector<std::string>& known) {
  if (std::ranges::find(known, name) != known.end()) return {};
  return error("there is no {} '{}'; {}show {}s lists them", what, name, did_you_mean(name, known), what);
}

}  // namespace

Status Control::add_flow(const tunnel::Flow& flow) {
  if (const Status good = check_flow(flow); !good) return good;
  return create_flow(flow, FlowStore::Source::shell);
}

Status Control::delete_flow(const std::string& name) {
  const FlowStore::Row* row = flows_.find(name);
  if (row != nullptr && row->source == FlowStore::Source::config)
    return error("flow {} is the configuration's; take it out there and reload", name);
  if (row != nullptr) {
    erase_flow(name);
    return {};
  }
  for (const FlowView& view : flows())
    if (view.name == name)
      return error("flow {} is culvert's own, made for a {}; it goes when that goes", name, view.source);
  return error("there is no flow '{}'; show flows lists them", name);
}

void Control::flush_flows() {
  std::vector<std::string> names;
  for (const auto& [name, row] : flows_.rows())
    if (row.source == FlowStore::Source::shell) names.push_back(name);
  for (const std::string& name : names) erase_flow(name);
}

std::vector<FlowView> Control::flows() {
  std::vector<FlowView> views;
  views.reserve(flows_.rows().size());
  for (const auto& [name, row] : flows_.rows()) {
    const dataplane::FlowCounters counters = dataplane_->flow_counters(row.id);
    FlowView& view = views.emplace_back();
    view.name = name;
    view.source = row.source == FlowStore::Source::config ? "config" : "shell";
    view.port = row.flow.port;
    view.tunnel = row.flow.tunnel;
    view.packets = counters.packets;
    view.bytes = counters.bytes;
    place_flow(name, view);
  }
  add_network_flows(views);
  return views;
}

Status Control::check_flow(const tunnel::Flow& flow) const {
  if (flows_.find(flow.name) != nullptr)
    return error("flow {} exists already; delete it first or choose another name", flow.name);
  if (flows_.rows().size() >= dataplane::kMaxFlows)
    return error("{} flows are the most", dataplane::kMaxFlows);
  if (const auto fault = tunnel::fault_of(flow.match)) return error("flow {}: {}", flow.name, *fault);
  std::vector<std::string> ports, tunnels;
  for (const config::Port& port : config_.ports) ports.push_back(port.name);
  if (const Status known = check_known("port", flow.port, ports); !known) return known;
  if (!config::takes_flows(config_, flow.port)) return error("{}", config::takes_no_flows(flow.port));
  if (tunnels_.contains(flow.tunnel)) return {};
  for (const auto& [name, id] : tunnels_) tunnels.push_back(name);
  return check_known("tunnel", flow.tunnel, tunnels);
}

Status Control::create_flow(const tunnel::Flow& flow, FlowStore::Source source) {
  const auto other = flows_.overlapping(flow);
  // Of two flows of one file the reader of the configuration has said it.
  if (other && (source == FlowStore::Source::shell || flows_.find(*other)->source != source))
    kLog.warning("{}", config::overlap_warning(flow, *other));
  const Status put = put_flow(flows_.add(flow, source));
  if (!put) flows_.remove(flow.name);
  return put;
}

void Control::erase_flow(const std::string& name) {
  const dataplane::FlowId id = flows_.find(name)->id;
  withdraw_flow(name);
  dataplane_->remove_flow(id);
  flows_.remove(name);
}

// A flow that is there is replaced in one step.
Status Control::put_flow(const FlowStore::Row& row) {
  dataplane::FlowRule rule;
  const auto port = std::ranges::find(config_.ports, row.flow.port, &config::Port::name);
  rule.port = static_cast<dataplane::PortIndex>(port - config_.ports.begin());
  rule.match = row.flow.match;
  rule.priority = row.flow.priority;
  rule.sequence = row.sequence;
  rule.encap = tunnels_.at(row.flow.tunnel);
  if (const Status set = dataplane_->set_flow(row.id, rule); !set)
    return error("flow {}: {}", row.flow.name, set.error().message);
  offload_flow(row);
  return {};
}

}  // namespace culvert::control
