#include "netlink/decode_rule.hpp"

#include <linux/fib_rules.h>
#include <netlink/msg.h>

#include "netlink/attributes.hpp"

namespace culvert::netlink {
namespace {

// -1 says none (fib_rules.c).
std::optional<uint32_t> unless_none(Attributes& attributes, int type) {
  const auto value = attributes.number<uint32_t>(type, UINT32_MAX);
  return value == UINT32_MAX ? std::nullopt : std::optional(value);
}

// Two numbers, first and last: struct fib_rule_port_range, struct fib_rule_uid_range.
template <typename Range>
std::optional<Range> range(Attributes& attributes, int type) {
  const auto data = attributes.bytes(type);
  if (!data) return std::nullopt;
  Range range;
  if (data->size() == sizeof(range))
    std::memcpy(&range, data->data(), sizeof(range));
  else
    attributes.fail();
  return range;
}

std::optional<net::Prefix> prefix(Attributes& attributes, int type, unsigned length, bool v4) {
  const auto ip = attributes.ip(type);
  if (!ip) return std::nullopt;
  if (ip->is_v4() == v4 && length <= ip->width_bits()) return net::Prefix::of(*ip, length);
  attributes.fail();
  return std::nullopt;
}

}  // namespace

Result<std::optional<Object>> decode_rule(const nlmsghdr& message) {
  const auto& header = *static_cast<const fib_rule_hdr*>(nlmsg_data(&message));
  if (header.family != AF_INET && header.family != AF_INET6) return std::nullopt;
  const bool v4 = header.family == AF_INET;
  Attributes attributes{nlmsg_attrdata(&message, sizeof(header)), nlmsg_attrlen(&message, sizeof(header))};
  PolicyRule rule;
  rule.family = v4 ? net::Family::ipv4 : net::Family::ipv6;
  rule.priority = attributes.number<uint32_t>(FRA_PRIORITY);
  rule.inverted = (header.flags & FIB_RULE_INVERT) != 0;  // the others say what links there are just now
  rule.src = prefix(attributes, FRA_SRC, header.src_len, v4);
  rule.dst = prefix(attributes, FRA_DST, header.dst_len, v4);
  rule.tos = header.tos;
  rule.mark = attributes.number<uint32_t>(FRA_FWMARK);
  rule.mask = attributes.number<uint32_t>(FRA_FWMASK, rule.mark != 0 ? UINT32_MAX : 0);
  rule.iif = attributes.text(FRA_IIFNAME);
  rule.oif = attributes.text(FRA_OIFNAME);
  rule.l3mdev = attributes.number<uint8_t>(FRA_L3MDEV) != 0;
  rule.tunnel_id = attributes.number<uint64_t>(FRA_TUN_ID);
  rule.ip_protocol = attributes.number<uint8_t>(FRA_IP_PROTO);
  rule.sport = range<PortRange>(attributes, FRA_SPORT_RANGE);
  rule.dport = range<PortRange>(attributes, FRA_DPORT_RANGE);
  rule.users = range<UserRange>(attributes, FRA_UID_RANGE);
  rule.action = header.action;
  rule.table = attributes.number<uint32_t>(FRA_TABLE, header.table);
  rule.target = attributes.number<uint32_t>(FRA_GOTO);
  rule.suppress_length = unless_none(attributes, FRA_SUPPRESS_PREFIXLEN);
  rule.suppress_group = unless_none(attributes, FRA_SUPPRESS_IFGROUP);
  rule.protocol = attributes.number<uint8_t>(FRA_PROTOCOL);
  if (!attributes.ok()) return error("malformed rule message");
  return rule;
}

}  // namespace culvert::netlink
