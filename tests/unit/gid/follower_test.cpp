// What belongs into the tables, told by hand-made netlink messages: also by kinds of links that this kernel
// may not have.
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>

#include "gid/follower.hpp"
#include "lab.hpp"
#include "netlink/decode.hpp"
#include "netlink/socket.hpp"

namespace culvert::gid {
namespace {

struct LinkSpec {
  int ifindex = 0;
  std::string name, kind;
  int lower = 0, master = 0;
  std::optional<uint16_t> vlan;
  std::string address = "02:00:00:00:00:01";
  bool up = true;
};

class GidFollower : public GidLab {
 protected:
  static netlink::Event decoded(const netlink::MessagePtr& made) {
    return **netlink::decode(*nlmsg_hdr(made.get()));
  }
  template <typename Header>
  static netlink::MessagePtr message(uint16_t type, Header header) {
    netlink::MessagePtr made(nlmsg_alloc_simple(type, 0));
    nlmsg_append(made.get(), &header, sizeof(header), NLMSG_ALIGNTO);
    return made;
  }
  static mirror::Link decoded_link(const LinkSpec& spec) {
    auto made = message(RTM_NEWLINK, ifinfomsg{.ifi_family = AF_UNSPEC,
                                               .ifi_index = spec.ifindex,
                                               .ifi_flags = spec.up ? 0x10043u : 0x2u});
    nla_put_string(made.get(), IFLA_IFNAME, spec.name.c_str());
    const net::Mac address = mac(spec.address);
    nla_put(made.get(), IFLA_ADDRESS, 6, address.bytes.data());
    if (spec.lower != 0) nla_put_u32(made.get(), IFLA_LINK, static_cast<uint32_t>(spec.lower));
    if (spec.master != 0) nla_put_u32(made.get(), IFLA_MASTER, static_cast<uint32_t>(spec.master));
    if (!spec.kind.empty()) {
      nlattr* info = nla_nest_start(made.get(), IFLA_LINKINFO);
      nla_put_string(made.get(), IFLA_INFO_KIND, spec.kind.c_str());
      if (spec.vlan) {
        nlattr* data = nla_nest_start(made.get(), IFLA_INFO_DATA);
        nla_put_u16(made.get(), IFLA_VLAN_ID, *spec.vlan);
        nla_nest_end(made.get(), data);
      }
      nla_nest_end(made.get(), info);
    }
    return std::get<mirror::Link>(decoded(made).object);
  }
  static mirror::Address decoded_address(int ifindex, const std::string& text, uint8_t length,
                                         uint32_t flags) {
    const net::IpAddr local = ip(text);
    auto made =
        message(RTM_NEWADDR, ifaddrmsg{.ifa_family = static_cast<uint8_t>(local.is_v4() ? AF_INET : AF_INET6),
                                       .ifa_prefixlen = length,
                                       .ifa_index = static_cast<uint32_t>(ifindex)});
    nla_put_u32(made.get(), IFA_FLAGS, flags);
    for (const int type : {IFA_LOCAL, IFA_ADDRESS})
      nla_put(made.get(), type, static_cast<int>(local.bytes().size()), local.bytes().data());
    return std::get<mirror::Address>(decoded(made).object);
  }

  void link(const LinkSpec& spec) {
    const mirror::Link now = decoded_link(spec);
    const auto before = links.find(spec.ifindex);
    follower.on_link(before != links.end() ? &before->second : nullptr, &now);
    links[spec.ifindex] = now;
  }
  void link_gone(int ifindex) {
    follower.on_link(&links.at(ifindex), nullptr);
    links.erase(ifindex);
  }
  void on_address(bool added, int ifindex, const std::string& text, uint8_t length = 24, uint32_t flags = 0) {
    const mirror::Address address = decoded_address(ifindex, text, length, flags);
    follower.on_address(added ? nullptr : &address, added ? &address : nullptr);
  }
  void address_added(int ifindex, const std::string& text, uint8_t length = 24) {
    on_address(true, ifindex, text, length);
  }
  void address_gone(int ifindex, const std::string& text, uint8_t length = 24) {
    on_address(false, ifindex, text, length);
  }

