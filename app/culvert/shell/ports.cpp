// show ports, show stats, start, stop: what moves packets.
#include <cmath>

#include "shell/command.hpp"
#include "shell/render.hpp"

namespace culvert::shell {
namespace {

Json port_json(const control::PortView& port) {
  return {{"name", port.name},
          {"ethdev", port.ethdev},
          {"netdev", json_of(port.netdev)},
          {"port_id", port.port_id},
          {"mac", port.mac.to_string()},
          {"link", port.link_up ? "up" : "down"},
          {"mtu", port.mtu},
          {"rx_packets", port.rx_packets},
          {"tx_packets", port.tx_packets},
          {"rx_bytes", port.rx_bytes},
          {"tx_bytes", port.tx_bytes},
          {"drops", port.drops},
          {"rx_errors", port.rx_errors},
          {"tx_errors", port.tx_errors},
          {"removed", port.removed}};
}

Json stats_json(const control::StatsView& stats) {
  Json drops = Json::object(), lcores = Json::array(), latency = Json::array();
  for (const auto& [reason, count] : stats.drops) drops[reason] = count;
  for (const auto& lcore : stats.lcores)
    lcores.push_back({{"lcore", lcore.lcore},
                      {"role", lcore.role},
                      {"rx", lcore.rx},
                      {"tx", lcore.tx},
                      {"busy_pct", std::round(lcore.busy_pct * 10) / 10}});
  for (const auto& row : stats.rule_latency)
    latency.push_back({{"below_us", json_of(row.below_us)}, {"changes", row.changes}});
  return {{"rx", stats.rx},
          {"tx", stats.tx},
          {"forwarded", stats.forwarded},
          {"encapsulated", stats.encapsulated},
          {"decapsulated", stats.decapsulated},
          {"exceptions", stats.exceptions},
          {"flooded", stats.flooded},
          {"suppressed", stats.suppressed},
          {"marked", stats.marked},
          {"checksums_completed", stats.checksums_completed},
          {"checksums_unfinished", stats.checksums_unfinished},
          {"learned", stats.learned},
          {"moved", stats.moved},
          {"aged", stats.aged},
          {"learn_over_limit", stats.learn_over_limit},
          {"learn_over_member", stats.learn_over_member_limit},
          {"learn_dropped", stats.learn_dropped},
          {"drops", std::move(drops)},
          {"lcores", std::move(lcores)},
          {"rules",
           {{"created", stats.rules.created},
            {"destroyed", stats.rules.destroyed},
            {"refused", stats.rules.refused},
            {"installed", stats.rules.installed}}},
          {"rule_latency", std::move(latency)}};
}

Answer show_ports(control::Api& api, const Args& args) {
  return {Outcome::ok, render_rows(api.ports(), port_json, args.has("json"))};
}

Answer show_stats(control::Api& api, const Args& args) {
  return {Outcome::ok, render_object(stats_json(api.stats()), args.has("json"))};
}

Answer start(control::Api& api, const Args&) {
  api.set_forwarding(true);
  return {};
}

Answer stop(control::Api& api, const Args&) {
  api.set_forwarding(false);
  return {};
}

constexpr Command kCommands[] = {
    {"show ports [json]", "the ports: link state and the ethdevs' own counters",
     "drops counts packets that came in at the port and were dropped, or were to go out there and could not; "
     "rx_errors and tx_errors what the ethdev itself lost. A port is removed when its device is: a restart "
     "brings it back.",
     at_once<show_ports>},
    {"show stats [json]", "counters of the packet path, drops by reason, load of the lcores, rule operations",
     "Its packets are those of the packet path only: what a NIC carries by itself is not in them. "
     "rule_latency tells how many changes took how long, from the kernel's event to the last rule.",
     at_once<show_stats>},
    {"start", "forward packets", "Forwarding is on after start; this undoes `stop`.", at_once<start>},
    {"stop", "forward no packets", "The mirror and the tunnels are followed all the same; `start` undoes it.",
     at_once<stop>},
};

}  // namespace

std::span<const Command> port_commands() { return kCommands; }

}  // namespace culvert::shell
