// Explicit flows: cycles a packet with N of them, all of which the frames use, and how fast they come and go.
#include <array>

#include "base/clock.hpp"
#include "bench.hpp"
#include "rig.hpp"

namespace culvert::bench {

namespace {

// Flow `number` of `addresses`, by one of `masks` different masks, of which there are at most four.
dataplane::FlowRule rule_for(unsigned number, FlowAddresses addresses, unsigned masks) {
  const auto host = [](uint32_t address) { return net::Prefix::of(net::IpAddr::v4(net::be32{address}), 32); };
  dataplane::FlowRule rule{.port = kSource, .sequence = number, .encap = 0};
  rule.match.dst = host(addresses.dst);
  switch (number % masks) {
    case 1:
      rule.match.src = host(addresses.src);
      break;
    case 2:
      rule.match.ip_proto = net::kProtoUdp;
      break;
    case 3:
      rule.match.l4_dst = 9;
      break;
    default:
      break;
  }
  return rule;
}

Status add_flows(dataplane::Dataplane& path, unsigned flows, unsigned masks) {
  const auto addresses = flow_addresses(flows);
  for (unsigned i = 0; i < flows; ++i)
    if (auto status = path.set_flow(i, rule_for(i, addresses[i], masks)); !status) return status;
  return {};
}

Result<std::vector<double>> measure_classify(unsigned flows, unsigned masks, unsigned runs) {
  auto gateway = Gateway::make(Kind::inner, flows);
  if (!gateway) return tl::make_unexpected(gateway.error());
  // No path leads into the tunnel but the flows.
  const Status ready =
      (*gateway)->set_up(true).and_then([&] { return (*gateway)->path->set_networks({}); }).and_then([&] {
        return add_flows(*(*gateway)->path, flows, masks);
      });
  if (!ready) return tl::make_unexpected(ready.error());
  return (*gateway)->run(true, runs);
}

// Flows a second, from the first to the last of `flows` that are added, or removed, at once.
Result<std::vector<double>> measure_change(bool add, unsigned flows, unsigned runs) {
  auto gateway = Gateway::make(Kind::inner, 1);
  if (!gateway) return tl::make_unexpected(gateway.error());
  dataplane::Dataplane& path = *(*gateway)->path;
  const auto addresses = flow_addresses(flows);
  std::vector<double> values;
  for (unsigned run = 0; run <= runs; ++run) {
    const auto seconds_since = [](TimePoint then) {
      return std::chrono::duration<double>(Clock::now() - then).count();
    };
    const TimePoint start = Clock::now();
    for (unsigned i = 0; i < flows; ++i)
      if (auto status = path.set_flow(i, rule_for(i, addresses[i], 4)); !status)
        return tl::make_unexpected(status.error());
    const double added_s = seconds_since(start);
    const TimePoint full = Clock::now();
    for (unsigned i = 0; i < flows; ++i) path.remove_flow(i);
    const double removed_s = seconds_since(full);
    while (path.poll(Clock::now(), 4096)) continue;
    if (run != 0) values.push_back(flows / (add ? added_s : removed_s));
  }
  return values;
}

}  // namespace

std::vector<Benchmark> flow_benchmarks() {
  std::vector<Benchmark> benchmarks;
  for (const unsigned flows : {1u, 1000u, 100000u}) {
    for (const unsigned masks : {1u, 4u}) {
      if (masks > flows) continue;
      benchmarks.push_back(
          {fmt::format("flow_classify{}.{}", masks == 1 ? "" : "_4masks", flows), "cycles/packet",
           fmt::format("64 B frames into VXLAN by explicit flows of {} mask{}, one worker; {} flows", masks,
                       masks == 1 ? "" : "s", flows),
           [=](unsigned runs) { return measure_classify(flows, masks, runs); }});
    }
    for (const bool add : {true, false})
      benchmarks.push_back(
          {fmt::format("flow_{}.{}", add ? "add" : "remove", flows), "flows/s",
           fmt::format("explicit flows of 4 masks on one port, workers idle; {} flows", flows),
           [=](unsigned runs) { return measure_change(add, flows, runs); }});
  }
  return benchmarks;
}

}  // namespace culvert::bench
