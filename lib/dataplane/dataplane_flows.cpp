// Explicit flows, as the control lcore sets them.
#include "dataplane/dataplane.hpp"
#include "dataplane/state.hpp"

namespace culvert::dataplane {

Status Dataplane::State::check_flow(FlowId id, const FlowRule& rule) const {
  if (id >= kMaxFlows) return error("flow {}: flow ids end at {}", id, kMaxFlows - 1);
  if (rule.port >= ports.size()) return error("flow {}: there is no port {}", id, rule.port);
  if (rule.encap >= kMaxEncaps) return error("flow {}: encap ids end at {}", id, kMaxEncaps - 1);
  if (const auto fault = tunnel::fault_of(rule.match)) return error("flow {}: {}", id, *fault);
  if (ports[rule.port].underlay && !shared.snapshot.load()->ports[rule.port].in_network)
    return error(
        "port '{}' has a netdev and is in no network: it terminates tunnels and takes no flows; give the "
        "flow a port that tenants are behind",
        ports[rule.port].port->name());
  return {};
}

void Dataplane::State::update_role(PortIndex port) {
  const bool has_flows = classifier.flows_of(port) != 0;
  if (port_has_flows[port] == has_flows) return;
  port_has_flows[port] = has_flows;
  // Ports, networks and terminations were good before, and still are.
  (void)publish_snapshot();
}

EncapCounters Dataplane::State::sum_flow(FlowId id) const {
  EncapCounters sum;
  for (const auto& worker : workers) {
    sum.packets += worker->counters().flows[id].packets.read();
    sum.bytes += worker->counters().flows[id].bytes.read();
  }
  return sum;
}

Status Dataplane::set_flow(FlowId id, const FlowRule& rule) {
  if (auto status = state_->check_flow(id, rule); !status) return status;
  const FlowRule* const old = state_->classifier.find(id);
  if (old != nullptr && *old == rule) return {};
  const PortIndex old_port = old == nullptr ? rule.port : old->port;
  if (old == nullptr) {
    state_->flow_base.erase(id);
    if (const EncapCounters now = state_->sum_flow(id); now.packets != 0) state_->flow_base[id] = now;
  }
  state_->classifier.set(id, rule);
  state_->update_role(rule.port);
  state_->update_role(old_port);
  return {};
}

void Dataplane::remove_flow(FlowId id) {
  const FlowRule* const old = state_->classifier.find(id);
  if (old == nullptr) return;
  const PortIndex port = old->port;
  state_->classifier.remove(id);
  state_->update_role(port);
}

FlowCounters Dataplane::flow_counters(FlowId id) const {
  if (id >= kMaxFlows) return {};
  EncapCounters sum = state_->sum_flow(id);
  if (const auto base = state_->flow_base.find(id); base != state_->flow_base.end()) {
    sum.packets -= base->second.packets;
    sum.bytes -= base->second.bytes;
  }
  return sum;
}

}  // namespace culvert::dataplane
