#include "config/tunnel_keys.hpp"

#include "config/route_tables.hpp"
#include "config/values.hpp"

namespace culvert::config {
namespace {

using tunnel::Ecn;
using tunnel::Tunnel;
using tunnel::Type;

constexpr uint64_t kMaxVni = 0xffffff;

constexpr Choice<Type> kTypes[] = {
    {"vxlan", Type::vxlan},
    {"gre", {}, false},
    {"gretap", {}, false},
    {"nvgre", {}, false},
};
constexpr Choice<Ecn> kEcn[] = {{"auto", Ecn::automatic}, {"copy", Ecn::copy}, {"zero", Ecn::zero}};

// A number, or nullopt for `inherit`.
Status set_inheritable(std::optional<uint8_t>& field, std::string_view text, uint64_t min, uint64_t max) {
  field.reset();
  if (text == "inherit") return {};
  const auto number = parse_number(text, min, max);
  if (!number) return error("{} and not inherit", number.error().message);
  field = static_cast<uint8_t>(*number);
  return {};
}

Status set_source_port(std::string_view text, Tunnel& tunnel) {
  const size_t dash = text.find('-');
  if (dash != std::string_view::npos) {
    const auto first = parse_number(text.substr(0, dash), 1, UINT16_MAX);
    const auto last = parse_number(text.substr(dash + 1), 1, UINT16_MAX);
    if (first && last && *first <= *last) {
      tunnel.source_port_first = static_cast<uint16_t>(*first);
      tunnel.source_port_last = static_cast<uint16_t>(*last);
      return {};
    }
  }
  return error(
      "'{}' is no range of ports; expected the first and the last of 1 to 65535, such as 49152-65535", text);
}

constexpr Key<Tunnel> kKeys[] = {
    {"name", [](std::string_view text, Tunnel& t) { return assign(t.name, parse_name(text)); }, true},
    {"type",
     [](std::string_view text, Tunnel& t) { return assign(t.type, parse_choice<Type>(text, kTypes)); }, true,
     Shape::scalar, "vxlan"},
    {"vni", [](std::string_view text, Tunnel& t) { return assign(t.vni, parse_number(text, 0, kMaxVni)); },
     true},
    {"local", [](std::string_view text, Tunnel& t) { return assign(t.local, parse_endpoint(text)); }, true},
    {"remote", [](std::string_view text, Tunnel& t) { return assign(t.remote, parse_endpoint(text)); }, true},
    {"dst_port",
     [](std::string_view text, Tunnel& t) { return assign(t.dst_port, parse_number(text, 1, UINT16_MAX)); }},
    {"source_port", set_source_port, false, Shape::range},
    {"ttl", [](std::string_view text, Tunnel& t) { return set_inheritable(t.ttl, text, 1, 255); }, false,
     Shape::scalar, "inherit"},
    {"dscp", [](std::string_view text, Tunnel& t) { return set_inheritable(t.dscp, text, 0, 63); }, false,
     Shape::scalar, "inherit"},
    {"ecn", [](std::string_view text, Tunnel& t) { return assign(t.ecn, parse_choice<Ecn>(text, kEcn)); },
     false, Shape::scalar, "auto copy zero"},
    {"table",
     [](std::string_view text, Tunnel& t) {
       return assign(t.table, parse_route_table(text, route_tables()));
     },
     false, Shape::scalar, "main local default"},
    {"inner_dst_mac",
     [](std::string_view text, Tunnel& t) { return assign(t.inner_dst_mac, parse_station(text)); }},
    {"inner_src_mac",
     [](std::string_view text, Tunnel& t) { return assign(t.inner_src_mac, parse_station(text)); }},
    {"key"},
    {"vsid"},
    {"flow_id"},
};

}  // namespace

std::span<const Key<Tunnel>> tunnel_keys() { return kKeys; }

std::optional<Fault> check_tunnel(const Tunnel& tunnel) {
  if (tunnel.local == tunnel.remote)
    return Fault{"remote",
                 fmt::format("'{}' is also 'local'; expected the address of another host", tunnel.remote)};
  return std::nullopt;
}

Result<Tunnel> tunnel_from_pairs(std::string_view name, const Pairs& pairs) {
  Tunnel tunnel;
  if (const auto status = assign(tunnel.name, parse_name(name)); !status)
    return error("{}", status.error().message);

  std::set<std::string_view> given{"name"};
  if (const auto status = set_pairs(pairs, "a tunnel", tunnel_keys(), given, tunnel); !status)
    return tl::make_unexpected(status.error());
  for (const auto& key : tunnel_keys())
    if (key.required && !given.contains(key.name))
      return error("tunnel {} lacks '{}'; expected {} VALUE", name, key.name, key.name);
  if (const auto fault = check_tunnel(tunnel)) return error("{}: {}", fault->key, fault->message);
  return tunnel;
}

}  // namespace culvert::config
