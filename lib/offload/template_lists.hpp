// A rule as rte_flow's templates see it: what all rules of one shape share, and what each has of its own.
//
// Shared: the types and masks of the items, which tag an item or action is about, where a jump leads, the
// size of an encap's header, queues. Its own: all other values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "offload/driver_error.hpp"
#include "offload/rule.hpp"

namespace culvert::offload {

// A rule, or a part of one: lists that end with END and point into a Rule.
struct RuleParts {
  uint16_t port_id = 0;
  rte_flow_attr attr{};
  std::vector<rte_flow_item> items;
  std::vector<rte_flow_action> actions;

  static RuleParts of(const Rule& rule);
};

// All that a rule shares with others of its shape, as bytes to compare. No heap.
class TemplateKey {
 public:
  explicit TemplateKey(const Rule& rule);

  std::string_view pattern() const { return bytes(0, pattern_end_); }
  std::string_view actions() const { return bytes(domain_at_, actions_end_); }
  std::string_view table() const { return bytes(0, size_); }  // both, group and priority

 private:
  template <typename T>
  void add(const T& value);
  void add_bytes(const void* data, size_t size);
  void add_item(const rte_flow_item& item);
  void add_action(const rte_flow_action& action);
  std::string_view bytes(size_t from, size_t to) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + from, to - from};
  }

  std::array<uint8_t, 1024> bytes_;
  size_t size_ = 0, domain_at_ = 0, pattern_end_ = 0, actions_end_ = 0;
};

// Templates for rules of this shape. Null: refused, and why is in `error`. The caller destroys them.
rte_flow_pattern_template* make_pattern_template(const RuleParts& parts, DriverError& error);
rte_flow_actions_template* make_actions_template(const RuleParts& parts, DriverError& error);
rte_flow_template_table* make_table(const RuleParts& parts, uint32_t rules,
                                    rte_flow_pattern_template* pattern, rte_flow_actions_template* actions,
                                    DriverError& error);

// Whether an async port takes this shape: makes templates and a table for one rule, and destroys them. To be
// called by the thread that owns the port's rules. nullopt: it does.
std::optional<DriverError> try_templates(const RuleParts& parts);

}  // namespace culvert::offload
