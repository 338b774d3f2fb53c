// show neighbours, show routes, show mirror, resync: what is known of the kernel.
#include "shell/command.hpp"
#include "shell/render.hpp"

namespace culvert::shell {
namespace {

Json neighbour_json(const control::NeighbourView& neighbour) {
  return {{"netdev", neighbour.netdev},
          {"ip", neighbour.ip.to_string()},
          {"mac", json_of(neighbour.mac)},
          {"nud", neighbour.nud},
          {"encaps", neighbour.encaps}};
}

Json route_json(const control::RouteView& route) {
  Json hops = Json::array();
  for (const control::HopView& hop : route.nexthops)
    hops.push_back({{"via", json_of(hop.via)},
                    {"netdev", json_of(hop.netdev)},
                    {"weight", hop.weight},
                    {"alive", hop.alive},
                    {"encap", json_of(hop.encap)}});
  return {{"table", route.table},   {"table_name", route.table_name}, {"prefix", route.prefix.to_string()},
          {"metric", route.metric}, {"protocol", route.protocol},     {"prefsrc", json_of(route.prefsrc)},
          {"type", route.type},     {"nexthops", std::move(hops)},    {"nhid", json_of(route.nhid)}};
}

Json mirror_json(const control::MirrorView& mirror) {
  return {{"epoch", mirror.epoch},           {"sequence", mirror.sequence}, {"resyncs", mirror.resyncs},
          {"overruns", mirror.overruns},     {"links", mirror.links},       {"addresses", mirror.addresses},
          {"neighbours", mirror.neighbours}, {"routes", mirror.routes},     {"nexthops", mirror.nexthops},
          {"consistent", mirror.consistent}, {"behind", mirror.behind},     {"rules", mirror.rules},
          {"malformed", mirror.malformed},   {"state", mirror.state}};
}

Answer show_neighbours(control::Api& api, const Args& args) {
  return {Outcome::ok, render_rows(api.neighbours(), neighbour_json, args.has("json"))};
}

// An address or a prefix, from one word.
Status set_destination(control::RouteQuery& query, const std::string& word) {
  if (word.find('/') == std::string::npos) {
    query.address = net::IpAddr::parse(word);
    if (!query.address)
      return error("'{}' is no IP address; expected one such as 10.0.0.1 or 2001:db8::1", word);
    return {};
  }
  query.prefix = net::Prefix::parse(word);
  if (!query.prefix)
    return error("'{}' is no prefix; expected one such as 10.0.0.0/8, with no bits set behind its length",
                 word);
  return {};
}

Answer show_routes(control::Api& api, const Args& args) {
  control::RouteQuery query;
  query.table = args.get("TABLE");
  if (const auto word = args.get("PREFIX|ADDRESS"))
    if (const auto status = set_destination(query, *word); !status) return answer(status);
  const auto routes = api.routes(query);
  if (!routes) return {Outcome::error, routes.error().message};
  return {Outcome::ok, render_rows(*routes, route_json, args.has("json"))};
}

Answer show_mirror(control::Api& api, const Args& args) {
  return {Outcome::ok, render_object(mirror_json(api.mirror()), args.has("json"))};
}

Answer monitor(control::Api& api, const Args&) {
  auto stream = api.monitor();
  if (!stream) return {Outcome::error, stream.error().message};
  return {Outcome::more, "", std::move(*stream)};
}

Answer resync(control::Api& api, const Args&) {
  api.resync();
  return {};
}

constexpr Command kCommands[] = {
    {"show neighbours [json]", "the kernel's neighbours and how many encaps use each",
     "nud is the kernel's name of the state: reachable, stale, failed, ...", at_once<show_neighbours>},
    {"show routes [table TABLE] [PREFIX|ADDRESS] [json]", "the kernel's routes",
     "With a PREFIX the routes of exactly that prefix. With an ADDRESS the one route that the kernel would "
     "use for it; with a table too, its longest match there.",
     at_once<show_routes>},
    {"show mirror [json]", "the state of the mirror of the kernel",
     "behind counts events that were read and are not applied yet.", at_once<show_mirror>},
    {"monitor", "the kernel's tables as they are, and then their changes as they come",
     "A line an object in the words of ip(8); what has gone begins with 'deleted'. Ends with the session or "
     "with Enter.",
     at_once<monitor>},
    {"resync", "read everything from the kernel again",
     "Starts a new epoch: dump, compare, sweep. What did not change is left alone. `wait` waits for it.",
     at_once<resync>},
};

}  // namespace

std::span<const Command> mirror_commands() { return kCommands; }

}  // namespace culvert::shell
