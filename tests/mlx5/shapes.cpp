// Makes every shape of rule on real ports, one at a time, and prints what the driver answered, for
// table_test.py. usage: shapes [EAL OPTION ...]: the first ethdev is the NIC or the uplink, the next ones are
// representors. Lines: rule TAB made on TAB shape TAB refusal (none: taken), and culvert TAB what lib/offload
// makes of the NIC.
#include <rte_eal.h>

#include <cstdio>
#include <functional>
#include <numeric>

#include "offload/capabilities.hpp"
#include "offload/offload.hpp"
#include "offload/rule_queue.hpp"
#include "offload/template_queue.hpp"
#include "port/port.hpp"

using namespace culvert;
using namespace culvert::offload;

namespace {

const net::Mac kMac = *net::Mac::parse("02:00:00:00:07:02");
const Underlay kUnderlay{*net::IpAddr::parse("192.0.2.2"), *net::IpAddr::parse("192.0.2.1"), 4789, 100};
const Underlay kOtherPort{kUnderlay.src, kUnderlay.dst, 8472, 100};
const std::vector<uint16_t> kOneQueue{0}, kTwoQueues{0, 1};

struct Place {
  Spot spot;
  uint16_t uplink, tenant;
  Encap encap;
  Counter counter;
};

struct Shape {
  std::string name;
  Domain domain;
  std::function<void(Rule&, const Place&)> build;
};

Shape flow(std::string name, const tunnel::Match& match) {
  return {"explicit flow, flat: " + std::move(name), Domain::transfer, [match](Rule& rule, const Place& at) {
            explicit_flat(rule, at.spot, at.tenant, match, at.encap, at.counter);
          }};
}

std::vector<Shape> flows() {
  const auto v4 = net::Prefix::parse("10.7.0.0/16"), v6 = net::Prefix::parse("2001:db8::/33");
  return {
      flow("all of a port", {}),
      flow("source and destination MAC", {.eth_src = kMac, .eth_dst = kMac}),
      flow("a VLAN", {.vlan = uint16_t{5}}),
      flow("untagged", {.vlan = tunnel::Match::kUntagged}),
      flow("IPv4 prefixes", {.src = v4, .dst = v4}),
      flow("IPv6 prefixes", {.src = v6, .dst = v6}),
      flow("IPv4 protocol", {.dst = v4, .ip_proto = uint8_t{47}}),
      flow("TCP ports", {.dst = v4, .ip_proto = uint8_t{6}, .l4_src = uint16_t{80}, .l4_dst = uint16_t{80}}),
      flow("IPv6 UDP port", {.dst = v6, .ip_proto = uint8_t{17}, .l4_dst = uint16_t{53}}),
      flow("IPv6 addresses and UDP ports", {.src = net::Prefix::parse("2001:db8::1/128"),
                                            .dst = net::Prefix::parse("2001:db8::2/128"),
                                            .ip_proto = uint8_t{17},
                                            .l4_src = uint16_t{53},
                                            .l4_dst = uint16_t{53}}),
      flow("a VLAN, IPv4 and UDP port",
           {.vlan = uint16_t{5}, .dst = v4, .ip_proto = uint8_t{17}, .l4_dst = uint16_t{53}}),
      flow("a VLAN, IPv6 addresses and UDP port",
           {.vlan = uint16_t{5}, .src = v6, .dst = v6, .ip_proto = uint8_t{17}, .l4_dst = uint16_t{53}}),
      flow("MACs, a VLAN, IPv4 addresses and UDP ports", {.eth_src = kMac,
                                                          .eth_dst = kMac,
                                                          .vlan = uint16_t{5},
                                                          .src = v4,
                                                          .dst = v4,
                                                          .ip_proto = uint8_t{17},
                                                          .l4_src = uint16_t{53},
                                                          .l4_dst = uint16_t{53}})};
}

Spot with(Spot spot, TagWriter tags) { return spot.tags = tags, spot; }

std::vector<Shape> of_switches() {
  std::vector<Shape> shapes = flows();
  const auto add = [&](std::string name, std::function<void(Rule&, const Place&)> build) {
    shapes.push_back({std::move(name), Domain::transfer, std::move(build)});
  };
  add("explicit flow, tagged: SET_TAG", [](Rule& rule, const Place& at) {
    explicit_tagged(rule, with(at.spot, TagWriter::set_tag), at.tenant, {}, 6, at.counter);
  });
  add("explicit flow, tagged: MODIFY_FIELD", [](Rule& rule, const Place& at) {
    explicit_tagged(rule, with(at.spot, TagWriter::modify_field), at.tenant, {}, 6, at.counter);
  });
  add("hold", [](Rule& rule, const Place& at) { hold(rule, at.spot, at.tenant, {}); });
  add("known source at a tenant",
      [](Rule& rule, const Place& at) { tenant_source(rule, at.spot, at.tenant, kMac, 3, at.counter); });
  add("any source at a tenant",
      [](Rule& rule, const Place& at) { tenant_source(rule, at.spot, at.tenant, {}, 3); });
  add("known source behind a tunnel", [](Rule& rule, const Place& at) {
    tunnel_source(rule, at.spot, at.uplink, kUnderlay, kMac, 3, at.counter);
  });
  add("any source behind a tunnel",
      [](Rule& rule, const Place& at) { tunnel_source(rule, at.spot, at.uplink, kUnderlay, {}, 3); });
  add("known source behind a tunnel of UDP port 8472", [](Rule& rule, const Place& at) {
    tunnel_source(rule, at.spot, at.uplink, kOtherPort, kMac, 3, at.counter);
  });
  add("met congestion", [](Rule& rule, const Place& at) { congested(rule, at.spot, at.uplink); });
  add("path, tagged",
      [](Rule& rule, const Place& at) { path_tagged(rule, at.spot, 3, kMac, 6, at.counter); });
  add("path, flat",
      [](Rule& rule, const Place& at) { path_flat(rule, at.spot, 3, kMac, at.encap, at.counter); });
  add("decap", [](Rule& rule, const Place& at) {
    decap(rule, at.spot, at.uplink, 3, 4789, kMac, at.tenant, at.counter);
  });
  add("decap of UDP port 8472", [](Rule& rule, const Place& at) {
    decap(rule, at.spot, at.uplink, 3, 8472, kMac, at.tenant, at.counter);
  });
  add("slot", [](Rule& rule, const Place& at) { slot_encap(rule, at.spot, 6, at.encap, at.counter); });
  add("last rule for what misses", [](Rule& rule, const Place& at) { miss(rule, at.spot, at.tenant); });
  return shapes;
}

std::vector<Shape> of_nics() {
  return {
      {"egress: the way to the slots", Domain::egress,
       [](Rule& rule, const Place& at) { egress_root(rule, at.spot); }},
      {"egress: a slot, by mark", Domain::egress,
       [](Rule& rule, const Place& at) { egress_slot(rule, at.spot, mark_of(6), at.encap, at.counter); }},
      {"egress: a mark without a slot", Domain::egress,
       [](Rule& rule, const Place& at) { no_leak(rule, at.spot); }},
      {"ingress: mark, decap, one queue", Domain::ingress,
       [](Rule& rule, const Place& at) { ingress_decap(rule, at.spot, kUnderlay, 5, kOneQueue); }},
      {"ingress: mark, decap, RSS", Domain::ingress,
       [](Rule& rule, const Place& at) { ingress_decap(rule, at.spot, kUnderlay, 5, kTwoQueues); }},
      {"ingress: mark, decap of UDP port 8472, one queue", Domain::ingress,
       [](Rule& rule, const Place& at) { ingress_decap(rule, at.spot, kOtherPort, 5, kOneQueue); }},
      {"ingress: met congestion, one queue", Domain::ingress,
       [](Rule& rule, const Place& at) { ingress_congested(rule, at.spot, kUnderlay, kOneQueue); }},
      {"ingress: a tunnel's packets, one queue", Domain::ingress,
       [](Rule& rule, const Place& at) { steer(rule, at.spot, kUnderlay, kOneQueue); }},
      {"ingress: a tunnel's packets of UDP port 8472, one queue", Domain::ingress,
       [](Rule& rule, const Place& at) { steer(rule, at.spot, kOtherPort, kOneQueue); }},
      {"ingress: a tunnel's packets, RSS", Domain::ingress,
       [](Rule& rule, const Place& at) { steer(rule, at.spot, kUnderlay, kTwoQueues); }},
  };
}

// Of the operation posted last.
Completion finish(RuleQueue& queue) {
  std::vector<Completion> done;
  while (done.empty()) queue.pull(done);
  return done.front();
}

// Why a port's driver does not take the rule; nullopt: it does.
std::optional<DriverError> try_on(RuleQueue& queue, const Shape& shape, Place at) {
  const auto counter = queue.make_counter(shape.domain);
  at.counter = counter ? *counter : nullptr;
  Rule rule;
  shape.build(rule, at);
  queue.create(rule, nullptr);
  const Completion made = finish(queue);
  if (made.handle != nullptr) {
    queue.destroy(made.handle, nullptr);
    finish(queue);
  }
  if (counter) (void)queue.destroy_counter(*counter);
  return made.refusal;
}

void print_capabilities(uint16_t nic, std::optional<uint16_t> tenant, bool async) {
  const Capabilities able = probe({.port_id = nic, .tenant = tenant, .async = async, .rx_queues = 2});
  const auto say = [](const char* what, bool is) { std::printf("culvert\t%s%s\n", is ? "" : "no ", what); };
  if (tenant) {
    const Layout layout = able.automatic_layout();
    std::printf("culvert\t%s layout\n", layout == Layout::tagged ? "tagged"
                                        : layout == Layout::flat ? "flat"
                                                                 : "neither");
    say("tagged where the configuration asks for it", able.tagged);
    say("networks that learn", able.gates);
  } else {
    say("encap by mark", able.egress);
  }
  say("decap in the NIC", able.decap);
  say("a tunnel's packets to a queue of the workers", able.steer);
  say("to several queues", able.rss);
  say("counters that outlive rules", able.shared_counters);
}

struct Ports {
  port::Mempool pool;
  std::vector<std::unique_ptr<port::Port>> all;
  std::vector<uint32_t> operations;  // of a flow queue; 0: classic
};

// As culvert opens them.
std::optional<Ports> open_ports() {
  Ports ports;
  auto pool = port::create_mempool("shapes", 8191);
  if (!pool) return std::nullopt;
  ports.pool = std::move(*pool);
  for (const std::string& name : port::ethdev_names()) {
    auto opened = port::Port::open({.name = name, .ethdev = name, .workers = 2, .pool = ports.pool.get()});
    if (!opened) return std::nullopt;
    ports.all.push_back(std::move(*opened));
  }
  ports.operations.resize(ports.all.size());
  for (port::Port* const port : port::start_order(ports.all)) {
    ports.operations[port->id()] = prepare(port->id(), port->id() == 0).operations;
    if (!port->start()) return std::nullopt;
  }
  return ports;
}

void try_all(const Ports& ports) {
  const uint16_t count = static_cast<uint16_t>(ports.all.size());
  const bool on_switch = count > 1;
  const bool async = ports.operations[0] != 0;
  tunnel::Tunnel tunnel;
  tunnel.vni = 100;
  tunnel.local = kUnderlay.dst;
  tunnel.remote = kUnderlay.src;
  const tunnel::Header header = tunnel::make_header(tunnel, kMac, kMac, {});
  std::vector<Shape> shapes = of_switches();
  for (Shape& shape : of_nics()) shapes.push_back(std::move(shape));
  for (uint16_t id = 0; id < std::min<uint16_t>(count, 2); ++id) {
    const auto queue = async ? make_template_queue(id, ports.operations[id]) : make_classic_queue(id);
    const TagWriter tags = async ? TagWriter::modify_field : TagWriter::set_tag;
    const Place at{{id, 0, tags, any_source(async)},
                   0,
                   static_cast<uint16_t>(on_switch ? 1 : 0),
                   {header.view(), 0},
                   nullptr};
    for (const Shape& shape : shapes) {
      const auto refusal = try_on(*queue, shape, at);
      std::printf("rule\t%s\t%s\t%s\n",
                  id != 0     ? "representor"
                  : on_switch ? "uplink"
                              : "PF",
                  shape.name.c_str(), refusal ? refusal->to_string().c_str() : "");
    }
  }
  print_capabilities(0, on_switch ? std::optional(uint16_t{1}) : std::nullopt, async);
}

}  // namespace

int main(int argc, char** argv) {
  if (rte_eal_init(argc, argv) < 0) return 1;
  auto ports = open_ports();
  if (!ports) return 1;
  try_all(*ports);
  port::close_all(ports->all);
  return 0;
}
