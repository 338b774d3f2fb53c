#include "netlink/decode.hpp"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <cstring>
#include <string_view>

#include "netlink/attributes.hpp"
#include "netlink/decode_route.hpp"
#include "netlink/decode_rule.hpp"

namespace culvert::netlink {
namespace {

using Decoded = Result<std::optional<Object>>;

template <typename Header>
Attributes attributes_of(const nlmsghdr& message) {
  return {nlmsg_attrdata(&message, sizeof(Header)), nlmsg_attrlen(&message, sizeof(Header))};
}

tl::unexpected<Error> malformed(const char* what) { return error("malformed {} message", what); }

// IFLA_LINK of these is the other end.
bool is_pair(std::string_view kind) { return kind == "veth" || kind == "vxcan" || kind == "netkit"; }

Decoded decode_link(const nlmsghdr& message) {
  const auto& header = *static_cast<const ifinfomsg*>(nlmsg_data(&message));
  if (header.ifi_family != AF_UNSPEC) return std::nullopt;  // a bridge port: only a part of the link
  Attributes attributes = attributes_of<ifinfomsg>(message);
  if (attributes.has(IFLA_WIRELESS)) return std::nullopt;  // a wireless driver's news: no MAC, no MTU
  Link link;
  link.ifindex = header.ifi_index;
  link.flags = header.ifi_flags;
  link.name = attributes.text(IFLA_IFNAME);
  link.mac = attributes.mac(IFLA_ADDRESS).value_or(net::Mac{});
  link.mtu = attributes.number<uint32_t>(IFLA_MTU);
  link.group = attributes.number<uint32_t>(IFLA_GROUP);
  link.master = attributes.number<int>(IFLA_MASTER);

  Attributes info = attributes.nested(IFLA_LINKINFO);
  link.kind = info.text(IFLA_INFO_KIND);
  if (!attributes.has(IFLA_LINK_NETNSID) && !is_pair(link.kind))
    link.lower = attributes.number<int>(IFLA_LINK);
  Attributes data = info.nested(IFLA_INFO_DATA);
  if (link.kind == "vrf") link.vrf_table = data.number<uint32_t>(IFLA_VRF_TABLE);
  if (link.kind == "vlan") link.vlan = data.number<uint16_t>(IFLA_VLAN_ID);
  if (link.kind == "vxlan") {
    const auto port = net::be16::from_wire(data.number<uint16_t>(IFLA_VXLAN_PORT));
    link.vxlan = VxlanInfo{data.number<uint32_t>(IFLA_VXLAN_ID), port.host(),
                           data.number<uint8_t>(IFLA_VXLAN_COLLECT_METADATA) != 0};
  }
  if (!attributes.ok() || !info.ok() || !data.ok() || link.ifindex <= 0) return malformed("link");
  return link;
}

// IFA_LOCAL is absent on ordinary IPv6 addresses, IFA_ADDRESS is the peer on point-to-point links.
Decoded decode_address(const nlmsghdr& message) {
  const auto& header = *static_cast<const ifaddrmsg*>(nlmsg_data(&message));
  if (header.ifa_family != AF_INET && header.ifa_family != AF_INET6) return std::nullopt;
  Attributes attributes = attributes_of<ifaddrmsg>(message);
  const auto peer = attributes.ip(IFA_ADDRESS);
  const auto local = attributes.has(IFA_LOCAL) ? attributes.ip(IFA_LOCAL) : peer;
  Address address;
  address.ifindex = static_cast<int>(header.ifa_index);
  address.prefix_length = header.ifa_prefixlen;
  address.scope = header.ifa_scope;
  address.flags = attributes.number<uint32_t>(IFA_FLAGS, header.ifa_flags);
  if (!attributes.ok() || !local || address.prefix_length > local->width_bits()) return malformed("address");
  address.local = *local;
  address.peer = peer.value_or(*local);
  return address;
}

Decoded decode_neighbour(const nlmsghdr& message) {
  const auto& header = *static_cast<const ndmsg*>(nlmsg_data(&message));
  if (header.ndm_family != AF_INET && header.ndm_family != AF_INET6) return std::nullopt;
  if ((header.ndm_flags & NTF_PROXY) != 0) return std::nullopt;
  Attributes attributes = attributes_of<ndmsg>(message);
  const auto ip = attributes.ip(NDA_DST);
  Neighbour neighbour;
  neighbour.ifindex = header.ndm_ifindex;
  neighbour.mac = attributes.mac(NDA_LLADDR);
  neighbour.nud = header.ndm_state;
  neighbour.flags = header.ndm_flags;
  neighbour.ext_flags = attributes.number<uint32_t>(NDA_FLAGS_EXT);
  if (!attributes.ok() || !ip) return malformed("neighbour");
  // Entries for multicast come and go with traffic, without events, and are of no use to anybody.
  if (ip->is_multicast()) return std::nullopt;
  neighbour.ip = *ip;
  return neighbour;
}

struct Kind {
  uint16_t add, del;
  size_t header_bytes;
  Decoded (*decode)(const nlmsghdr& message);
};

constexpr Kind kKinds[] = {
    {RTM_NEWLINK, RTM_DELLINK, sizeof(ifinfomsg), decode_link},
    {RTM_NEWADDR, RTM_DELADDR, sizeof(ifaddrmsg), decode_address},
    {RTM_NEWNEIGH, RTM_DELNEIGH, sizeof(ndmsg), decode_neighbour},
    {RTM_NEWNEXTHOP, RTM_DELNEXTHOP, sizeof(nhmsg), decode_nexthop},
    {RTM_NEWRULE, RTM_DELRULE, sizeof(fib_rule_hdr), decode_rule},
    {RTM_NEWROUTE, RTM_DELROUTE, sizeof(rtmsg), decode_route},
};

}  // namespace

Result<std::optional<Event>> decode(const nlmsghdr& message) {
  for (const Kind& kind : kKinds) {
    if (message.nlmsg_type != kind.add && message.nlmsg_type != kind.del) continue;
    if (!nlmsg_valid_hdr(&message, static_cast<int>(kind.header_bytes))) return malformed("short");
    auto object = kind.decode(message);
    if (!object) return tl::make_unexpected(std::move(object.error()));
    if (!*object) return std::nullopt;
    return Event{std::move(**object), message.nlmsg_type == kind.add,
                 (message.nlmsg_flags & NLM_F_REPLACE) != 0, (message.nlmsg_flags & NLM_F_APPEND) != 0};
  }
  return std::nullopt;
}

int error_of(const nlmsghdr& message) {
  int code = 0;
  if (nlmsg_datalen(&message) >= static_cast<int>(sizeof(code)))
    std::memcpy(&code, nlmsg_data(&message), sizeof(code));
  return code;
}

}  // namespace culvert::netlink
