#include "offload/targets.hpp"

#include <rte_ethdev.h>

#include <algorithm>
#include <map>

#include "base/log.hpp"
#include "offload/template_queue.hpp"

namespace culvert::offload {

namespace {

const Log kLog("offload");

std::unique_ptr<RuleQueue> make_queue(const PortSetup& port) {
  const uint32_t operations = port.prepared.operations;
  return operations != 0 ? make_template_queue(port.port_id, operations) : make_classic_queue(port.port_id);
}

// Where a switch's rules are to be made; the port itself where the driver knows no such thing.
uint16_t proxy_of(uint16_t port_id) {
  uint16_t proxy = port_id;
  rte_flow_error error{};
  return rte_flow_pick_transfer_proxy(port_id, &proxy, &error) == 0 ? proxy : port_id;
}

}  // namespace

std::vector<std::unique_ptr<Target>> find_targets(const std::vector<PortSetup>& ports) {
  std::vector<std::unique_ptr<Target>> targets;
  std::map<uint16_t, Target*> switches;
  for (size_t i = 0; i < ports.size(); ++i) {
    const auto index = static_cast<PortIndex>(i);
    const PortSetup& port = ports[i];
    rte_eth_dev_info info{};
    if (rte_eth_dev_info_get(port.port_id, &info) != 0) continue;
    const uint16_t domain = info.switch_info.domain_id;
    const bool is_switch = domain != RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID;
    Target* target = is_switch && switches.contains(domain) ? switches[domain] : nullptr;
    if (target == nullptr) {
      target = targets.emplace_back(std::make_unique<Target>()).get();
      target->is_switch = is_switch;
      target->name = is_switch ? fmt::format("switch of {}", port.name) : "port " + port.name;
      target->port_id = port.port_id;
      if (is_switch) switches[domain] = target;
    }
    target->ports.push_back(index);
    if (!ports[index].wire) continue;
    // Rules are made on the wire's port, or the one that manages the switch where there is such a thing.
    if (target->wires.empty()) target->port_id = port.port_id;
    target->wires.push_back(index);
  }
  for (const auto& target : targets)
    for (const PortIndex port : target->ports)
      if (proxy_of(target->port_id) == ports[port].port_id) target->port_id = ports[port].port_id;
  // net_mlx5 gives every port a switch domain, also where there is no switch: one port alone is used as a
  // plain NIC.
  for (const auto& target : targets) {
    if (!target->is_switch || target->ports.size() > 1) continue;
    target->is_switch = false;
    target->name = "port " + ports[target->ports.front()].name;
  }
  return targets;
}

void probe_target(Target& target, const Setup& setup) {
  const PortSetup& own =
      *std::ranges::find_if(setup.ports, [&](const PortSetup& one) { return one.port_id == target.port_id; });
  ProbeTarget probed;
  probed.port_id = target.port_id;
  for (const PortIndex port : target.ports)
    if (target.is_switch && setup.ports[port].port_id != target.port_id)
      probed.tenant = setup.ports[port].port_id;
  probed.rx_queues = own.rx_queues;
  probed.async = own.prepared.operations != 0;
  target.able = probe(probed);
  for (const Answer& answer : target.able.answers)
    kLog.debug("{}: {}: {}", target.name, answer.what, answer.refusal.empty() ? "taken" : answer.refusal);
  choose_layout(target, setup.layout);
  if (!target.able.any) return;
  target.queue = make_queue(own);
  for (const PortIndex wire : target.wires)
    if (setup.ports[wire].port_id != target.port_id) target.wire_queues[wire] = make_queue(setup.ports[wire]);
}

void choose_layout(Target& target, LayoutWish wish) {
  const Capabilities& able = target.able;
  target.tagged = false;
  target.unable.clear();
  if (target.removed) {
    target.unable = removed_error().words;
    return;
  }
  if (!able.any) {
    target.unable = "its driver takes no rules";
    if (!able.answers.empty() && !able.answers.front().refusal.empty())
      target.unable += ": " + able.answers.front().refusal;
    return;
  }
  if (!target.is_switch) {
    if (!able.egress) target.unable = "its driver takes no encap rules";
    return;
  }
  const Layout layout = wish == LayoutWish::tagged ? (able.tagged ? Layout::tagged : Layout::none)
                        : wish == LayoutWish::flat ? (able.flat ? Layout::flat : Layout::none)
                                                   : able.automatic_layout();
  target.tagged = layout == Layout::tagged;
  if (layout != Layout::none) return;
  target.unable = wish == LayoutWish::automatic
                      ? "its driver takes neither layout's rules"
                      : "its driver does not take the rules of the layout that offload.layout asks for";
  for (const Answer& answer : able.answers)
    if (!answer.refusal.empty()) {
      target.unable += fmt::format(" ({}: {})", answer.what, answer.refusal);
      break;
    }
}

}  // namespace culvert::offload
