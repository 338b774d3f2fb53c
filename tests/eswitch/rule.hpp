// Rules and frames as tests write them.
#pragma once

#include <rte_flow.h>

#include <cstring>
#include <deque>

#include "harness.hpp"

namespace eswitch_test {

inline constexpr rte_flow_attr kIngress{.ingress = 1}, kEgress{.egress = 1}, kTransfer{.transfer = 1};

/// `attr` with a group and a priority.
inline rte_flow_attr at(rte_flow_attr attr, uint32_t group, uint32_t priority = 0) {
  attr.group = group;
  attr.priority = priority;
  return attr;
}

/// A rule being written. Owns what its items and actions point at, but not what these structures point at
/// themselves.
class Rule {
 public:
  explicit Rule(const rte_flow_attr& attr) : attr_(attr) {}

  Rule& item(rte_flow_item_type type) { return add_item(type, nullptr, nullptr); }
  template <typename T>
  Rule& item(rte_flow_item_type type, const T& spec, const T& mask) {
    return add_item(type, keep(spec), keep(mask));
  }
  /// From any wire, or from one port's.
  Rule& from_any() { return item(RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT); }
  Rule& from(uint16_t port) {
    return item(RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT, rte_flow_item_ethdev{port},
                rte_flow_item_ethdev{0xffff});
  }
  Rule& eth() { return item(RTE_FLOW_ITEM_TYPE_ETH); }
  Rule& tag(uint32_t data, uint8_t index = 0) {
    return item(RTE_FLOW_ITEM_TYPE_TAG, rte_flow_item_tag{data, index}, rte_flow_item_tag{UINT32_MAX, 0xff});
  }
  Rule& meta(uint32_t data, uint32_t mask = UINT32_MAX) {
    return item(RTE_FLOW_ITEM_TYPE_META, rte_flow_item_meta{data}, rte_flow_item_meta{mask});
  }

  Rule& action(rte_flow_action_type type) { return add_action(type, nullptr); }
  template <typename T>
  Rule& action(rte_flow_action_type type, const T& conf) {
    return add_action(type, keep(conf));
  }
  Rule& count() { return action(RTE_FLOW_ACTION_TYPE_COUNT); }
  Rule& drop() { return action(RTE_FLOW_ACTION_TYPE_DROP); }
  Rule& jump(uint32_t group) { return action(RTE_FLOW_ACTION_TYPE_JUMP, rte_flow_action_jump{group}); }
  Rule& queue(uint16_t index) { return action(RTE_FLOW_ACTION_TYPE_QUEUE, rte_flow_action_queue{index}); }
  Rule& mark(uint32_t id) { return action(RTE_FLOW_ACTION_TYPE_MARK, rte_flow_action_mark{id}); }
  Rule& set_tag(uint32_t data, uint8_t index = 0) {
    return action(RTE_FLOW_ACTION_TYPE_SET_TAG, rte_flow_action_set_tag{data, UINT32_MAX, index});
  }
  Rule& to_wire(uint16_t port) {
    return action(RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT, rte_flow_action_ethdev{port});
  }
  /// `header` must outlive the rule's creation.
  Rule& encap(Bytes& header) {
    return action(RTE_FLOW_ACTION_TYPE_RAW_ENCAP,
                  rte_flow_action_raw_encap{header.data(), nullptr, header.size()});
  }
  Rule& indirect(rte_flow_action_handle* handle) { return add_action(RTE_FLOW_ACTION_TYPE_INDIRECT, handle); }

  const rte_flow_attr& attr() const { return attr_; }
  const rte_flow_item* items() {
    if (items_.empty() || items_.back().type != RTE_FLOW_ITEM_TYPE_END) item(RTE_FLOW_ITEM_TYPE_END);
    return items_.data();
  }
  const rte_flow_action* actions() {
    if (actions_.empty() || actions_.back().type != RTE_FLOW_ACTION_TYPE_END)
      action(RTE_FLOW_ACTION_TYPE_END);
    return actions_.data();
  }
  rte_flow* create(uint16_t port, rte_flow_error* error = nullptr) {
    return rte_flow_create(port, &attr_, items(), actions(), error);
  }

 private:
  template <typename T>
  void* keep(const T& structure) {
    auto& words = storage_.emplace_back((sizeof(T) + 7) / 8);
    std::memcpy(words.data(), &structure, sizeof(T));
    return words.data();
  }
  Rule& add_item(rte_flow_item_type type, const void* spec, const void* mask) {
    items_.push_back({type, spec, nullptr, mask});
    return *this;
  }
  Rule& add_action(rte_flow_action_type type, const void* conf) {
    actions_.push_back({type, conf});
    return *this;
  }

  rte_flow_attr attr_;
  std::vector<rte_flow_item> items_;
  std::vector<rte_flow_action> actions_;
  std::deque<std::vector<uint64_t>> storage_;
};

/// What the COUNT action of a rule says.
rte_flow_query_count counted(uint16_t port, rte_flow* flow);
inline uint64_t hits(uint16_t port, rte_flow* flow) { return counted(port, flow).hits; }

/// An Ethernet, IPv4 and UDP frame between fixed stations, with right checksums.
struct UdpFlow {
  uint32_t source_ip = 0x0a070001, destination_ip = 0x0a070002;
  uint16_t source_port = 1000, destination_port = 2000;
};
Bytes udp_frame(const UdpFlow& flow = {}, const Bytes& payload = Bytes(40, 'x'));

/// Ethernet, IPv4, UDP and VXLAN as an encapsulation has it: lengths, checksum and source port are 0.
Bytes vxlan_header(uint32_t vni, uint8_t destination_mac = 0x99);
/// A frame that a tunnel's far end sends.
Bytes vxlan_frame(uint32_t vni, const Bytes& inner);

/// The two bytes at `at`, as a number.
uint16_t be16(const Bytes& frame, size_t at);
void put16(Bytes& frame, size_t at, uint16_t value);

/// Offsets in a frame whose headers have no tags or options.
inline constexpr size_t kIpAt = 14, kUdpAt = 34, kVxlanAt = 42, kInnerAt = 50;

}  // namespace eswitch_test
