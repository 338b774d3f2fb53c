// show gids: the local addresses of the ports.
#include "shell/command.hpp"
#include "shell/render.hpp"

namespace culvert::shell {
namespace {

Json gid_json(const control::GidView& gid) {
  return {{"port", gid.port},          {"index", gid.index},   {"gid", gid.gid},
          {"type", gid.type},          {"netdev", gid.netdev}, {"vlan", json_of(gid.vlan)},
          {"default", gid.is_default}, {"state", gid.state}};
}

Answer show_gids(control::Api& api, const Args& args) {
  return {Outcome::ok, render_rows(api.gids(), gid_json, args.has("json"))};
}

constexpr Command kCommands[] = {
    {"show gids [json]", "the GID tables: each port's local addresses",
     "An address gives two entries, one a type; IPv4 as ::ffff:a.b.c.d. Tunnels end only where their local "
     "address is a valid entry, or on a link that belongs to no port.",
     at_once<show_gids>},
};

}  // namespace

std::span<const Command> gid_commands() { return kCommands; }

}  // namespace culvert::shell