  // The lines of a table after flush(): without the defaults, and of one type.
  std::set<std::string> flushed(const Table& table) {
    follower.flush();
    std::set<std::string> all;
    for (const Entry& entry : entries(table)) {
      const Attributes& what = entry.attributes;
      if (what.is_default || what.type != Type::roce_v2) continue;
      all.insert(fmt::format("{} {} {}", what.gid.address(), what.netdev->name(), what.vlan.value_or(0)));
    }
    return all;
  }
  using Lines = std::set<std::string>;

  std::map<int, mirror::Link> links;
  Table one{"one", 64, *domain}, two{"two", 64, *domain};
  std::unique_ptr<Updater> updater = std::move(*Updater::create([] {}));
  unsigned posted = 0;
  Follower follower{{{"eth0", &one}, {"eth1", &two}}, [this](Update update) {
                      ++posted;
                      updater->post(std::move(update));
                    }};
};

TEST_F(GidFollower, AnAddressMakesAnEntryOfEachTypeAndTheMacTheDefaults) {
  link({.ifindex = 3, .name = "eth0"});
  address_added(3, "10.0.0.1");
  address_added(3, "fe80::ff:fe00:1", 64);
  follower.flush();
  const std::map<uint16_t, std::string> want{
      {0, "fe80::ff:fe00:1 RoCE v1 eth0 default"}, {1, "fe80::ff:fe00:1 RoCE v2 eth0 default"},
      {2, "::ffff:10.0.0.1 RoCE v1 eth0"},         {3, "::ffff:10.0.0.1 RoCE v2 eth0"},
      {4, "fe80::ff:fe00:1 RoCE v1 eth0"},         {5, "fe80::ff:fe00:1 RoCE v2 eth0"}};
  EXPECT_EQ(lines(one), want);
  EXPECT_TRUE(entries(two).empty());
}

TEST_F(GidFollower, ALinkThatIsDownHasItsDefaultsAlone) {
  link({.ifindex = 3, .name = "eth0", .up = false});
  address_added(3, "10.0.0.1");
  EXPECT_EQ(flushed(one), Lines{});
  EXPECT_EQ(entries(one).size(), 2u) << "the defaults";
  link({.ifindex = 3, .name = "eth0"});
  EXPECT_EQ(flushed(one), Lines{"10.0.0.1 eth0 0"});
  link({.ifindex = 3, .name = "eth0", .up = false});
  EXPECT_EQ(flushed(one), Lines{});
  EXPECT_EQ(lines(one).at(0), "fe80::ff:fe00:1 RoCE v1 eth0 default");
}

TEST_F(GidFollower, TheDefaultFollowsTheMac) {
  link({.ifindex = 3, .name = "eth0", .up = false});
  address_added(3, "10.0.0.1");
  follower.flush();
  link({.ifindex = 3, .name = "eth0", .address = "02:00:00:00:00:02"});
  follower.flush();
  EXPECT_EQ(lines(one).at(0), "fe80::ff:fe00:2 RoCE v1 eth0 default");
  EXPECT_EQ(lines(one).at(1), "fe80::ff:fe00:2 RoCE v2 eth0 default");
  link({.ifindex = 3, .name = "eth0", .address = "00:00:00:00:00:00"});
  follower.flush();
  EXPECT_EQ(entries(one).size(), 2u) << "no MAC, no default";
}

TEST_F(GidFollower, UppersOfEveryKindCountAndOthersDoNot) {
  link({.ifindex = 3, .name = "eth0", .master = 10});
  link({.ifindex = 4, .name = "eth1", .master = 10});
  link({.ifindex = 10, .name = "bond0", .kind = "bond", .master = 12});
  link({.ifindex = 11, .name = "bond0.100", .kind = "vlan", .lower = 10, .master = 13, .vlan = 100});
  link({.ifindex = 12, .name = "br0", .kind = "bridge"});
  link({.ifindex = 13, .name = "vrf-blue", .kind = "vrf"});
  link({.ifindex = 14, .name = "mv0", .kind = "macvlan", .lower = 11});
  link({.ifindex = 15, .name = "inner", .kind = "vlan", .lower = 11, .vlan = 7});
  // A tunnel over the port, the other end of a veth, another slave of the bridge, a link of its own.
  link({.ifindex = 20, .name = "vx0", .kind = "vxlan", .lower = 3});
  link({.ifindex = 21, .name = "peer0", .kind = "veth", .lower = 3});
  link({.ifindex = 22, .name = "tap0", .kind = "tun", .master = 12});
  link({.ifindex = 1, .name = "lo"});
  for (const auto& [ifindex, known] : links) address_added(ifindex, fmt::format("10.0.0.{}", ifindex));
  const Lines uppers{"10.0.0.10 bond0 0",      "10.0.0.11 bond0.100 100", "10.0.0.12 br0 0",
                     "10.0.0.13 vrf-blue 100", "10.0.0.14 mv0 100",       "10.0.0.15 inner 7"};
  Lines want = uppers;
  want.insert("10.0.0.3 eth0 0");
  EXPECT_EQ(flushed(one), want);
  want = uppers;
  want.insert("10.0.0.4 eth1 0");
  EXPECT_EQ(flushed(two), want) << "both slaves of the bond";
  EXPECT_TRUE(follower.is_elsewhere(ip("10.0.0.1")));
  EXPECT_TRUE(follower.is_elsewhere(ip("10.0.0.20")));
  EXPECT_FALSE(follower.is_elsewhere(ip("10.0.0.12")));
  EXPECT_FALSE(follower.is_elsewhere(ip("10.9.9.9")));

  link({.ifindex = 3, .name = "eth0"});  // leaves the bond
  EXPECT_EQ(flushed(one), Lines{"10.0.0.3 eth0 0"});
  EXPECT_EQ(flushed(two), want);
  link({.ifindex = 4, .name = "eth1"});
  EXPECT_EQ(flushed(two), Lines{"10.0.0.4 eth1 0"});
  EXPECT_TRUE(follower.is_elsewhere(ip("10.0.0.12"))) << "it is nobody's upper by now";
}

TEST_F(GidFollower, AVlanDirectlyOnThePortAndAVrfAboveIt) {
  link({.ifindex = 3, .name = "eth0"});
  link({.ifindex = 5, .name = "eth0.5", .kind = "vlan", .lower = 3, .master = 6, .vlan = 5});
  link({.ifindex = 6, .name = "vrf-red", .kind = "vrf"});
  address_added(5, "10.5.0.1");
  address_added(6, "10.6.0.1");
  EXPECT_EQ(flushed(one), (Lines{"10.5.0.1 eth0.5 5", "10.6.0.1 vrf-red 5"}));
  // Another VLAN id: the entries are others.
  link({.ifindex = 5, .name = "eth0.5", .kind = "vlan", .lower = 3, .master = 6, .vlan = 9});
  EXPECT_EQ(flushed(one), (Lines{"10.5.0.1 eth0.5 9", "10.6.0.1 vrf-red 9"}));
}

TEST_F(GidFollower, LinksInACircleEnd) {
  link({.ifindex = 3, .name = "eth0", .master = 4});
  link({.ifindex = 4, .name = "br0", .kind = "bridge", .master = 5});
  link({.ifindex = 5, .name = "br1", .kind = "bridge", .master = 4});
  address_added(5, "10.0.0.5");
  EXPECT_EQ(flushed(one), Lines{"10.0.0.5 br1 0"});
}

TEST_F(GidFollower, ARenamedUpperKeepsItsEntriesAndAPortIsFoundByItsName) {
  link({.ifindex = 3, .name = "eth0"});
  link({.ifindex = 5, .name = "mv0", .kind = "macvlan", .lower = 3});
  address_added(5, "10.0.0.5");
  follower.flush();
  const unsigned before = posted;
  link({.ifindex = 5, .name = "mv1", .kind = "macvlan", .lower = 3});
  EXPECT_EQ(flushed(one), Lines{"10.0.0.5 mv1 0"});
  EXPECT_EQ(posted, before) << "a name is no update";
  link({.ifindex = 3, .name = "eth9"});
  EXPECT_EQ(flushed(one), Lines{});
  EXPECT_TRUE(entries(one).empty()) << "eth0 is gone";
  link({.ifindex = 3, .name = "eth0"});
  EXPECT_EQ(flushed(one), Lines{"10.0.0.5 mv1 0"});
}

TEST_F(GidFollower, ALinkThatGoesTakesItsEntriesAlong) {
  link({.ifindex = 3, .name = "eth0"});
  link({.ifindex = 5, .name = "mv0", .kind = "macvlan", .lower = 3});
  address_added(3, "10.0.0.3");
  address_added(5, "10.0.0.5");
  follower.flush();
  const NetdevRef held = entries(one).back().attributes.netdev;
  address_gone(5, "10.0.0.5");
  link_gone(5);
  EXPECT_EQ(flushed(one), Lines{"10.0.0.3 eth0 0"});
  // Another link with its number: another netdev, though the updates are queued together.
  link({.ifindex = 5, .name = "mv0", .kind = "macvlan", .lower = 3});
  address_added(5, "10.0.0.5");
  EXPECT_EQ(flushed(one), (Lines{"10.0.0.3 eth0 0", "10.0.0.5 mv0 0"}));
  EXPECT_NE(entries(one).back().attributes.netdev, held);
  address_gone(3, "10.0.0.3");
  link_gone(3);
  EXPECT_EQ(flushed(one), Lines{});
  EXPECT_TRUE(entries(one).empty()) << "the defaults too";
}

TEST_F(GidFollower, APortThatGoesTakesItsEntriesAlong) {
  link({.ifindex = 3, .name = "eth0"});
  address_added(3, "10.0.0.3");
  follower.flush();
  EXPECT_FALSE(follower.is_elsewhere(ip("10.0.0.3")));
  follower.remove_port(one);
  EXPECT_EQ(flushed(one), Lines{});
  EXPECT_TRUE(entries(one).empty());
  EXPECT_TRUE(follower.is_elsewhere(ip("10.0.0.3")));
  link({.ifindex = 3, .name = "eth0", .address = "02:00:00:00:00:02"});
  address_added(3, "10.0.0.4");
  EXPECT_EQ(flushed(one), Lines{});
}

TEST_F(GidFollower, AnAddressWithTwoPrefixesIsOneGidUntilBothAreGone) {
  link({.ifindex = 3, .name = "eth0"});
  address_added(3, "10.0.0.1", 24);
  address_added(3, "10.0.0.1", 32);
  EXPECT_EQ(flushed(one).size(), 1u);
  address_gone(3, "10.0.0.1", 24);
  EXPECT_EQ(flushed(one).size(), 1u);
  address_gone(3, "10.0.0.1", 32);
  EXPECT_EQ(flushed(one).size(), 0u);
}

TEST_F(GidFollower, ATentativeAddressIsNotOursYet) {
  link({.ifindex = 3, .name = "eth0"});
  const mirror::Address tentative = decoded_address(3, "fd00::1", 64, IFA_F_TENTATIVE);
  const mirror::Address ready = decoded_address(3, "fd00::1", 64, 0);
  follower.on_address(nullptr, &tentative);
  EXPECT_EQ(flushed(one), Lines{});
  follower.on_address(&tentative, &ready);
  EXPECT_EQ(flushed(one), Lines{"fd00::1 eth0 0"});
  follower.on_address(&ready, nullptr);
  EXPECT_EQ(flushed(one), Lines{});
}

// What came and went between two flushes, or changed nothing, costs no update.
TEST_F(GidFollower, OnlyDifferencesAreUpdates) {
  link({.ifindex = 3, .name = "eth0"});
  address_added(3, "10.0.0.1");
  follower.flush();
  const unsigned before = posted;
  EXPECT_EQ(before, 4u);
  address_gone(3, "10.0.0.1");
  address_added(3, "10.0.0.1");
  address_added(3, "10.0.0.2");
  address_gone(3, "10.0.0.2");
  link({.ifindex = 3, .name = "eth0", .up = false});
  link({.ifindex = 3, .name = "eth0"});
  follower.flush();
  EXPECT_EQ(posted, before);
}

}  // namespace
}  // namespace culvert::gid
