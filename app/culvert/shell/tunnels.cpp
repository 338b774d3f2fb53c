// show tunnels, show encaps, tunnel add, tunnel del.
#include "config/tunnel_keys.hpp"
#include "shell/command.hpp"
#include "shell/names.hpp"
#include "shell/render.hpp"

namespace culvert::shell {
namespace {

Json tunnel_json(const control::TunnelView& tunnel) {
  return {{"name", tunnel.name},
          {"type", tunnel.type},
          {"local", tunnel.local.to_string()},
          {"remote", tunnel.remote.to_string()},
          {"state", tunnel.resolved ? "resolved" : "unresolved"},
          {"reason", json_of(tunnel.reason)},
          {"encap", json_of(tunnel.encap)}};
}

Json encap_json(const control::EncapView& encap) {
  return {{"id", encap.id},
          {"tunnel", encap.tunnel},
          {"state", encap.valid ? "valid" : "pending"},
          {"reason", json_of(encap.reason)},
          {"port", json_of(encap.port)},
          {"via", json_of(encap.via)},
          {"dst_mac", json_of(encap.dst_mac)},
          {"src_mac", json_of(encap.src_mac)},
          {"src_ip", json_of(encap.src_ip)},
          {"mtu", json_of(encap.mtu)},
          {"header", json_of(encap.header)},
          {"refs", encap.refs},
          {"in_hardware", encap.in_hardware},
          {"packets", encap.packets},
          {"bytes", encap.bytes}};
}

Answer show_tunnels(control::Api& api, const Args& args) {
  auto tunnels = api.tunnels();
  if (const auto name = args.get("TUNNEL")) {
    if (const auto status = check_name("tunnel", tunnels, *name); !status) return answer(status);
    std::erase_if(tunnels, [&](const auto& tunnel) { return tunnel.name != *name; });
  }
  return {Outcome::ok, render_rows(tunnels, tunnel_json, args.has("json"))};
}

Answer show_encaps(control::Api& api, const Args& args) {
  return {Outcome::ok, render_rows(api.encaps(), encap_json, args.has("json"), {"header"})};
}

Answer tunnel_add(control::Api& api, const Args& args) {
  const auto tunnel = config::tunnel_from_pairs(*args.get("NAME"), args.pairs());
  if (!tunnel) return {Outcome::error, tunnel.error().message};
  return answer(api.add_tunnel(*tunnel));
}

Answer tunnel_del(control::Api& api, const Args& args) {
  const std::string name = *args.get("TUNNEL");
  if (const auto status = check_name("tunnel", api.tunnels(), name); !status) return answer(status);
  return answer(api.delete_tunnel(name));
}

constexpr Command kCommands[] = {
    {"show tunnels [TUNNEL] [json]", "the tunnels, and why one is not resolved",
     "encap is the id of its row in `show encaps`.", at_once<show_tunnels>},
    {"show encaps [json]", "the outer headers: port, next hop, MACs, counters",
     "header, the bytes in hex, is printed with json only.", at_once<show_encaps>},
    {"tunnel add NAME KEY VALUE [KEY VALUE ...]", "make a tunnel",
     "The keys are those of `tunnels` in the configuration; type, vni, local and remote are required. Lists "
     "are written FIRST-LAST. Such as: tunnel add vx100 type vxlan vni 100 local 192.0.2.1 remote 192.0.2.2 "
     "ttl inherit",
     at_once<tunnel_add>},
    {"tunnel del TUNNEL", "remove a tunnel that nothing uses", "The error says what uses it.",
     at_once<tunnel_del>},
};

}  // namespace

std::span<const Command> tunnel_commands() { return kCommands; }

}  // namespace culvert::shell
