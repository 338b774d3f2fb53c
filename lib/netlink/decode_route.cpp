#include "netlink/decode_route.hpp"

#include <linux/lwtunnel.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <algorithm>
#include <string_view>
#include <tuple>

#include "netlink/attributes.hpp"

namespace culvert::netlink {
namespace {

using Decoded = Result<std::optional<Object>>;

// The rest (offload, trap, unresolved) changes without an event and is nothing to us.
constexpr unsigned kHopFlags = RTNH_F_DEAD | RTNH_F_LINKDOWN | RTNH_F_ONLINK;

// A dead hop is linkdown or not by what became of its link later, and tells nobody of it.
uint8_t flags_of_hop(unsigned flags) {
  if ((flags & RTNH_F_DEAD) != 0) flags &= ~unsigned{RTNH_F_LINKDOWN};
  return static_cast<uint8_t>(flags & kHopFlags);
}

// RTA_GATEWAY, or RTA_VIA with an address of the other family.
std::optional<net::IpAddr> gateway_of(Attributes& attributes) {
  if (const auto via = attributes.bytes(RTA_VIA)) {
    const auto address =
        via->size() < sizeof(rtvia) ? std::nullopt : net::IpAddr::from_bytes(via->subspan(sizeof(rtvia)));
    if (!address) attributes.fail();
    return address;
  }
  return attributes.ip(RTA_GATEWAY);
}

// RTA_ENCAP_TYPE and RTA_ENCAP, or those of a nexthop object.
void read_encap(Attributes& attributes, int type, int header, Hop& hop) {
  hop.encap = attributes.number<uint16_t>(type);
  const auto data = attributes.bytes(header);
  if (!data || hop.encap == LWTUNNEL_ENCAP_SEG6_LOCAL) return;
  const std::string_view bytes(reinterpret_cast<const char*>(data->data()), data->size());
  hop.encap_digest = static_cast<uint32_t>(std::hash<std::string_view>{}(bytes));
}

Hop single_hop(Attributes& attributes, unsigned flags) {
  Hop hop;
  hop.ifindex = attributes.number<int>(RTA_OIF);
  hop.via = gateway_of(attributes);
  hop.flags = flags_of_hop(flags);
  read_encap(attributes, RTA_ENCAP_TYPE, RTA_ENCAP, hop);
  return hop;
}

bool read_multipath(std::span<const uint8_t> data, std::vector<Hop>& hops) {
  while (data.size() >= sizeof(rtnexthop)) {
    rtnexthop header;
    std::memcpy(&header, data.data(), sizeof(header));
    if (header.rtnh_len < sizeof(header) || header.rtnh_len > data.size()) return false;
    Attributes attributes(data.data() + sizeof(header), static_cast<int>(header.rtnh_len - sizeof(header)));
    Hop hop;
    hop.ifindex = header.rtnh_ifindex;
    hop.via = gateway_of(attributes);
    hop.weight = static_cast<uint16_t>(header.rtnh_hops + 1);
    hop.flags = flags_of_hop(header.rtnh_flags);
    read_encap(attributes, RTA_ENCAP_TYPE, RTA_ENCAP, hop);
    if (!attributes.ok()) return false;
    hops.push_back(hop);
    data = data.subspan(std::min<size_t>(RTNH_ALIGN(header.rtnh_len), data.size()));
  }
  return data.empty();
}

Attributes route_attributes(const nlmsghdr& message) {
  return {nlmsg_attrdata(&message, sizeof(rtmsg)), nlmsg_attrlen(&message, sizeof(rtmsg))};
}

bool is_ours(const rtmsg& header) {
  return (header.rtm_family == AF_INET || header.rtm_family == AF_INET6) && header.rtm_src_len == 0 &&
         (header.rtm_flags & RTM_F_CLONED) == 0;
}

// Members are told as struct nexthop_grp; its third byte is the high half of the weight since Linux 6.12.
bool read_group(std::span<const uint8_t> data, Nexthop& nexthop) {
  if (data.size() % sizeof(nexthop_grp) != 0) return false;
  for (; !data.empty(); data = data.subspan(sizeof(nexthop_grp))) {
    uint32_t id;
    std::memcpy(&id, data.data(), sizeof(id));
    nexthop.group.emplace_back(id, static_cast<uint16_t>((data[4] | (data[5] << 8)) + 1));
  }
  return true;
}

}  // namespace

Result<bool> decode_route(const nlmsghdr& message, Route& route) {
  if (!nlmsg_valid_hdr(&message, sizeof(rtmsg))) return error("malformed short message");
  const auto& header = *static_cast<const rtmsg*>(nlmsg_data(&message));
  if (!is_ours(header)) return false;
  const bool v4 = header.rtm_family == AF_INET;
  Attributes attributes = route_attributes(message);

  route.family = v4 ? net::Family::ipv4 : net::Family::ipv6;
  route.table = attributes.number<uint32_t>(RTA_TABLE, header.rtm_table);
  route.tos = header.rtm_tos;
  route.metric = attributes.number<uint32_t>(RTA_PRIORITY);
  route.protocol = header.rtm_protocol;
  route.scope = header.rtm_scope;
  route.type = header.rtm_type;
  route.prefsrc = attributes.ip(RTA_PREFSRC);
  route.nexthop_id = attributes.number<uint32_t>(RTA_NH_ID);
  route.mtu = 0;
  if (attributes.has(RTA_METRICS)) {
    Attributes metrics = attributes.nested(RTA_METRICS);
    route.mtu = metrics.number<uint32_t>(RTAX_MTU);
    if (!metrics.ok()) attributes.fail();
  }

  constexpr std::array<uint8_t, 16> kZero{};
  const auto dst = attributes.ip(RTA_DST).value_or(v4 ? net::IpAddr{} : net::IpAddr::v6(kZero));
  bool ok = dst.is_v4() == v4 && header.rtm_dst_len <= dst.width_bits();
  if (ok) route.dst = net::Prefix::of(dst, header.rtm_dst_len);

  route.hops.clear();
  if (const auto multipath = attributes.bytes(RTA_MULTIPATH))
    ok = read_multipath(*multipath, route.hops) && ok;
  else if (attributes.has(RTA_OIF) || attributes.has(RTA_GATEWAY) || attributes.has(RTA_VIA))
    route.hops.push_back(single_hop(attributes, header.rtm_flags));
  if (!ok || !attributes.ok()) return error("malformed route message");

  if (!v4) sort_hops(route.hops);
  return true;
}

Decoded decode_route(const nlmsghdr& message) {
  Route route;
  const auto decoded = decode_route(message, route);
  if (!decoded) return tl::make_unexpected(decoded.error());
  return *decoded ? std::optional<Object>(std::move(route)) : std::nullopt;
}

Decoded decode_nexthop(const nlmsghdr& message) {
  const auto& header = *static_cast<const nhmsg*>(nlmsg_data(&message));
  Attributes attributes{nlmsg_attrdata(&message, sizeof(nhmsg)), nlmsg_attrlen(&message, sizeof(nhmsg))};
  Nexthop nexthop;
  nexthop.id = attributes.number<uint32_t>(NHA_ID);
  nexthop.blackhole = attributes.has(NHA_BLACKHOLE);
  nexthop.protocol = header.nh_protocol;
  nexthop.hop.ifindex = attributes.number<int>(NHA_OIF);
  nexthop.hop.via = attributes.ip(NHA_GATEWAY);
  nexthop.hop.flags = flags_of_hop(header.nh_flags);
  read_encap(attributes, NHA_ENCAP_TYPE, NHA_ENCAP, nexthop.hop);
  const auto group = attributes.bytes(NHA_GROUP);
  if ((group && !read_group(*group, nexthop)) || !attributes.ok() || nexthop.id == 0)
    return error("malformed nexthop message");
  // FDB nexthops belong to vxlan devices, not to routes.
  if (attributes.has(NHA_FDB)) return std::nullopt;
  return nexthop;
}

}  // namespace culvert::netlink
