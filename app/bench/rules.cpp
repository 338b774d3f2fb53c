// Rules through lib/offload: how fast they come and go, and what a neighbour's new MAC costs.
#include "bench.hpp"
#include "offload/rule_queue.hpp"
#include "offload/shapes.hpp"
#include "switch_rig.hpp"

namespace culvert::bench {

namespace {

using offload::LayoutWish;

double seconds_since(TimePoint then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

const char* name_of(LayoutWish layout) { return layout == LayoutWish::tagged ? "tagged" : "flat"; }

// Rules a second, from the first call until the last of `flows` rules is in, or out. The first run counts,
// and with --runs 1 it is the only one, as dpdk-test-flow-perf's is: nothing has grown yet, neither here nor
// in the driver. Later ones are faster.
Result<Measured> measure_rules(const SwitchSetup& setup, bool insert, unsigned flows, unsigned runs) {
  auto rig = SwitchRig::make(setup);
  if (!rig) return tl::make_unexpected(rig.error());
  SwitchRig& gateway = **rig;
  if (auto status = gateway.resolve(1, 1); !status) return tl::make_unexpected(status.error());
  std::vector<double> values;
  for (unsigned run = 0; run < runs; ++run) {
    std::vector<offload::FlowSpec> specs = flow_specs(flows, 1);
    const uint64_t rules = gateway.offload->operations().rules;
    const TimePoint start = Clock::now();
    if (auto status = gateway.add(std::move(specs)); !status) return tl::make_unexpected(status.error());
    const double inserted_s = seconds_since(start);
    if (gateway.offload->operations().rules != rules + flows)
      return error("{} of {} rules are in", gateway.offload->operations().rules - rules, flows);
    const TimePoint full = Clock::now();
    if (auto status = gateway.remove(flows); !status) return tl::make_unexpected(status.error());
    values.push_back(flows / (insert ? inserted_s : seconds_since(full)));
  }
  return Measured{std::move(values), gateway.offload->describe(0)};
}

// The driver's share of that: the same rules, made and destroyed by nothing but the calls to a classic port.
class DriverCalls {
 public:
  DriverCalls(const SwitchRig& gateway, LayoutWish layout)
      : gateway_(gateway), layout_(layout), queue_(offload::make_classic_queue(gateway.uplink())) {}

  Status insert(const std::vector<offload::FlowSpec>& specs) {
    const offload::Spot spot{gateway_.uplink(), kPriority};
    for (const offload::FlowSpec& spec : specs) {
      rte_flow_action_handle* counter = nullptr;  // of the rule's own
      if (layout_ == LayoutWish::flat) {
        auto shared = queue_->make_counter(offload::Domain::transfer);
        if (!shared) return tl::make_unexpected(shared.error());
        counter = *shared;
      }
      const tunnel::Match& match = std::get<offload::Explicit>(spec.what).match;
      offload::Rule rule;
      if (layout_ == LayoutWish::tagged)
        offload::explicit_tagged(rule, spot, gateway_.tenant(), match, 0, counter);
      else
        offload::explicit_flat(rule, spot, gateway_.tenant(), match,
                               {gateway_.header().view(), gateway_.uplink()}, counter);
      queue_->create(rule, nullptr);
      const offload::Completion made = finish();
      if (made.refusal) return tl::make_unexpected(made.refusal->to_error());
      rules_.emplace_back(made.handle, counter);
    }
    return {};
  }

  Status remove() {
    for (const auto& [rule, counter] : rules_) {
      queue_->destroy(rule, nullptr);
      if (const offload::Completion gone = finish(); gone.refusal)
        return tl::make_unexpected(gone.refusal->to_error());
      if (counter == nullptr) continue;
      if (auto status = queue_->destroy_counter(counter); !status) return status;
    }
    rules_.clear();
    return {};
  }

 private:
  static constexpr uint32_t kPriority = 35;

  offload::Completion finish() {
    done_.clear();
    queue_->pull(done_);
    return done_.front();
  }

  const SwitchRig& gateway_;
  const LayoutWish layout_;
  std::unique_ptr<offload::RuleQueue> queue_;
  std::vector<std::pair<rte_flow*, rte_flow_action_handle*>> rules_;
  std::vector<offload::Completion> done_;
};

Result<Measured> measure_driver(const SwitchSetup& setup, bool insert, unsigned flows, unsigned runs) {
  auto rig = SwitchRig::make(setup);
  if (!rig) return tl::make_unexpected(rig.error());
  if (auto status = (*rig)->resolve(1, 1); !status) return tl::make_unexpected(status.error());
  DriverCalls calls(**rig, setup.layout);
  const std::vector<offload::FlowSpec> specs = flow_specs(flows, 1);
  std::vector<double> values;
  for (unsigned run = 0; run < runs; ++run) {
    const TimePoint start = Clock::now();
    if (auto status = calls.insert(specs); !status) return tl::make_unexpected(status.error());
    const double inserted_s = seconds_since(start);
    const TimePoint full = Clock::now();
    if (auto status = calls.remove(); !status) return tl::make_unexpected(status.error());
    values.push_back(flows / (insert ? inserted_s : seconds_since(full)));
  }
  return Measured{std::move(values), (*rig)->offload->describe(0)};
}

// Microseconds from the neighbour's new MAC, said of each of `tunnels` tunnels, until the last rule is
// replaced.
Result<Measured> measure_mac_change(const SwitchSetup& setup, unsigned flows, unsigned tunnels,
                                    unsigned runs) {
  auto rig = SwitchRig::make(setup);
  if (!rig) return tl::make_unexpected(rig.error());
  SwitchRig& gateway = **rig;
  const Status ready =
      gateway.resolve(tunnels, 0).and_then([&] { return gateway.add(flow_specs(flows, tunnels)); });
  if (!ready) return tl::make_unexpected(ready.error());
  std::vector<double> values;
  const offload::Operations before = gateway.offload->operations();
  for (unsigned run = 0; run <= runs; ++run) {
    const TimePoint start = Clock::now();
    if (auto status = gateway.resolve(tunnels, static_cast<uint8_t>(run + 1)); !status)
      return tl::make_unexpected(status.error());
    if (run != 0) values.push_back(seconds_since(start) * 1e6);
  }
  const offload::Operations after = gateway.offload->operations();
  const auto each = [&](uint64_t then, uint64_t now) { return static_cast<double>(now - then) / (runs + 1); };
  return Measured{
      std::move(values),
      fmt::format("a change created {} and destroyed {} rules; {}", each(before.created, after.created),
                  each(before.destroyed, after.destroyed), gateway.offload->describe(0))};
}

}  // namespace

std::vector<Benchmark> rule_benchmarks(const SwitchDevice& device) {
  std::vector<Benchmark> benchmarks;
  for (const LayoutWish layout : {LayoutWish::flat, LayoutWish::tagged}) {
    const SwitchSetup setup{layout, device};
    for (const unsigned flows : {1u, 1000u, 100000u}) {
      for (const bool insert : {true, false}) {
        benchmarks.push_back(
            {fmt::format("floor_rule_{}_{}.{}", insert ? "insert" : "delete", name_of(layout), flows),
             "rules/s", fmt::format("the same rules by rte_flow's calls alone; {} flows", flows),
             [=](unsigned runs) { return measure_driver(setup, insert, flows, runs); }});
        benchmarks.push_back(
            {fmt::format("rule_{}_{}.{}", insert ? "insert" : "delete", name_of(layout), flows), "rules/s",
             fmt::format("flows of UDP from an IPv4 address each into one tunnel; {} flows", flows),
             [=](unsigned runs) { return measure_rules(setup, insert, flows, runs); }});
      }
      benchmarks.push_back({fmt::format("mac_change_{}.{}", name_of(layout), flows), "us",
                            fmt::format("one tunnel; {} flows", flows),
                            [=](unsigned runs) { return measure_mac_change(setup, flows, 1, runs); }});
    }
  }
  for (const unsigned tunnels : {1u, 100u, 4000u})
    benchmarks.push_back({fmt::format("mac_change_tunnels.{}", tunnels), "us",
                          fmt::format("one flow a tunnel; {} tunnels", tunnels), [=](unsigned runs) {
                            return measure_mac_change({LayoutWish::tagged, device}, tunnels, tunnels, runs);
                          }});
  return benchmarks;
}

}  // namespace culvert::bench
