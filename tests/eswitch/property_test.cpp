// Random rule sets and frames: the switch and the oracle must agree on every one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "random_rules.hpp"

namespace eswitch_test {
namespace {

/// Entropy is the driver's: only its range and that the rest is the same can be said from outside.
void blur_entropy(Bytes& frame) {
  // Found by the tunnel's addresses: the UDP source port follows them, however often a frame was
  // encapsulated.
  static const Bytes kAddresses = {192, 0, 2, 1, 192, 0, 2, 2};
  for (auto at = frame.begin();
       (at = std::search(at, frame.end(), kAddresses.begin(), kAddresses.end())) != frame.end();) {
    at += 8;
    EXPECT_GE(*at, 0xc0);
    at[0] = at[1] = 0xff;
  }
}

std::string hex(const Bytes& bytes) {
  std::string text;
  for (const uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

/// One frame through the switch.
OracleFate observe(TestSwitch& sw, unsigned vport, const Bytes& frame) {
  sw.arrive(vport, frame);
  sw.settle();
  OracleFate fate{OracleFate::Kind::kDropped, 0, {}};
  unsigned copies = 0;
  for (unsigned i = 0; i < sw.size(); ++i) {
    for (Bytes& out : sw.left(i)) fate = {OracleFate::Kind::kWire, i, std::move(out)}, ++copies;
    for (Bytes& out : sw.received(i)) fate = {OracleFate::Kind::kApplication, i, std::move(out)}, ++copies;
  }
  EXPECT_LE(copies, 1u);
  return fate;
}

TEST(Property, SwitchAgreesWithOracle) {
  const char* wanted = std::getenv("PROPERTY_SETS");
  const int sets = wanted != nullptr ? std::atoi(wanted) : 2000;
  TestSwitch sw(3);
  unsigned kinds[3] = {};
  for (int set = 0; set < sets; ++set) {
    RandomWorld world(static_cast<uint64_t>(set), sw.size());
    std::vector<OracleRule> rules;
    std::vector<std::pair<rte_flow*, uint16_t>> flows;
    for (unsigned count = 1 + world.below(12); count > 0; --count) {
      rules.push_back(world.rule());
      const FlowRule flow(rules.back(), sw);
      rte_flow_error error{};
      const uint16_t port = sw.port(world.below(sw.size()));
      rte_flow* made = rte_flow_create(port, &flow.attr(), flow.items(), flow.actions(), &error);
      ASSERT_NE(made, nullptr) << "set " << set << ": " << (error.message != nullptr ? error.message : "?");
      flows.emplace_back(made, port);
    }
    for (int i = 0; i < 8; ++i) {
      const Bytes frame = world.frame();
      const unsigned vport = world.below(sw.size());
      OracleFate should = judge(rules, vport, frame), is = observe(sw, vport, frame);
      blur_entropy(should.frame);
      blur_entropy(is.frame);
      ++kinds[static_cast<int>(should.kind)];
      ASSERT_EQ(static_cast<int>(is.kind), static_cast<int>(should.kind))
          << "set " << set << " frame " << hex(frame);
      ASSERT_EQ(is.vport, should.vport) << "set " << set;
      ASSERT_EQ(hex(is.frame), hex(should.frame)) << "set " << set << " frame " << hex(frame);
      if (i == 3) {  // and with a rule less
        const size_t gone = world.below(static_cast<unsigned>(rules.size()));
        ASSERT_EQ(rte_flow_destroy(flows[gone].second, flows[gone].first, nullptr), 0);
        flows.erase(flows.begin() + static_cast<long>(gone));
        rules.erase(rules.begin() + static_cast<long>(gone));
      }
    }
    for (const auto& [flow, port] : flows) ASSERT_EQ(rte_flow_destroy(port, flow, nullptr), 0);
  }
  for (const unsigned count : kinds)
    EXPECT_GT(count, static_cast<unsigned>(sets) / 8);  // the world is varied enough
}

}  // namespace
}  // namespace eswitch_test
