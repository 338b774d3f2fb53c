#include "random_rules.hpp"

#include <cstring>

namespace eswitch_test {
namespace {

/// The tunnel header that encapsulation rules put on; lengths and checksum are the switch's to fill.
const Bytes kTunnelHeader = {2,    0, 0,    0,    0x99, 1,  2,  0, 0, 0,   3, 0, 8, 0,   0x45, 0, 0,
                             0,    0, 0,    0,    0,    64, 17, 0, 0, 192, 0, 2, 1, 192, 0,    2, 2,
                             0xc0, 0, 0x12, 0xb5, 0,    0,  0,  0, 8, 0,   0, 0, 0, 0,   1,    0};

}  // namespace

/// Each of `fields` (offset, size) is left out, matched, matched in part or, if it is the only one, matched
/// by range.
OracleItem RandomWorld::header_item(rte_flow_item_type type, size_t size,
                                    const std::vector<std::pair<size_t, size_t>>& fields) {
  OracleItem item{type, {}, {}, {}};
  if (below(4) == 0) return item;
  item.spec.assign(size, 0);
  item.mask.assign(size, 0);
  const bool range = below(6) == 0;
  const size_t only = below(static_cast<unsigned>(fields.size()));
  for (size_t f = 0; f < fields.size(); ++f) {
    if (range ? f != only : below(2) == 0) continue;
    const auto [at, count] = fields[f];
    for (size_t i = 0; i < count; ++i) {
      const bool last_byte = i + 1 == count;
      item.mask[at + i] = last_byte && !range && below(3) == 0 ? 0xfe : 0xff;
    }
    item.spec[at + count - 1] = static_cast<uint8_t>(below(4));
  }
  if (range) {
    const auto [at, count] = fields[only];
    item.last = item.spec;
    item.last[at + count - 1] = static_cast<uint8_t>(item.spec[at + count - 1] + 1 + below(2));
  }
  return item;
}

void RandomWorld::layers(std::vector<OracleItem>& items, bool may_tunnel, bool& vxlan) {
  items.push_back(header_item(RTE_FLOW_ITEM_TYPE_ETH, 14, {{0, 6}, {6, 6}}));
  if (below(4) == 0) items.push_back(header_item(RTE_FLOW_ITEM_TYPE_VLAN, 4, {{0, 2}}));
  if (below(4) == 0) return;
  const bool ipv6 = below(4) == 0;
  items.push_back(ipv6 ? header_item(RTE_FLOW_ITEM_TYPE_IPV6, 40, {{8, 16}, {24, 16}})
                       : header_item(RTE_FLOW_ITEM_TYPE_IPV4, 20, {{12, 4}, {16, 4}, {8, 1}}));
  const unsigned next = below(4);
  if (next == 0) items.push_back(header_item(RTE_FLOW_ITEM_TYPE_TCP, 20, {{0, 2}, {2, 2}}));
  if (next == 1) items.push_back(header_item(RTE_FLOW_ITEM_TYPE_UDP, 8, {{0, 2}}));
  if (next != 2 || !may_tunnel) return;
  items.push_back({RTE_FLOW_ITEM_TYPE_UDP, {}, {}, {}});
  items.push_back(header_item(RTE_FLOW_ITEM_TYPE_VXLAN, 8, {{4, 3}}));
  vxlan = true;
  if (below(2) == 0) {
    bool ignored;
    layers(items, false, ignored);
  }
}

OracleRule RandomWorld::rule() {
  using Kind = OracleAction::Kind;
  OracleRule rule;
  rule.group = below(3);
  rule.priority = below(3);
  if (below(2) == 0)
    rule.items.push_back(
        {RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT, {static_cast<uint8_t>(below(ports_)), 0}, {}, {}});
  else
    rule.items.push_back({RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT, {}, {}, {}});
  if (rule.group > 0 && below(2) == 0) {
    OracleItem tag{RTE_FLOW_ITEM_TYPE_TAG, Bytes(8, 0), Bytes(8, 0), {}};
    tag.spec[0] = static_cast<uint8_t>(below(4));
    tag.mask[0] = below(2) == 0 ? 3 : 1;
    tag.spec[4] = static_cast<uint8_t>(below(2));
    tag.mask[4] = 0xff;
    rule.items.push_back(tag);
  }
  bool vxlan = false;
  layers(rule.items, true, vxlan);
  if (vxlan && below(2) == 0) rule.actions.push_back({Kind::kVxlanDecap, 0, 0, 0, {}});
  for (unsigned count = below(3); count > 0; --count) switch (below(5)) {
      case 0:
        rule.actions.push_back({Kind::kSetTag, below(2), below(4), 3, {}});
        break;
      case 1:
        rule.actions.push_back({Kind::kDecTtl, 0, 0, 0, {}});
        break;
      case 2:
        rule.actions.push_back({Kind::kSetMacDst, 0, 0, 0, {0, 0, 0, 0, 0, static_cast<uint8_t>(below(4))}});
        break;
      case 3:
        rule.actions.push_back({Kind::kPushVlan, 0, 0, 0, {}});
        break;
      default:
        rule.actions.push_back({Kind::kPopVlan, 0, 0, 0, {}});
        break;
    }
  if (below(4) == 0) rule.actions.push_back({Kind::kVxlanEncap, 0, 0, 0, kTunnelHeader});
  const unsigned fate = below(8);
  if (fate == 0) rule.actions.push_back({Kind::kDrop, 0, 0, 0, {}});
  if (fate == 1) rule.actions.push_back({Kind::kToApplication, below(ports_), 0, 0, {}});
  if (fate == 2) rule.actions.push_back({Kind::kPassthru, 0, 0, 0, {}});
  if (fate >= 3 && fate <= 5 && rule.group < 2)
    rule.actions.push_back({Kind::kJump, rule.group + 1 + below(2 - rule.group), 0, 0, {}});
  if (fate >= 6) rule.actions.push_back({Kind::kToWire, below(ports_), 0, 0, {}});
  return rule;
}

void RandomWorld::fill_ip(Bytes& frame, unsigned depth) {
  const unsigned kind = below(depth == 0 ? 4 : 3);
  const uint8_t proto = kind == 0 ? 6 : kind == 1 ? 1 : 17;
  Bytes l4(kind == 0 ? 20 : 8, 0);
  l4[1] = static_cast<uint8_t>(below(4));
  l4[3] = static_cast<uint8_t>(below(4));
  if (kind == 3) {
    l4[2] = 0x12;
    l4[3] = 0xb5;
    const Bytes vxlan = {8, 0, 0, 0, 0, 0, static_cast<uint8_t>(below(4)), 0}, inner = ethernet(1);
    l4.insert(l4.end(), vxlan.begin(), vxlan.end());
    l4.insert(l4.end(), inner.begin(), inner.end());
  }
  if (below(4) == 0) {
    frame.insert(frame.end(), {0x86, 0xdd});
    Bytes ip(40, 0);
    ip[0] = 0x60;
    ip[6] = proto;
    ip[7] = 64;
    ip[23] = static_cast<uint8_t>(below(4));
    ip[39] = static_cast<uint8_t>(below(4));
    frame.insert(frame.end(), ip.begin(), ip.end());
  } else {
    frame.insert(frame.end(), {0x08, 0x00});
    Bytes ip(20, 0);
    ip[0] = 0x45;
    ip[8] = static_cast<uint8_t>(1 + below(3));
    ip[9] = proto;
    ip[15] = static_cast<uint8_t>(below(4));
    ip[19] = static_cast<uint8_t>(below(4));
    if (below(10) == 0) ip[7] = 1;  // a later fragment
    unsigned sum = 0;
    for (size_t i = 0; i < 20; i += 2) sum += static_cast<unsigned>(ip[i] << 8 | ip[i + 1]);
    sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
    ip[10] = static_cast<uint8_t>(sum >> 8);
    ip[11] = static_cast<uint8_t>(sum);
    frame.insert(frame.end(), ip.begin(), ip.end());
  }
  frame.insert(frame.end(), l4.begin(), l4.end());
}

Bytes RandomWorld::ethernet(unsigned depth) {
  Bytes frame(12, 0);
  frame[5] = static_cast<uint8_t>(below(4));
  frame[11] = static_cast<uint8_t>(below(4));
  for (unsigned tags = below(5) == 0 ? 1 + below(2) : 0; tags > 0; --tags) {
    frame.insert(frame.end(), {0x81, 0x00, 0, static_cast<uint8_t>(below(4))});
  }
  if (below(10) == 0) {
    frame.insert(frame.end(), {0x08, 0x06});
    return frame;
  }
  fill_ip(frame, depth);
  return frame;
}

Bytes RandomWorld::frame() {
  Bytes frame = ethernet(0);
  if (below(10) == 0)
    frame.resize(
        std::max<size_t>(14, frame.size() - std::min<size_t>(frame.size(), below(30))));  // cut short
  return frame;
}

void* FlowRule::keep(const void* data, size_t size) {
  auto& words = storage_.emplace_back(size / 8 + 8);  // structures are larger than what is filled of them
  std::memcpy(words.data(), data, size);
  return words.data();
}

FlowRule::FlowRule(const OracleRule& rule, const TestSwitch& sw) {
  using Kind = OracleAction::Kind;
  attr_.transfer = 1;
  attr_.group = rule.group;
  attr_.priority = rule.priority;
  for (const OracleItem& item : rule.items) {
    rte_flow_item one{item.type, nullptr, nullptr, nullptr};
    if (item.type == RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT) {
      const rte_flow_item_ethdev port{item.spec.empty() ? uint16_t{0} : sw.port(item.spec[0])};
      if (!item.spec.empty()) one.spec = keep(&port, sizeof(port));
    } else if (!item.spec.empty()) {
      one.spec = keep(item.spec.data(), item.spec.size());
      one.mask = keep(item.mask.data(), item.mask.size());
      if (!item.last.empty()) one.last = keep(item.last.data(), item.last.size());
    }
    items_.push_back(one);
  }
  items_.push_back({RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr});
  const auto add = [this](rte_flow_action_type type, const void* conf, size_t size) {
    actions_.push_back({type, size == 0 ? nullptr : keep(conf, size)});
  };
  for (const OracleAction& action : rule.actions) switch (action.kind) {
      case Kind::kDrop:
        add(RTE_FLOW_ACTION_TYPE_DROP, nullptr, 0);
        break;
      case Kind::kPassthru:
        add(RTE_FLOW_ACTION_TYPE_PASSTHRU, nullptr, 0);
        break;
      case Kind::kDecTtl:
        add(RTE_FLOW_ACTION_TYPE_DEC_TTL, nullptr, 0);
        break;
      case Kind::kVxlanDecap:
        add(RTE_FLOW_ACTION_TYPE_VXLAN_DECAP, nullptr, 0);
        break;
      case Kind::kPopVlan:
        add(RTE_FLOW_ACTION_TYPE_OF_POP_VLAN, nullptr, 0);
        break;
      case Kind::kJump:
        add(RTE_FLOW_ACTION_TYPE_JUMP, &action.number, 4);
        break;
      case Kind::kSetMacDst:
        add(RTE_FLOW_ACTION_TYPE_SET_MAC_DST, action.bytes.data(), 6);
        break;
      case Kind::kToWire:
      case Kind::kToApplication: {
        const rte_flow_action_ethdev port{sw.port(action.number)};
        add(action.kind == Kind::kToWire ? RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT
                                         : RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR,
            &port, sizeof(port));
        break;
      }
      case Kind::kSetTag: {
        const rte_flow_action_set_tag tag{action.data, action.mask, static_cast<uint8_t>(action.number)};
        add(RTE_FLOW_ACTION_TYPE_SET_TAG, &tag, sizeof(tag));
        break;
      }
      case Kind::kPushVlan: {
        const rte_flow_action_of_push_vlan push{RTE_BE16(0x8100)};
        add(RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN, &push, sizeof(push));
        break;
      }
      case Kind::kVxlanEncap: {
        const rte_flow_action_raw_encap encap{
            static_cast<uint8_t*>(keep(action.bytes.data(), action.bytes.size())), nullptr,
            action.bytes.size()};
        add(RTE_FLOW_ACTION_TYPE_RAW_ENCAP, &encap, sizeof(encap));
        break;
      }
    }
  actions_.push_back({RTE_FLOW_ACTION_TYPE_END, nullptr});
}

}  // namespace eswitch_test
