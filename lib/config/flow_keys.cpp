#include "config/flow_keys.hpp"

#include "config/values.hpp"

namespace culvert::config {
namespace {

using tunnel::Flow;
using tunnel::Match;

constexpr uint64_t kMaxVid = 4094;

constexpr Choice<uint8_t> kProtocols[] = {{"icmp", 1},  {"igmp", 2},   {"tcp", 6},   {"udp", 17},
                                          {"gre", 47},  {"esp", 50},   {"ah", 51},   {"icmpv6", 58},
                                          {"ospf", 89}, {"vrrp", 112}, {"sctp", 132}};

Result<uint16_t> parse_vlan(std::string_view text) {
  if (text == "none") return Match::kUntagged;
  const auto number = parse_number(text, 0, kMaxVid);
  if (!number) return error("{} and not none", number.error().message);
  return static_cast<uint16_t>(*number);
}

Result<uint8_t> parse_protocol(std::string_view text) {
  for (const auto& protocol : kProtocols)
    if (protocol.word == text) return protocol.value;
  if (const auto number = parse_number(text, 0, UINT8_MAX)) return static_cast<uint8_t>(*number);
  std::string names;
  for (const auto& protocol : kProtocols) names += fmt::format("{}, ", protocol.word);
  return error("'{}' is no IP protocol; expected {}or a number from 0 to 255", text, names);
}

Status set_prefix(std::optional<net::Prefix>& field, std::string_view text, net::Family family) {
  const bool v4 = family == net::Family::ipv4;
  const auto prefix = net::Prefix::parse(text);
  if (!prefix || prefix->address.family() != family)
    return error("'{}' is no IPv{} prefix; expected one such as {}, with no bits set behind its length", text,
                 v4 ? 4 : 6, v4 ? "10.7.0.0/16" : "2001:db8::/32");
  if (field) return error("ipv4 and ipv6 in one match take no packet; make two flows");
  field = *prefix;
  return {};
}

constexpr Key<Match> kMatchKeys[] = {
    {"eth_src", [](std::string_view text, Match& m) { return assign(m.eth_src, parse_mac(text)); }},
    {"eth_dst", [](std::string_view text, Match& m) { return assign(m.eth_dst, parse_mac(text)); }},
    {"vlan", [](std::string_view text, Match& m) { return assign(m.vlan, parse_vlan(text)); }, false,
     Shape::scalar, "none"},
    {"ipv4_src", [](std::string_view text, Match& m) { return set_prefix(m.src, text, net::Family::ipv4); }},
    {"ipv4_dst", [](std::string_view text, Match& m) { return set_prefix(m.dst, text, net::Family::ipv4); }},
    {"ipv6_src", [](std::string_view text, Match& m) { return set_prefix(m.src, text, net::Family::ipv6); }},
    {"ipv6_dst", [](std::string_view text, Match& m) { return set_prefix(m.dst, text, net::Family::ipv6); }},
    {"ip_proto", [](std::string_view text, Match& m) { return assign(m.ip_proto, parse_protocol(text)); },
     false, Shape::scalar, "tcp udp icmp icmpv6 igmp gre esp ah ospf vrrp sctp"},
    {"l4_src",
     [](std::string_view text, Match& m) { return assign(m.l4_src, parse_number(text, 0, UINT16_MAX)); }},
    {"l4_dst",
     [](std::string_view text, Match& m) { return assign(m.l4_dst, parse_number(text, 0, UINT16_MAX)); }},
};

constexpr Key<Flow> kFlowKeys[] = {
    {"name", [](std::string_view text, Flow& f) { return assign(f.name, parse_name(text)); }, true},
    {"port", [](std::string_view text, Flow& f) { return assign(f.port, Result<std::string>(text)); }, true},
    {"match", [](std::string_view, Flow&) { return Status{}; }, true, Shape::map},
    {"tunnel", [](std::string_view text, Flow& f) { return assign(f.tunnel, Result<std::string>(text)); },
     true},
    {"priority",
     [](std::string_view text, Flow& f) { return assign(f.priority, parse_number(text, 0, UINT16_MAX)); }},
};

}  // namespace

std::span<const Key<Flow>> flow_keys() { return kFlowKeys; }
std::span<const Key<Match>> match_keys() { return kMatchKeys; }

Result<Flow> flow_from_words(const FlowWords& words) {
  Flow flow;
  Pairs pairs{{"port", words.port}, {"tunnel", words.tunnel}};
  if (words.priority) pairs.emplace_back("priority", *words.priority);
  std::set<std::string_view> given, matched;
  Status status = assign(flow.name, parse_name(words.name));
  if (status) status = set_pairs(pairs, "a flow", flow_keys(), given, flow);
  if (status) status = set_pairs(words.match, "a match", match_keys(), matched, flow.match);
  if (!status) return tl::make_unexpected(status.error());
  if (const auto fault = tunnel::fault_of(flow.match)) return error("{}", *fault);
  return flow;
}

}  // namespace culvert::config
