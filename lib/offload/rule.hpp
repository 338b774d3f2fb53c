// One rte_flow rule under construction: where it is made, its items and its actions, all in storage of its
// own.
//
//   Rule rule({.port_id = 2, .domain = Domain::transfer, .group = 3, .priority = 1});
//   rule.from_any_port().tag(1, 7).count().raw_encap(header).to_port(2);
//   rte_flow_create(rule.port_id(), &rule.attr(), rule.items(), rule.actions(), &error);
//
// Transient: built, given to a driver (which copies what it needs) and forgotten, so it is neither copied nor
// moved. No heap. One thread at a time. What does not fit (see the limits) is a fault of the program:
// asserted.
#pragma once

#include <rte_flow.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/address.hpp"

namespace culvert::offload {

// Where the NIC looks: packets to or from one port's application, or those that pass its switch.
enum class Domain : uint8_t { ingress, egress, transfer };

struct Place {
  uint16_t port_id = 0;  // the ethdev on which the rule is made
  Domain domain = Domain::transfer;
  uint32_t group = 0;
  uint32_t priority = 0;  // within the group; the lower number wins

  bool operator==(const Place&) const = default;
};

// How a tag is written: with SET_TAG, or with MODIFY_FIELD where a driver's templates take only that.
enum class TagWriter : uint8_t { set_tag, modify_field };

class Rule {
 public:
  static constexpr size_t kMaxItems = 12;
  static constexpr size_t kMaxActions = 6;
  static constexpr size_t kMaxQueues = 128;  // of one RSS action
  static constexpr size_t kStorageBytes = 1024;

  explicit Rule(const Place& place = {}) { start(place); }
  Rule(const Rule&) = delete;
  Rule& operator=(const Rule&) = delete;

  // Empties the rule and places it anew.
  Rule& start(const Place& place);

  // Items, in the order of the packet. What is not given is not looked at.
  Rule& from_port(uint16_t port_id);  // represented_port: what comes in by this port's wire (transfer only)
  Rule& from_any_port();              // represented_port without a spec (transfer only)
  Rule& tag(uint8_t index, uint32_t data);
  Rule& meta(uint32_t value, uint32_t mask = UINT32_MAX);
  // `tagged`: whether there is a VLAN tag; an item vlan() says so by itself.
  Rule& eth(const std::optional<net::Mac>& src = {}, const std::optional<net::Mac>& dst = {},
            std::optional<bool> tagged = {});
  Rule& vlan(uint16_t vid);
  // Prefixes of length 0 are taken as not given.
  Rule& ip(net::Family family, const std::optional<net::Prefix>& src = {},
           const std::optional<net::Prefix>& dst = {}, std::optional<uint8_t> proto = {});
  // IPv4 with Congestion Experienced in its ECN field (RFC 3168).
  Rule& ipv4_congested(const std::optional<net::Prefix>& src = {},
                       const std::optional<net::Prefix>& dst = {});
  Rule& tcp(std::optional<uint16_t> src = {}, std::optional<uint16_t> dst = {});
  Rule& udp(std::optional<uint16_t> src = {}, std::optional<uint16_t> dst = {});
  Rule& vxlan(uint32_t vni);
  Rule& vxlan();  // of any VNI

  // Actions, in the order in which they are done.
  Rule& count(rte_flow_action_handle* counter = nullptr);  // null: a counter of the rule's own
  Rule& set_tag(uint8_t index, uint32_t data, TagWriter writer = TagWriter::set_tag);
  Rule& set_meta(uint32_t data);
  Rule& mark(uint32_t id);
  Rule& jump(uint32_t group);
  Rule& raw_encap(std::span<const uint8_t> header);
  Rule& vxlan_decap();
  Rule& queue(uint16_t index);
  // `types`: RTE_ETH_RSS_*; 1..kMaxQueues queues.
  Rule& rss(std::span<const uint16_t> queues, uint64_t types);
  Rule& to_port(uint16_t port_id);         // represented_port: out by this port's wire (transfer only)
  Rule& to_representor(uint16_t port_id);  // port_representor: to this port's application (transfer only)
  Rule& drop();

  const Place& place() const { return place_; }
  uint16_t port_id() const { return place_.port_id; }
  const rte_flow_attr& attr() const { return attr_; }
  // Both lists end with END, which the counts leave out. They and all they point to live as long as the rule.
  const rte_flow_item* items() const { return items_.data(); }
  const rte_flow_action* actions() const { return actions_.data(); }
  size_t item_count() const { return item_count_; }
  size_t action_count() const { return action_count_; }

  // The rule as dpdk-testpmd takes it: a `set raw_encap` line where there is one, then `flow create ...`. An
  // indirect counter stands as `count`, since its number in testpmd is not known.
  std::vector<std::string> to_testpmd() const;

 private:
  template <typename T>
  T* put(const T& value);
  uint8_t* place_for(size_t size, size_t align);
  uint8_t* put_bytes(const void* bytes, size_t size, size_t align);
  Rule& item(rte_flow_item_type type, const void* spec = nullptr, const void* mask = nullptr);
  template <typename T>
  Rule& item(rte_flow_item_type type, const T& spec, const T& mask);
  Rule& action(rte_flow_action_type type, const void* conf = nullptr);
  template <typename T>
  Rule& l4(rte_flow_item_type type, std::optional<uint16_t> src, std::optional<uint16_t> dst);
  template <typename T, typename Fill>
  Rule& ip_item(rte_flow_item_type type, const std::optional<net::Prefix>& src,
                const std::optional<net::Prefix>& dst, std::optional<uint8_t> proto, Fill fill);

  Place place_;
  rte_flow_attr attr_{};
  size_t item_count_ = 0, action_count_ = 0, used_bytes_ = 0;
  std::array<rte_flow_item, kMaxItems + 1> items_;
  std::array<rte_flow_action, kMaxActions + 1> actions_;
  alignas(8) std::array<uint8_t, kStorageBytes> storage_;
};

}  // namespace culvert::offload

// Prints to_testpmd(), one line each; built only when the line is really printed.
template <>
struct fmt::formatter<culvert::offload::Rule> : fmt::formatter<std::string> {
  auto format(const culvert::offload::Rule& rule, fmt::format_context& context) const {
    return fmt::formatter<std::string>::format(fmt::format("{}", fmt::join(rule.to_testpmd(), "\n")),
                                               context);
  }
};
