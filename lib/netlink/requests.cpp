#include "netlink/requests.hpp"

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

namespace culvert::netlink {
namespace {

MessagePtr make(uint16_t type, int flags) {
  return MessagePtr(nlmsg_alloc_simple(type, NLM_F_REQUEST | flags));
}

// Strict checking wants the header of the kind, all zero but for the family, which stands first in each.
size_t header_bytes(uint16_t type) {
  switch (type) {
    case RTM_GETLINK:
      return sizeof(ifinfomsg);
    case RTM_GETADDR:
      return sizeof(ifaddrmsg);
    case RTM_GETNEIGH:
      return sizeof(ndmsg);
    case RTM_GETNEIGHTBL:
      return sizeof(ndtmsg);
    case RTM_GETRULE:
      return sizeof(fib_rule_hdr);
    case RTM_GETNEXTHOP:
      return sizeof(nhmsg);
    default:
      return sizeof(rtmsg);
  }
}

MessagePtr use_neighbour(int ifindex, const net::IpAddr& ip, bool managed, int flags) {
  MessagePtr message = make(RTM_NEWNEIGH, NLM_F_CREATE | flags);
  ndmsg header{};
  header.ndm_family = ip.is_v4() ? AF_INET : AF_INET6;
  header.ndm_ifindex = ifindex;
  header.ndm_flags = NTF_USE;
  nlmsg_append(message.get(), &header, sizeof(header), NLMSG_ALIGNTO);
  const auto bytes = ip.bytes();
  nla_put(message.get(), NDA_DST, static_cast<int>(bytes.size()), bytes.data());
  if (managed) nla_put_u32(message.get(), NDA_FLAGS_EXT, NTF_EXT_MANAGED);
  return message;
}

}  // namespace

MessagePtr dump_request(uint16_t type, uint8_t family) {
  MessagePtr message = make(type, NLM_F_DUMP);
  auto* header = static_cast<uint8_t*>(nlmsg_reserve(message.get(), header_bytes(type), NLMSG_ALIGNTO));
  header[0] = family;
  if (type == RTM_GETLINK) nla_put_u32(message.get(), IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  return message;
}

MessagePtr use_neighbour_request(int ifindex, const net::IpAddr& ip, bool managed) {
  return use_neighbour(ifindex, ip, managed, 0);
}

MessagePtr new_neighbour_request(int ifindex, const net::IpAddr& ip) {
  return use_neighbour(ifindex, ip, false, NLM_F_EXCL | NLM_F_ACK);
}

MessagePtr barrier_request() { return make(NLMSG_NOOP, NLM_F_ACK); }

}  // namespace culvert::netlink
