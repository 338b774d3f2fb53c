#include "netlink/objects.hpp"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/lwtunnel.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <tuple>

namespace culvert::netlink {
namespace {

constexpr uint32_t kLowerUp = 1u << 16;  // IFF_LOWER_UP: linux/if.h cannot stand beside net/if.h
constexpr uint16_t kNudValid = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;

struct NumberName {
  uint32_t number;
  const char* name;
};

constexpr NumberName kNuds[] = {
    {NUD_INCOMPLETE, "incomplete"}, {NUD_REACHABLE, "reachable"}, {NUD_STALE, "stale"},
    {NUD_DELAY, "delay"},           {NUD_PROBE, "probe"},         {NUD_FAILED, "failed"},
    {NUD_NOARP, "noarp"},           {NUD_PERMANENT, "permanent"}, {NUD_NONE, "none"}};
constexpr NumberName kTypes[] = {{RTN_UNSPEC, "unspec"},
                                 {RTN_UNICAST, "unicast"},
                                 {RTN_LOCAL, "local"},
                                 {RTN_BROADCAST, "broadcast"},
                                 {RTN_ANYCAST, "anycast"},
                                 {RTN_MULTICAST, "multicast"},
                                 {RTN_BLACKHOLE, "blackhole"},
                                 {RTN_UNREACHABLE, "unreachable"},
                                 {RTN_PROHIBIT, "prohibit"},
                                 {RTN_THROW, "throw"},
                                 {RTN_NAT, "nat"},
                                 {RTN_XRESOLVE, "xresolve"}};
// As iproute2's etc/iproute2/rt_protos has them.
constexpr NumberName kProtocols[] = {
    {RTPROT_UNSPEC, "unspec"}, {RTPROT_REDIRECT, "redirect"}, {RTPROT_KERNEL, "kernel"},
    {RTPROT_BOOT, "boot"},     {RTPROT_STATIC, "static"},     {RTPROT_GATED, "gated"},
    {RTPROT_RA, "ra"},         {RTPROT_MRT, "mrt"},           {RTPROT_ZEBRA, "zebra"},
    {RTPROT_BIRD, "bird"},     {RTPROT_DNROUTED, "dnrouted"}, {RTPROT_XORP, "xorp"},
    {RTPROT_NTK, "ntk"},       {RTPROT_DHCP, "dhcp"},         {RTPROT_KEEPALIVED, "keepalived"},
    {RTPROT_BABEL, "babel"},   {RTPROT_BGP, "bgp"},           {RTPROT_ISIS, "isis"},
    {RTPROT_OSPF, "ospf"},     {RTPROT_RIP, "rip"},           {RTPROT_EIGRP, "eigrp"}};

// As iproute2's iproute_lwtunnel.c has them.
constexpr NumberName kEncaps[] = {{LWTUNNEL_ENCAP_MPLS, "mpls"},
                                  {LWTUNNEL_ENCAP_IP, "ip"},
                                  {LWTUNNEL_ENCAP_ILA, "ila"},
                                  {LWTUNNEL_ENCAP_IP6, "ip6"},
                                  {LWTUNNEL_ENCAP_SEG6, "seg6"},
                                  {LWTUNNEL_ENCAP_BPF, "bpf"},
                                  {LWTUNNEL_ENCAP_SEG6_LOCAL, "seg6local"},
                                  {LWTUNNEL_ENCAP_RPL, "rpl"},
                                  {LWTUNNEL_ENCAP_IOAM6, "ioam6"},
                                  {LWTUNNEL_ENCAP_XFRM, "xfrm"}};

template <size_t size>
std::string name_of(const NumberName (&names)[size], uint32_t number) {
  for (const NumberName& entry : names)
    if (entry.number == number) return entry.name;
  return fmt::format("{}", number);
}

}  // namespace

bool Link::is_up() const { return (flags & IFF_UP) != 0; }
bool Link::has_carrier() const { return (flags & kLowerUp) != 0; }

bool Address::is_usable() const {
  if ((flags & IFA_F_DADFAILED) != 0) return false;
  return (flags & IFA_F_TENTATIVE) == 0 || (flags & IFA_F_OPTIMISTIC) != 0;
}

bool Neighbour::is_valid() const { return (nud & kNudValid) != 0 && mac.has_value(); }
bool Neighbour::is_operators() const {
  return (nud & (NUD_PERMANENT | NUD_NOARP)) != 0 || (flags & NTF_EXT_LEARNED) != 0;
}
bool Neighbour::is_managed() const { return (ext_flags & NTF_EXT_MANAGED) != 0; }
std::string Neighbour::nud_name() const { return name_of(kNuds, nud); }

bool Hop::is_alive() const { return (flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) == 0; }
std::string Hop::encap_name() const { return name_of(kEncaps, encap); }

void sort_hops(std::vector<Hop>& hops) {
  std::sort(hops.begin(), hops.end(), [](const Hop& a, const Hop& b) {
    return std::tie(a.ifindex, a.via, a.weight, a.encap, a.encap_digest) <
           std::tie(b.ifindex, b.via, b.weight, b.encap, b.encap_digest);
  });
}

std::string Path::type_name() const { return name_of(kTypes, type); }
std::string Path::protocol_name() const { return name_of(kProtocols, protocol); }

}  // namespace culvert::netlink
