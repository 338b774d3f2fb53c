// Recordings of real sessions (tests/recordings) replayed: the mirror ends as iproute2 saw the kernel, and
// told nothing of what did not change.
#include <linux/if_addr.h>
#include <net/if.h>

#include <map>
#include <nlohmann/json.hpp>

#include "recorded.hpp"

namespace culvert::mirror {
namespace {

using Json = nlohmann::json;
using Lines = std::multiset<std::string>;

const std::string kFolder = std::string(CULVERT_SOURCE_ROOT) + "/tests/recordings/";

std::vector<std::byte> unpacked(const std::string& path) {
  std::vector<std::byte> bytes;
  FILE* pipe = ::popen(("xz -dc " + path).c_str(), "r");
  std::array<std::byte, 65536> part;
  while (const size_t size = std::fread(part.data(), 1, part.size(), pipe))
    bytes.insert(bytes.end(), part.begin(), part.begin() + static_cast<ptrdiff_t>(size));
  EXPECT_EQ(::pclose(pipe), 0) << path;
  return bytes;
}

std::string field(const Json& object, const char* key) {
  if (!object.contains(key)) return "-";
  const Json& value = object[key];
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// In the words of both: what iproute2 says of the kernel ...
std::string hop_of(const Json& hop) {
  std::string via = field(hop, "gateway");
  if (hop.contains("via")) via = field(hop["via"], "host");
  std::string flags;
  for (const auto& flag : hop["flags"])
    if (flag == "dead" || flag == "linkdown" || flag == "onlink") flags += " " + flag.get<std::string>();
  return fmt::format(" [{} {} w{}{}]", via, field(hop, "dev"), hop.value("weight", 1), flags);
}

std::string route_of(const Json& route) {
  std::string dst = field(route, "dst");
  const bool v6 = dst.find(':') != std::string::npos ||
                  field(route, "gateway").find(':') != std::string::npos || route.contains("pref");
  if (dst == "default") dst = v6 ? "::/0" : "0.0.0.0/0";
  if (dst.find('/') == std::string::npos) dst += v6 ? "/128" : "/32";
  std::string line = fmt::format("route {} type {} {} metric {} proto {} src {} nhid {}",
                                 field(route, "table"), field(route, "type"), dst, route.value("metric", 0),
                                 field(route, "protocol"), field(route, "prefsrc"), route.value("nhid", 0));
  std::set<std::string> hops;  // IPv6 tells siblings in varying order
  if (route.contains("nexthops"))
    for (const Json& hop : route["nexthops"]) hops.insert(hop_of(hop));
  else if (route.contains("dev") && route["type"] != "7" && route["type"] != "6")
    hops.insert(hop_of(route));
  for (const std::string& hop : hops) line += hop;
  return line;
}

Lines kernels_words(const Json& kernel) {
  Lines all;
  for (const Json& link : kernel["links"]) {
    bool up = false, carrier = false;
    for (const auto& flag : link["flags"]) {
      up |= flag == "UP";
      carrier |= flag == "LOWER_UP";
    }
    all.insert(fmt::format("link {} {} {} mtu {} up {} carrier {}", link["ifindex"].get<int>(),
                           field(link, "ifname"), field(link, "address"), link["mtu"].get<int>(), up,
                           carrier));
  }
  for (const Json& link : kernel["addresses"])
    for (const Json& address : link.value("addr_info", Json::array()))
      all.insert(fmt::format("address {} {}/{}", field(link, "ifname"), field(address, "local"),
                             address["prefixlen"].get<int>()));
  for (const Json& nexthop : kernel["nexthops"]) {
    std::string line = fmt::format("nexthop {} {} {}", nexthop["id"].get<int>(), field(nexthop, "gateway"),
                                   field(nexthop, "dev"));
    for (const Json& member : nexthop.value("group", Json::array()))
      line += fmt::format(" {},{}", member["id"].get<int>(), member.value("weight", 1));
    all.insert(line);
  }
  for (const Json& route : kernel["routes"]) all.insert(route_of(route));
  return all;
}

// ... and what the mirror has.
Lines mirrors_words(const Mirror& mirror) {
  Lines all;
  const auto name = [&](int ifindex) {
    const Link* link = mirror.link(ifindex);
    return link == nullptr ? std::string("-") : link->name;
  };
  const auto or_none = [](const std::optional<net::IpAddr>& ip) { return ip ? ip->to_string() : "-"; };
  for (const Link* link : mirror.links())
    all.insert(fmt::format("link {} {} {} mtu {} up {} carrier {}", link->ifindex, link->name, link->mac,
                           link->mtu, link->is_up(), link->has_carrier()));
  for (const Address* address : mirror.addresses())
    all.insert(
        fmt::format("address {} {}/{}", name(address->ifindex), address->local, address->prefix_length));
  for (const Nexthop* nexthop : mirror.nexthops()) {
    std::string line =
        fmt::format("nexthop {} {} {}", nexthop->id, or_none(nexthop->hop.via), name(nexthop->hop.ifindex));
    for (const auto& [id, weight] : nexthop->group) line += fmt::format(" {},{}", id, weight);
    all.insert(line);
  }
  for (const Route& route : mirror.routes()) {
    std::string line =
        fmt::format("route {} type {} {} metric {} proto {} src {} nhid {}", route.table, route.type,
                    route.dst, route.metric, route.protocol, or_none(route.prefsrc), route.nexthop_id);
    std::set<std::string> hops;
    for (const Hop& hop : route.hops)
      hops.insert(fmt::format(" [{} {} w{}{}{}{}]", or_none(hop.via), name(hop.ifindex), hop.weight,
                              (hop.flags & RTNH_F_DEAD) != 0 ? " dead" : "",
                              (hop.flags & RTNH_F_ONLINK) != 0 ? " onlink" : "",
                              (hop.flags & RTNH_F_LINKDOWN) != 0 ? " linkdown" : ""));
    for (const std::string& hop : hops) line += hop;
    all.insert(line);
  }
  return all;
}

// Fails on a change that is none.
class Sane : public Replica {
 public:
  void on_nexthop(const Nexthop* before, const Nexthop* after) override {
    see(before, after), Replica::on_nexthop(before, after);
  }
  void on_link(const Link* before, const Link* after) override {
    see(before, after), Replica::on_link(before, after);
  }
  void on_address(const Address* before, const Address* after) override {
    see(before, after), Replica::on_address(before, after);
  }
  void on_neighbour(const Neighbour* before, const Neighbour* after) override {
    see(before, after), Replica::on_neighbour(before, after);
  }
  void on_route(const net::Prefix& dst, const Path* before, const Path* after) override {
    see(before, after), Replica::on_route(dst, before, after);
  }

 private:
  template <typename T>
  void see(const T* before, const T* after) const {
    EXPECT_FALSE(before != nullptr && after != nullptr && *before == *after)
        << "a delta without a difference";
  }
};

class Recordings : public ::testing::TestWithParam<const char*> {};

TEST_P(Recordings, EndAsTheKernelWas) {
  const auto recording = netlink::Recording::parse(unpacked(kFolder + GetParam() + ".rec.xz"));
  ASSERT_TRUE(recording) << recording.error().message;
  const auto expected = unpacked(kFolder + GetParam() + ".json.xz");
  const auto* text = reinterpret_cast<const char*>(expected.data());

  replay::Replay replay(*recording);
  const auto mirror = Mirror::create({.open = replay.opener()});
  ASSERT_TRUE(mirror);
  Sane replica;
  (*mirror)->subscribe(replica);
  // Up to the `resync` after iproute2 was asked.
  const auto at_resync = [&] {
    return replay.next() != nullptr && replay.next()->kind == netlink::RecordKind::resync;
  };
  while (!at_resync()) ASSERT_TRUE(replay.step(**mirror)) << "the recording ends without a resync";
  EXPECT_EQ(fmt::format("{}", fmt::join(mirrors_words(**mirror), "\n")),
            fmt::format("{}", fmt::join(kernels_words(Json::parse(text, text + expected.size())), "\n")));
  EXPECT_GT(replica.deltas.size(), 500u);
  EXPECT_EQ((*mirror)->stats().corrections, 0u) << "every silent change was known";
  EXPECT_EQ((*mirror)->stats().malformed, 0u);
  expect_replica(**mirror, replica);

  // A fresh dump finds nothing, but for the timers of neighbours.
  const size_t before = replica.deltas.size();
  while (replay.step(**mirror)) {
  }
  EXPECT_EQ((*mirror)->stats().resyncs, 1u);
  EXPECT_TRUE((*mirror)->stats().consistent);
  for (size_t i = before; i < replica.deltas.size(); ++i)
    EXPECT_NE(replica.deltas[i].find("neighbour"), std::string::npos) << replica.deltas[i];
}

INSTANTIATE_TEST_SUITE_P(Frr, Recordings, ::testing::Values("bgp", "static", "ospf"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace culvert::mirror
