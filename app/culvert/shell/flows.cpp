// show flows, flow add, flow del, flow flush, flow explain, verify: explicit flows.
#include "config/flow_keys.hpp"
#include "shell/command.hpp"
#include "shell/names.hpp"
#include "shell/render.hpp"

namespace culvert::shell {
namespace {

Json flow_json(const control::FlowView& flow) {
  return {{"name", flow.name},          {"source", flow.source},
          {"port", json_of(flow.port)}, {"tunnel", json_of(flow.tunnel)},
          {"state", flow.state},        {"reason", json_of(flow.reason)},
          {"packets", flow.packets},    {"bytes", flow.bytes}};
}

Answer show_flows(control::Api& api, const Args& args) {
  auto flows = api.flows();
  if (const auto name = args.get("FLOW")) {
    if (const auto status = check_name("flow", flows, *name); !status) return answer(status);
    std::erase_if(flows, [&](const auto& flow) { return flow.name != *name; });
  }
  return {Outcome::ok, render_rows(flows, flow_json, args.has("json"))};
}

Answer flow_add(control::Api& api, const Args& args) {
  config::FlowWords words{*args.get("NAME"), *args.get("PORT"), *args.get("TUNNEL"), args.pairs(),
                          args.get("N")};
  const auto flow = config::flow_from_words(words);
  if (!flow) return {Outcome::error, flow.error().message};
  if (const auto status = check_name("port", api.ports(), flow->port); !status) return answer(status);
  if (const auto status = check_name("tunnel", api.tunnels(), flow->tunnel); !status) return answer(status);
  return answer(api.add_flow(*flow));
}

Answer flow_del(control::Api& api, const Args& args) {
  const std::string name = *args.get("FLOW");
  if (const auto status = check_name("flow", api.flows(), name); !status) return answer(status);
  return answer(api.delete_flow(name));
}

Answer flow_flush(control::Api& api, const Args&) {
  api.flush_flows();
  return {};
}

void flow_explain(control::Api& api, const Args& args, const Reply& reply) {
  const std::string name = *args.get("FLOW");
  if (const auto status = check_name("flow", api.flows(), name); !status) return reply(answer(status));
  api.explain_flow(name, [reply](const Result<std::string>& steps) {
    reply(steps ? Answer{Outcome::ok, *steps} : Answer{Outcome::error, steps.error().message});
  });
}

void verify(control::Api& api, const Args&, const Reply& reply) {
  api.verify([reply](const Result<std::vector<std::string>>& differences) {
    if (!differences) return reply({Outcome::error, differences.error().message});
    if (differences->empty()) return reply({});
    reply(failure("{} of what is wanted and what the NIC has differ:\n{}", differences->size(),
                  fmt::join(*differences, "\n")));
  });
}

constexpr Command kCommands[] = {
    {"show flows [FLOW] [json]", "the flows: where each is carried, and why not by the NIC",
     "state: pending (its tunnel is not resolved), offloaded, software (the packet path carries it) or "
     "failed. "
     "source: config, shell, or what culvert made it for.",
     at_once<show_flows>},
    {"flow add NAME port PORT match KEY VALUE [KEY VALUE ...] tunnel TUNNEL [priority N]",
     "send packets of a port into a tunnel",
     "The keys are those of `match` in the configuration. Flows are looked at before networks; the lower N "
     "(0 to "
     "65535, default 100) wins, of equals the earlier flow. Such as: flow add dns port tenant match ipv4_dst "
     "10.7.0.0/16 ip_proto udp l4_dst 53 tunnel vx100 priority 10",
     at_once<flow_add>},
    {"flow del FLOW", "remove a flow that the shell has made",
     "One of the configuration goes when it is taken out there, with `reload`.", at_once<flow_del>},
    {"flow flush", "remove all flows that the shell has made", "Those of the configuration stay.",
     at_once<flow_flush>},
    {"flow explain FLOW", "why a flow is where it is, step by step",
     "From its match over tunnel, route, nexthop and neighbour to the NIC's rule.", flow_explain},
    {"verify", "compare what is wanted with the NIC's rules and counters",
     "Prints each difference, and is an error if there is one. It repairs nothing.", verify},
};

}  // namespace

std::span<const Command> flow_commands() { return kCommands; }

}  // namespace culvert::shell
