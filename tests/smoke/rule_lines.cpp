// Prints every shape of rule as dpdk-testpmd takes it, for testpmd_rules.py. usage: rule_lines switch|nic
// FIRST_PORT switch: FIRST_PORT is the uplink, the next one a tenant. Before each rule with a header: "#
// HEX", its bytes.
#include <cstdlib>
#include <cstring>

#include "offload/shapes.hpp"
#include "tunnel/encap_rule.hpp"

using namespace culvert;
using namespace culvert::offload;

namespace {

const net::Mac kMac = *net::Mac::parse("02:00:00:00:07:02");
const Underlay kUnderlay{*net::IpAddr::parse("192.0.2.2"), *net::IpAddr::parse("192.0.2.1"), 4789, 100};

tunnel::Header header(std::optional<uint16_t> vlan) {
  tunnel::Tunnel tunnel;
  tunnel.vni = 100;
  tunnel.local = kUnderlay.dst;
  tunnel.remote = kUnderlay.src;
  tunnel.dscp = 10;
  return tunnel::make_header(tunnel, kMac, *net::Mac::parse("02:00:00:00:03:00"), vlan);
}

void print(const Rule& rule) {
  for (const rte_flow_action* action = rule.actions(); action->type != RTE_FLOW_ACTION_TYPE_END; ++action) {
    if (action->type != RTE_FLOW_ACTION_TYPE_RAW_ENCAP) continue;
    const auto& encap = *static_cast<const rte_flow_action_raw_encap*>(action->conf);
    fmt::print("# {:02x}\n", fmt::join(encap.data, encap.data + encap.size, ""));
  }
  fmt::print("{}\n", rule);
}

void print_switch(uint16_t uplink) {
  const uint16_t tenant = static_cast<uint16_t>(uplink + 1);
  const tunnel::Header untagged = header({}), tagged = header(uint16_t{7});
  const Encap encap{untagged.view(), uplink};
  const Spot spot{uplink, 1};
  const std::vector<tunnel::Match> matches{
      {},
      {.eth_src = kMac, .eth_dst = kMac, .vlan = uint16_t{5}},
      {.vlan = tunnel::Match::kUntagged, .src = net::Prefix::parse("10.7.0.0/16"), .l4_dst = uint16_t{53}},
      {.dst = net::Prefix::parse("2001:db8::/33"), .ip_proto = uint8_t{6}, .l4_src = uint16_t{80}},
      {.ip_proto = uint8_t{47}}};
  Rule rule;
  for (const tunnel::Match& match : matches)
    for (const tunnel::Match& one : rule_matches(match))
      print((explicit_tagged(rule, spot, tenant, one, 6), rule));
  print((explicit_tagged(rule, {uplink, 1, TagWriter::modify_field}, tenant, {}, 6), rule));
  print((explicit_flat(rule, spot, tenant, matches[1], encap), rule));
  print((hold(rule, spot, tenant, matches[0]), rule));
  print((tenant_source(rule, spot, tenant, kMac, 3), rule));
  print((tunnel_source(rule, spot, uplink, kUnderlay, kMac, 3), rule));
  print((path_tagged(rule, spot, 3, kMac, 6), rule));
  print((path_flat(rule, spot, 3, kMac, {tagged.view(), uplink}), rule));
  print((decap(rule, spot, uplink, 3, 4789, kMac, tenant), rule));
  print((slot_encap(rule, spot, 6, encap), rule));
  print((miss(rule, spot, tenant), rule));
}

void print_nic(uint16_t port) {
  const Spot spot{port, 1};
  const std::vector<uint16_t> one{0}, two{0, 1};
  const tunnel::Header untagged = header({});
  Rule rule;
  print((egress_root(rule, spot), rule));
  print((egress_slot(rule, spot, mark_of(6), {untagged.view(), 0}), rule));
  print((no_leak(rule, spot), rule));
  print((ingress_decap(rule, spot, kUnderlay, 5, two), rule));
  print((steer(rule, spot, kUnderlay, one), rule));
  print((steer(rule, spot, kUnderlay, two), rule));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto port = static_cast<uint16_t>(std::atoi(argv[2]));
  if (std::strcmp(argv[1], "switch") == 0)
    print_switch(port);
  else
    print_nic(port);
  return 0;
}
