// show paths, path add, path del, path flush: where MACs are.
#include "config/values.hpp"
#include "shell/command.hpp"
#include "shell/names.hpp"
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

Answer path_add(control::Api& api, const Args& args) {
  const std::string network = *args.get("NETWORK");
  const auto mac = config::parse_station(*args.get("MAC"));
  if (!mac) return {Outcome::error, mac.error().message};
  config::StaticPath path{*mac, args.get("TUNNEL").value_or(""), args.get("PORT").value_or(""), std::nullopt};
  if (const auto vid = args.get("VID")) {
    const auto vlan = config::parse_vid(*vid);
    if (!vlan) return {Outcome::error, vlan.error().message};
    path.vlan = *vlan;
  }
  Status status = check_name("network", api.networks(), network);
  if (status)
    status = path.port.empty() ? check_name("tunnel", api.tunnels(), path.tunnel)
                               : check_name("port", api.ports(), path.port);
  return answer(status ? api.add_path(network, path) : status);
}

Answer path_del(control::Api& api, const Args& args) {
  const std::string network = *args.get("NETWORK");
  const auto mac = config::parse_station(*args.get("MAC"));
  if (!mac) return {Outcome::error, mac.error().message};
  const Status status = check_name("network", api.networks(), network);
  return answer(status ? api.delete_path(network, *mac) : status);
}

Answer path_flush(control::Api& api, const Args& args) {
  const std::string network = *args.get("NETWORK");
  const Status status = check_name("network", api.networks(), network);
  return answer(status ? api.flush_paths(network) : status);
}

constexpr Command kCommands[] = {
    {"show paths [json]", "the FDB: where each MAC of each network is",
     "idle_s is the time since a frame last came from or went to the MAC.", at_once<show_paths>},
    {"path add NETWORK MAC tunnel TUNNEL", "say behind which tunnel of a network a MAC is",
     "A static path: it neither moves nor ages.", at_once<path_add>},
    {"path add NETWORK MAC port PORT [vlan VID]", "say behind which port of a network a MAC is",
     "A static path: it neither moves nor ages. With a VID where VLANs of the port are members.",
     at_once<path_add>},
    {"path del NETWORK MAC", "forget where a MAC is",
     "A static path, or a learned one until the MAC is heard again. One of the configuration comes back with "
     "`reload`, unless it is taken out there; the kernel's go with `bridge fdb del`.",
     at_once<path_del>},
    {"path flush NETWORK", "forget all that a network has learned", "Static paths and the kernel's stay.",
     at_once<path_flush>},
};

}  // namespace

std::span<const Command> path_commands() { return kCommands; }

}  // namespace culvert::shell
