// Random rules and frames over a small world, so that they meet often.
#pragma once

#include <deque>
#include <random>

#include "oracle.hpp"

namespace eswitch_test {

class RandomWorld {
 public:
  RandomWorld(uint64_t seed, unsigned ports) : random_(seed), ports_(ports) {}

  OracleRule rule();
  Bytes frame();
  unsigned below(unsigned limit) { return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_); }

 private:
  OracleItem header_item(rte_flow_item_type type, size_t size,
                         const std::vector<std::pair<size_t, size_t>>& fields);
  void layers(std::vector<OracleItem>& items, bool may_tunnel, bool& vxlan);
  Bytes ethernet(unsigned depth);
  void fill_ip(Bytes& frame, unsigned depth);

  std::mt19937_64 random_;
  unsigned ports_;
};

/// A rule as rte_flow wants it; the pointers live as long as this.
class FlowRule {
 public:
  FlowRule(const OracleRule& rule, const TestSwitch& sw);
  const rte_flow_attr& attr() const { return attr_; }
  const rte_flow_item* items() const { return items_.data(); }
  const rte_flow_action* actions() const { return actions_.data(); }

 private:
  void* keep(const void* data, size_t size);

  rte_flow_attr attr_{};
  std::vector<rte_flow_item> items_;
  std::vector<rte_flow_action> actions_;
  std::deque<std::vector<uint64_t>> storage_;
};

}  // namespace eswitch_test
