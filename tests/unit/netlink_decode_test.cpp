// The decoder on hand-made messages: what this kernel cannot make, and what no kernel should.
#include <gtest/gtest.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/mpls_iptunnel.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "netlink/bridge_fdb.hpp"
#include "netlink/decode.hpp"
#include "netlink/neighbour_times.hpp"
#include "netlink/socket.hpp"

namespace culvert::netlink {
namespace {

net::IpAddr ip(const char* text) { return *net::IpAddr::parse(text); }

template <typename Header>
MessagePtr message(uint16_t type, const Header& header, int flags = 0) {
  MessagePtr made(nlmsg_alloc_simple(type, flags));
  auto copy = header;
  nlmsg_append(made.get(), &copy, sizeof(copy), NLMSG_ALIGNTO);
  return made;
}

void put_ip(const MessagePtr& to, int type, const char* text) {
  const auto address = ip(text);
  nla_put(to.get(), type, static_cast<int>(address.bytes().size()), address.bytes().data());
}

Event decoded(const MessagePtr& made) {
  const auto event = decode(*nlmsg_hdr(made.get()));
  EXPECT_TRUE(event.has_value() && event->has_value());
  return event.has_value() && event->has_value() ? **event : Event{};
}

bool is_ignored(const MessagePtr& made) {
  const auto event = decode(*nlmsg_hdr(made.get()));
  return event.has_value() && !event->has_value();
}

bool is_malformed(const MessagePtr& made) { return !decode(*nlmsg_hdr(made.get())).has_value(); }

MessagePtr vlan_link() {
  auto made = message(RTM_NEWLINK, ifinfomsg{.ifi_family = AF_UNSPEC, .ifi_index = 7, .ifi_flags = 0x10043});
  nla_put_string(made.get(), IFLA_IFNAME, "uplink.100");
  nla_put_u32(made.get(), IFLA_MTU, 1500);
  nla_put_u32(made.get(), IFLA_LINK, 3);
  nla_put_u32(made.get(), IFLA_MASTER, 9);
  const uint8_t mac[] = {2, 0, 0, 0, 0, 7};
  nla_put(made.get(), IFLA_ADDRESS, sizeof(mac), mac);
  nlattr* info = nla_nest_start(made.get(), IFLA_LINKINFO);
  nla_put_string(made.get(), IFLA_INFO_KIND, "vlan");
  nlattr* data = nla_nest_start(made.get(), IFLA_INFO_DATA);
  nla_put_u16(made.get(), IFLA_VLAN_ID, 100);
  nla_nest_end(made.get(), data);
  nla_nest_end(made.get(), info);
  return made;
}

// As a wireless driver tells its news: name and event, but nothing else of the link
// (net/wireless/wext-core.c).
MessagePtr wireless_event() {
  auto made = message(RTM_NEWLINK, ifinfomsg{.ifi_family = AF_UNSPEC, .ifi_index = 7, .ifi_flags = 0x10043});
  nla_put_string(made.get(), IFLA_IFNAME, "wlan0");
  const uint8_t event[8]{};
  nla_put(made.get(), IFLA_WIRELESS, sizeof(event), event);
  return made;
}

MessagePtr multipath_route() {
  auto made = message(RTM_NEWROUTE,
                      rtmsg{.rtm_family = AF_INET,
                            .rtm_dst_len = 8,
                            .rtm_table = RT_TABLE_COMPAT,
                            .rtm_protocol = RTPROT_BGP,
                            .rtm_type = RTN_UNICAST},
                      NLM_F_REPLACE);
  put_ip(made, RTA_DST, "10.0.0.0");
  nla_put_u32(made.get(), RTA_TABLE, 1000);
  nla_put_u32(made.get(), RTA_PRIORITY, 20);
  put_ip(made, RTA_PREFSRC, "192.0.2.1");
  nlattr* metrics = nla_nest_start(made.get(), RTA_METRICS);
  nla_put_u32(made.get(), RTAX_MTU, 1400);
  nla_nest_end(made.get(), metrics);

  struct {
    rtnexthop hop;
    nlattr attribute;
    uint8_t gateway[4];
  } hops[2] = {{{16, 0, 4, 3}, {8, RTA_GATEWAY}, {192, 0, 2, 9}},
               {{16, RTNH_F_DEAD | RTNH_F_OFFLOAD, 0, 5}, {8, RTA_GATEWAY}, {192, 0, 2, 10}}};
  nla_put(made.get(), RTA_MULTIPATH, sizeof(hops), hops);
  return made;
}

MessagePtr via_route() {
  auto made = message(RTM_DELROUTE, rtmsg{.rtm_family = AF_INET,
                                          .rtm_table = RT_TABLE_MAIN,
                                          .rtm_type = RTN_UNICAST,
                                          .rtm_flags = RTNH_F_LINKDOWN});
  nla_put_u32(made.get(), RTA_OIF, 3);
  struct {
    uint16_t family;
    uint8_t address[16];
  } via{AF_INET6, {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  nla_put(made.get(), RTA_VIA, sizeof(via), &via);
  return made;
}

MessagePtr neighbour() {
  auto made = message(
      RTM_NEWNEIGH,
      ndmsg{.ndm_family = AF_INET, .ndm_ifindex = 3, .ndm_state = NUD_STALE, .ndm_flags = NTF_EXT_LEARNED});
  put_ip(made, NDA_DST, "192.0.2.9");
  const uint8_t mac[] = {2, 0, 0, 0, 0, 9};
  nla_put(made.get(), NDA_LLADDR, sizeof(mac), mac);
  nla_put_u32(made.get(), NDA_FLAGS_EXT, NTF_EXT_MANAGED);
  return made;
}

MessagePtr address() {
  auto made = message(RTM_NEWADDR, ifaddrmsg{.ifa_family = AF_INET6, .ifa_prefixlen = 64, .ifa_index = 3});
  put_ip(made, IFA_ADDRESS, "fe80::1");
  nla_put_u32(made.get(), IFA_FLAGS, IFA_F_TENTATIVE);
  return made;
}

MessagePtr nexthop_group() {
  auto made = message(RTM_NEWNEXTHOP, nhmsg{.nh_family = AF_UNSPEC, .nh_protocol = RTPROT_ZEBRA});
  nla_put_u32(made.get(), NHA_ID, 12);
  const uint8_t members[16] = {1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0xff, 1, 0, 0};
  nla_put(made.get(), NHA_GROUP, sizeof(members), members);
  return made;
}

// A route into MPLS: LABEL, and the bottom of the stack.
MessagePtr mpls_route(uint8_t label) {
  auto made = message(
      RTM_NEWROUTE,
      rtmsg{.rtm_family = AF_INET, .rtm_dst_len = 8, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST});
  put_ip(made, RTA_DST, "10.0.0.0");
  struct {
    rtnexthop hop;
    nlattr gateway;
    uint8_t address[4];
    nlattr type;
    uint16_t encap, padding;
    nlattr header, destination;
    uint8_t stack[4];
  } hop{{36, 0, 0, 3},   {8, RTA_GATEWAY},       {192, 0, 2, 9},  {6, RTA_ENCAP_TYPE}, LWTUNNEL_ENCAP_MPLS, 0,
        {12, RTA_ENCAP}, {8, MPLS_IPTUNNEL_DST}, {0, label, 1, 0}};
  nla_put(made.get(), RTA_MULTIPATH, sizeof(hop), &hop);
  return made;
}

TEST(Decode, VlanLink) {
  const Event event = decoded(vlan_link());
  const auto& link = std::get<Link>(event.object);
  EXPECT_TRUE(event.added);
  EXPECT_EQ(link.name, "uplink.100");
  EXPECT_EQ(link.kind, "vlan");
  EXPECT_EQ(link.vlan, 100);
  EXPECT_EQ(link.lower, 3);
  EXPECT_EQ(link.master, 9);
  EXPECT_EQ(link.mac, net::Mac::parse("02:00:00:00:00:07"));
  EXPECT_TRUE(link.is_up() && link.has_carrier());
}

TEST(Decode, LowerInAnotherNamespaceIsNone) {
  auto made = vlan_link();
  nla_put_s32(made.get(), IFLA_LINK_NETNSID, 0);
  EXPECT_EQ(std::get<Link>(decoded(made).object).lower, 0);
}

TEST(Decode, VxlanLink) {
  auto made = message(RTM_DELLINK, ifinfomsg{.ifi_family = AF_UNSPEC, .ifi_index = 8});
  nlattr* info = nla_nest_start(made.get(), IFLA_LINKINFO);
  nla_put_string(made.get(), IFLA_INFO_KIND, "vxlan");
  nlattr* data = nla_nest_start(made.get(), IFLA_INFO_DATA);
  nla_put_u32(made.get(), IFLA_VXLAN_ID, 100);
  nla_put_u16(made.get(), IFLA_VXLAN_PORT, net::be16{4789}.wire());
  nla_put_u8(made.get(), IFLA_VXLAN_COLLECT_METADATA, 1);
  nla_nest_end(made.get(), data);
  nla_nest_end(made.get(), info);
  const Event event = decoded(made);
  EXPECT_FALSE(event.added);
  EXPECT_EQ(std::get<Link>(event.object).vxlan, (VxlanInfo{100, 4789, true}));
}

TEST(Decode, MultipathRoute) {
  const Event event = decoded(multipath_route());
  const auto& route = std::get<Route>(event.object);
  EXPECT_TRUE(event.replace);
  EXPECT_EQ(route.table, 1000u);
  EXPECT_EQ(route.dst, net::Prefix::parse("10.0.0.0/8"));
  EXPECT_EQ(route.metric, 20u);
  EXPECT_EQ(route.mtu, 1400u);
  EXPECT_EQ(route.prefsrc, ip("192.0.2.1"));
  EXPECT_EQ(route.protocol_name(), "bgp");
  ASSERT_EQ(route.hops.size(), 2u);
  EXPECT_EQ(route.hops[0], (Hop{3, ip("192.0.2.9"), 5, 0}));
  EXPECT_EQ(route.hops[1], (Hop{5, ip("192.0.2.10"), 1, RTNH_F_DEAD}));
}

TEST(Decode, HopsWithLightweightEncap) {
  const Event event = decoded(mpls_route(7));
  const Hop& hop = std::get<Route>(event.object).hops.at(0);
  EXPECT_EQ(hop.via, ip("192.0.2.9"));
  EXPECT_EQ(hop.encap, LWTUNNEL_ENCAP_MPLS);
  EXPECT_EQ(hop.encap_name(), "mpls");
  EXPECT_EQ(std::get<Route>(decoded(mpls_route(7)).object).hops[0], hop);
  EXPECT_NE(std::get<Route>(decoded(mpls_route(8)).object).hops[0], hop) << "another label";

  auto made = message(RTM_NEWNEXTHOP, nhmsg{.nh_family = AF_INET});
  nla_put_u32(made.get(), NHA_ID, 12);
  nla_put_u32(made.get(), NHA_OIF, 3);
  nla_put_u16(made.get(), NHA_ENCAP_TYPE, LWTUNNEL_ENCAP_IP);
  EXPECT_EQ(std::get<Nexthop>(decoded(made).object).hop.encap_name(), "ip");
  nla_put_u8(made.get(), NHA_ENCAP_TYPE, 1);
  EXPECT_FALSE(decode(*nlmsg_hdr(made.get()))) << "one byte is no type";
}

TEST(Decode, Ipv4RouteViaIpv6) {
  const Event event = decoded(via_route());
  const auto& route = std::get<Route>(event.object);
  EXPECT_FALSE(event.added);
  EXPECT_EQ(route.dst, net::Prefix::parse("0.0.0.0/0"));
  ASSERT_EQ(route.hops.size(), 1u);
  EXPECT_EQ(route.hops[0].via, ip("fe80::1"));
  EXPECT_FALSE(route.hops[0].is_alive());
}

TEST(Decode, Neighbour) {
  const auto object = std::get<Neighbour>(decoded(neighbour()).object);
  EXPECT_EQ(object.ip, ip("192.0.2.9"));
  EXPECT_EQ(object.nud_name(), "stale");
  EXPECT_TRUE(object.is_valid() && object.is_operators() && object.is_managed());
}

TEST(Decode, Address) {
  const auto object = std::get<Address>(decoded(address()).object);
  EXPECT_EQ(object.local, ip("fe80::1"));
  EXPECT_EQ(object.peer, object.local);
  EXPECT_FALSE(object.is_usable());
}

TEST(Decode, PointToPointAddress) {
  auto made = message(RTM_NEWADDR, ifaddrmsg{.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 3});
  put_ip(made, IFA_ADDRESS, "10.0.0.2");
  put_ip(made, IFA_LOCAL, "10.0.0.1");
  const auto object = std::get<Address>(decoded(made).object);
  EXPECT_EQ(object.local, ip("10.0.0.1"));
  EXPECT_EQ(object.peer, ip("10.0.0.2"));
  EXPECT_TRUE(object.is_usable());
}

TEST(Decode, NexthopGroup) {
  const auto object = std::get<Nexthop>(decoded(nexthop_group()).object);
  EXPECT_EQ(object.id, 12u);
  EXPECT_EQ(object.group, (std::vector<std::pair<uint32_t, uint16_t>>{{1, 4}, {2, 512}}));
}

TEST(Decode, PolicyRule) {
  fib_rule_hdr header{};
  header.family = AF_INET;
  header.src_len = 8;
  header.action = FR_ACT_TO_TBL;
  header.flags = FIB_RULE_INVERT | FIB_RULE_IIF_DETACHED;
  auto made = message(RTM_NEWRULE, header);
  put_ip(made, FRA_SRC, "10.0.0.0");
  nla_put_u32(made.get(), FRA_PRIORITY, 100);
  nla_put_u32(made.get(), FRA_TABLE, 1000);
  nla_put_u32(made.get(), FRA_FWMARK, 7);
  nla_put_string(made.get(), FRA_IIFNAME, "eth0");
  nla_put_u32(made.get(), FRA_SUPPRESS_PREFIXLEN, 0);
  nla_put_u32(made.get(), FRA_SUPPRESS_IFGROUP, UINT32_MAX);
  const uint16_t ports[] = {53, 54};
  nla_put(made.get(), FRA_DPORT_RANGE, sizeof(ports), ports);
  const auto rule = std::get<PolicyRule>(decoded(made).object);
  EXPECT_EQ(rule.src, net::Prefix::parse("10.0.0.0/8"));
  EXPECT_EQ(rule.priority, 100u);
  EXPECT_EQ(rule.table, 1000u);
  EXPECT_TRUE(rule.inverted);
  EXPECT_EQ(rule.mask, UINT32_MAX) << "a mark without a mask";
  EXPECT_EQ(rule.iif, "eth0");
  EXPECT_EQ(rule.suppress_length, 0u);
  EXPECT_FALSE(rule.suppress_group);
  EXPECT_EQ(rule.dport, (PortRange{53, 54}));

  header.src_len = 33;
  auto bad = message(RTM_NEWRULE, header);
  put_ip(bad, FRA_SRC, "10.0.0.0");
  EXPECT_TRUE(is_malformed(bad));
}

TEST(Decode, IgnoresWhatIsNotMirrored) {
  EXPECT_TRUE(is_ignored(message(RTM_NEWLINK, ifinfomsg{.ifi_family = AF_BRIDGE, .ifi_index = 3})));
  EXPECT_TRUE(is_ignored(wireless_event()));
  EXPECT_TRUE(is_ignored(message(RTM_NEWNEIGH, ndmsg{.ndm_family = AF_BRIDGE, .ndm_ifindex = 3})));
  EXPECT_TRUE(is_ignored(message(RTM_NEWROUTE, rtmsg{.rtm_family = AF_INET6, .rtm_flags = RTM_F_CLONED})));
  EXPECT_TRUE(is_ignored(message(RTM_NEWROUTE, rtmsg{.rtm_family = AF_MPLS})));
  EXPECT_TRUE(is_ignored(message(NLMSG_DONE, int{0})));
}

TEST(Decode, RefusesWrongLengths) {
  auto made = message(RTM_NEWNEIGH, ndmsg{.ndm_family = AF_INET, .ndm_ifindex = 3});
  EXPECT_TRUE(is_malformed(made)) << "no address";
  nla_put_u16(made.get(), NDA_DST, 1);
  EXPECT_TRUE(is_malformed(made)) << "an address of two bytes";

  auto route = message(RTM_NEWROUTE, rtmsg{.rtm_family = AF_INET, .rtm_dst_len = 33});
  EXPECT_TRUE(is_malformed(route)) << "a prefix of 33 bits";
  auto mixed = message(RTM_NEWROUTE, rtmsg{.rtm_family = AF_INET, .rtm_dst_len = 8});
  put_ip(mixed, RTA_DST, "fe80::");
  EXPECT_TRUE(is_malformed(mixed)) << "an IPv6 destination of an IPv4 route";
  auto short_hop = message(RTM_NEWROUTE, rtmsg{.rtm_family = AF_INET});
  const rtnexthop hop{4, 0, 0, 3};
  nla_put(short_hop.get(), RTA_MULTIPATH, sizeof(hop), &hop);
  EXPECT_TRUE(is_malformed(short_hop)) << "a hop shorter than its header";
  auto group = message(RTM_NEWNEXTHOP, nhmsg{});
  nla_put_u32(group.get(), NHA_ID, 1);
  nla_put_u32(group.get(), NHA_GROUP, 1);
  EXPECT_TRUE(is_malformed(group)) << "half a member";
}

// neightbl_fill_parms: milliseconds, as 64-bit numbers.
MessagePtr neighbour_table(uint8_t family) {
  auto made = message(RTM_NEWNEIGHTBL, ndtmsg{.ndtm_family = family, .ndtm_pad1 = 0, .ndtm_pad2 = 0});
  nla_put_string(made.get(), NDTA_NAME, "arp_cache");
  nla_put_u64(made.get(), NDTA_GC_INTERVAL, 12000);
  nla_put_u32(made.get(), NDTA_THRESH3, 4096);
  nlattr* parameters = nla_nest_start(made.get(), NDTA_PARMS);
  nla_put_u32(made.get(), NDTPA_IFINDEX, 7);
  nla_put_u64(made.get(), NDTPA_BASE_REACHABLE_TIME, 2000);
  nla_put_u64(made.get(), NDTPA_DELAY_PROBE_TIME, 700);
  nla_nest_end(made.get(), parameters);
  return made;
}

TEST(Decode, NeighbourTimes) {
  const auto times = decode_neighbour_times(*nlmsg_hdr(neighbour_table(AF_INET6).get()));
  ASSERT_TRUE(times && *times);
  EXPECT_EQ(**times,
            (NeighbourTimes{7, false, std::chrono::milliseconds(2000), std::chrono::milliseconds(700),
                            netlink::NeighbourCache{std::chrono::milliseconds(12000), 4096}}));
  const auto other = decode_neighbour_times(*nlmsg_hdr(neighbour_table(AF_BRIDGE).get()));
  EXPECT_TRUE(other && !*other);
  const auto neighbours = decode_neighbour_times(*nlmsg_hdr(neighbour().get()));
  EXPECT_TRUE(neighbours && !*neighbours);
  auto short_time = message(RTM_NEWNEIGHTBL, ndtmsg{.ndtm_family = AF_INET, .ndtm_pad1 = 0, .ndtm_pad2 = 0});
  nlattr* parameters = nla_nest_start(short_time.get(), NDTA_PARMS);
  nla_put_u32(short_time.get(), NDTPA_DELAY_PROBE_TIME, 700);
  nla_nest_end(short_time.get(), parameters);
  EXPECT_FALSE(decode_neighbour_times(*nlmsg_hdr(short_time.get())));
}

MessagePtr fdb_entry(uint16_t type = RTM_NEWNEIGH, uint16_t nud = NUD_REACHABLE) {
  auto made = message(type, ndmsg{.ndm_family = AF_BRIDGE, .ndm_ifindex = 7, .ndm_state = nud});
  nla_put(made.get(), NDA_LLADDR, 6, "\x02\x00\x00\x00\x00\x09");
  return made;
}

TEST(Decode, BridgeFdb) {
  const net::Mac mac = *net::Mac::parse("02:00:00:00:00:09");
  auto of_bridge = fdb_entry();
  nla_put_u32(of_bridge.get(), NDA_MASTER, 3);
  nla_put_u16(of_bridge.get(), NDA_VLAN, 100);
  const auto bridged = decode_fdb(*nlmsg_hdr(of_bridge.get()));
  ASSERT_TRUE(bridged && *bridged);
  EXPECT_EQ((*bridged)->entry, (FdbEntry{.mac = mac, .owner = 3, .tag = 100, .port = 7, .dynamic = true}));
  EXPECT_TRUE((*bridged)->added);
  auto by_operator = fdb_entry(RTM_NEWNEIGH, NUD_NOARP);
  nla_put_u32(by_operator.get(), NDA_MASTER, 3);
  EXPECT_FALSE((*decode_fdb(*nlmsg_hdr(by_operator.get())))->entry.dynamic);

  auto of_vxlan = fdb_entry(RTM_NEWNEIGH, NUD_PERMANENT);
  nla_put_u32(of_vxlan.get(), NDA_DST, htonl(0xc0000202));
  nla_put_u32(of_vxlan.get(), NDA_VNI, 200);
  const auto remote = decode_fdb(*nlmsg_hdr(of_vxlan.get()));
  ASSERT_TRUE(remote && *remote);
  EXPECT_EQ(
      (*remote)->entry,
      (FdbEntry{.mac = mac, .owner = 7, .port = 7, .remote = net::IpAddr::parse("192.0.2.2"), .vni = 200}));

  auto own = fdb_entry(RTM_DELNEIGH, NUD_PERMANENT);
  nla_put_u32(own.get(), NDA_MASTER, 3);
  const auto local = decode_fdb(*nlmsg_hdr(own.get()));
  ASSERT_TRUE(local && *local);
  EXPECT_TRUE((*local)->entry.local);
  EXPECT_FALSE((*local)->added);

  const auto nowhere = decode_fdb(*nlmsg_hdr(fdb_entry().get()));
  EXPECT_TRUE(nowhere && !*nowhere) << "a device's own address list";
  const auto other = decode_fdb(*nlmsg_hdr(neighbour().get()));
  EXPECT_TRUE(other && !*other);
  auto bad = fdb_entry();
  nla_put_u16(bad.get(), NDA_MASTER, 3);
  EXPECT_FALSE(decode_fdb(*nlmsg_hdr(bad.get())));
}

// Every message cut at every length, and with every byte changed at random: never a read past its end (the
// sanitizers see that), always an answer.
TEST(Decode, SurvivesAnyBytes) {
  std::mt19937 random(1);
  for (const auto& made : {vlan_link(), multipath_route(), mpls_route(7), via_route(), neighbour(), address(),
                           nexthop_group(), neighbour_table(AF_INET), fdb_entry()}) {
    const auto* start = reinterpret_cast<const uint8_t*>(nlmsg_hdr(made.get()));
    const std::vector<uint8_t> whole(start, start + nlmsg_hdr(made.get())->nlmsg_len);
    for (size_t length = sizeof(nlmsghdr); length <= whole.size(); ++length) {
      for (int change = 0; change < 20; ++change) {
        std::vector<uint8_t> bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
        if (change > 0 && length > sizeof(nlmsghdr))
          bytes[sizeof(nlmsghdr) + random() % (length - sizeof(nlmsghdr))] = static_cast<uint8_t>(random());
        auto* header = reinterpret_cast<nlmsghdr*>(bytes.data());
        header->nlmsg_len = static_cast<uint32_t>(length);
        const auto event = decode(*header);
        (void)decode_neighbour_times(*header);
        (void)decode_fdb(*header);
        EXPECT_TRUE(event.has_value() || change > 0 || length < whole.size());
      }
    }
  }
}

}  // namespace
}  // namespace culvert::netlink
