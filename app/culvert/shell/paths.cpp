// show paths: where MACs are.
#include "shell/command.hpp"
#include "shell/render.hpp"

namespace culvert::shell {
namespace {

Json path_json(const control::PathView& path) {
  return {{"network", path.network},        {"mac", path.mac.to_string()},
          {"tunnel", json_of(path.tunnel)}, {"port", json_of(path.port)},
          {"vlan", json_of(path.vlan)},     {"origin", path.origin},
          {"idle_s", path.idle_s},          {"refs", path.refs}};
}

Answer show_paths(control::Api& api, const Args& args) {
  return {Outcome::ok, render_rows(api.paths(), path_json, args.has("json"))};
}

constexpr Command kCommands[] = {
    {"show paths [json]", "the FDB: where each MAC of each network is",
     "idle_s is the time since a frame last came from or went to the MAC.", at_once<show_paths>},
};

}  // namespace

std::span<const Command> path_commands() { return kCommands; }

}  // namespace culvert::shell
