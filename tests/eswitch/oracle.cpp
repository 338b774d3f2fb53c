#include "oracle.hpp"

#include <algorithm>
#include <cstring>

namespace eswitch_test {
namespace {

unsigned be16(const Bytes& bytes, size_t at) { return bytes[at] << 8u | bytes[at + 1]; }

/// One header found in a frame.
struct Header {
  rte_flow_item_type type;
  size_t at;
  bool inner;
};

/// All headers of a frame, outermost first: the textbook walk.
std::vector<Header> headers_of(const Bytes& frame) {
  std::vector<Header> found;
  size_t at = 0;
  bool inner = false;
  for (;;) {
    if (frame.size() < at + 14) return found;
    found.push_back({RTE_FLOW_ITEM_TYPE_ETH, at, inner});
    unsigned type = be16(frame, at + 12);
    at += 14;
    while (type == 0x8100 && frame.size() >= at + 4) {
      found.push_back({RTE_FLOW_ITEM_TYPE_VLAN, at, inner});
      type = be16(frame, at + 2);
      at += 4;
    }
    unsigned proto;
    if (type == 0x0800 && frame.size() >= at + 20 && frame[at] == 0x45) {
      found.push_back({RTE_FLOW_ITEM_TYPE_IPV4, at, inner});
      if ((be16(frame, at + 6) & 0x1fff) != 0) return found;
      proto = frame[at + 9];
      at += 20;
    } else if (type == 0x86dd && frame.size() >= at + 40 && frame[at] >> 4 == 6) {
      found.push_back({RTE_FLOW_ITEM_TYPE_IPV6, at, inner});
      proto = frame[at + 6];
      at += 40;
    } else {
      return found;
    }
    if (proto == 6 && frame.size() >= at + 20) found.push_back({RTE_FLOW_ITEM_TYPE_TCP, at, inner});
    if (proto != 17 || frame.size() < at + 8) return found;
    found.push_back({RTE_FLOW_ITEM_TYPE_UDP, at, inner});
    if (inner || be16(frame, at + 2) != 4789 || frame.size() < at + 16) return found;
    found.push_back({RTE_FLOW_ITEM_TYPE_VXLAN, at + 8, inner});
    at += 16;
    inner = true;
  }
}

bool bytes_match(const OracleItem& item, const Bytes& frame, size_t at) {
  if (item.spec.empty()) return true;
  for (size_t i = 0; i < item.spec.size(); ++i)
    if (item.mask[i] != 0 && ((frame[at + i] ^ item.spec[i]) & item.mask[i]) != 0 && item.last.empty())
      return false;
  if (item.last.empty()) return true;
  // Ranges are made of one field only here: the masked bytes, as one number.
  Bytes value, low, high;
  for (size_t i = 0; i < item.spec.size(); ++i) {
    if (item.mask[i] == 0) continue;
    value.push_back(frame[at + i] & item.mask[i]);
    low.push_back(item.spec[i] & item.mask[i]);
    high.push_back(item.last[i] & item.mask[i]);
  }
  return value >= low && value <= high;
}

struct State {
  unsigned vport;
  Bytes frame;
  std::map<uint32_t, uint32_t> tags;
};

bool matches(const OracleRule& rule, const State& state) {
  const std::vector<Header> headers = headers_of(state.frame);
  bool inner = false;
  size_t vlans = 0;
  for (const OracleItem& item : rule.items) {
    if (item.type == RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT) {
      if (!item.spec.empty() && item.spec[0] != state.vport) return false;
      continue;
    }
    if (item.type == RTE_FLOW_ITEM_TYPE_TAG) {
      uint32_t data, mask;
      std::memcpy(&data, item.spec.data(), 4);
      std::memcpy(&mask, item.mask.data(), 4);
      const auto tag = state.tags.find(item.spec[4]);
      if ((((tag == state.tags.end() ? 0 : tag->second) ^ data) & mask) != 0) return false;
      continue;
    }
    size_t skip = item.type == RTE_FLOW_ITEM_TYPE_VLAN ? vlans++ : 0;
    const auto header = std::find_if(headers.begin(), headers.end(), [&](const Header& one) {
      return one.type == item.type && one.inner == inner && skip-- == 0;
    });
    if (header == headers.end() || !bytes_match(item, state.frame, header->at)) return false;
    if (item.type == RTE_FLOW_ITEM_TYPE_VXLAN) {
      inner = true;
      vlans = 0;
    }
  }
  return true;
}

unsigned ip_checksum(const Bytes& frame, size_t at) {
  unsigned long sum = 0;
  for (size_t i = 0; i < 20; i += 2)
    if (i != 10) sum += be16(frame, at + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

void set16(Bytes& frame, size_t at, size_t value) {
  frame[at] = static_cast<uint8_t>(value >> 8);
  frame[at + 1] = static_cast<uint8_t>(value);
}

const Header* first(const std::vector<Header>& headers, rte_flow_item_type type) {
  for (const Header& header : headers)
    if (header.type == type && !header.inner) return &header;
  return nullptr;
}

/// False: the frame is broken by it.
bool apply(const OracleAction& action, State& state) {
  using Kind = OracleAction::Kind;
  Bytes& frame = state.frame;
  const std::vector<Header> headers = headers_of(frame);
  switch (action.kind) {
    case Kind::kSetTag: {
      uint32_t& tag = state.tags[action.number];
      tag = (tag & ~action.mask) | (action.data & action.mask);
      return true;
    }
    case Kind::kDecTtl: {
      if (const Header* ip = first(headers, RTE_FLOW_ITEM_TYPE_IPV4)) {
        const bool good = ip_checksum(frame, ip->at) == be16(frame, ip->at + 10);
        --frame[ip->at + 8];
        if (good) set16(frame, ip->at + 10, ip_checksum(frame, ip->at));
      } else if (const Header* ip6 = first(headers, RTE_FLOW_ITEM_TYPE_IPV6)) {
        --frame[ip6->at + 7];
      }
      return true;
    }
    case Kind::kSetMacDst:
      if (frame.size() >= 14) std::copy(action.bytes.begin(), action.bytes.end(), frame.begin());
      return true;
    case Kind::kPushVlan: {
      const Bytes tag = {0x81, 0x00, 0, 0};
      frame.insert(frame.begin() + 12, tag.begin(), tag.end());
      return true;
    }
    case Kind::kPopVlan:
      if (first(headers, RTE_FLOW_ITEM_TYPE_VLAN) != nullptr)
        frame.erase(frame.begin() + 12, frame.begin() + 16);
      return true;
    case Kind::kVxlanEncap: {
      const size_t inside = frame.size();
      frame.insert(frame.begin(), action.bytes.begin(), action.bytes.end());
      set16(frame, 16, inside + 36);
      set16(frame, 38, inside + 16);
      set16(frame, 34, 0xffff);  // any entropy: compared apart
      set16(frame, 24, ip_checksum(frame, 14));
      return true;
    }
    case Kind::kVxlanDecap: {
      const Header* vxlan = first(headers, RTE_FLOW_ITEM_TYPE_VXLAN);
      if (vxlan == nullptr) return false;
      frame.erase(frame.begin(), frame.begin() + static_cast<long>(vxlan->at + 8));
      return true;
    }
    default:
      return true;
  }
}

}  // namespace

OracleFate judge(const std::vector<OracleRule>& rules, unsigned vport, const Bytes& frame) {
  using Kind = OracleAction::Kind;
  State state{vport, frame, {}};
  uint32_t group = 0;
  size_t passed = SIZE_MAX;  // the PASSTHRU rule that the search goes on behind
  for (;;) {
    const auto before = [&](size_t a, size_t b) {
      return rules[a].priority != rules[b].priority ? rules[a].priority < rules[b].priority : a < b;
    };
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < rules.size(); ++i)
      if (rules[i].group == group && (passed == SIZE_MAX || before(passed, i)) &&
          (best == SIZE_MAX || before(i, best)) && matches(rules[i], state))
        best = i;
    OracleFate fate{OracleFate::Kind::kApplication, vport, {}};
    bool done = true;
    if (best != SIZE_MAX) {
      for (const OracleAction& action : rules[best].actions) {
        if (!apply(action, state)) return {OracleFate::Kind::kDropped, 0, {}};
        if (action.kind == Kind::kDrop) fate.kind = OracleFate::Kind::kDropped;
        if (action.kind == Kind::kToWire) fate = {OracleFate::Kind::kWire, action.number, {}};
        if (action.kind == Kind::kToApplication) fate = {OracleFate::Kind::kApplication, action.number, {}};
        if (action.kind == Kind::kPassthru) passed = best, done = false;
        if (action.kind == Kind::kJump) group = action.number, passed = SIZE_MAX, done = false;
      }
    }
    if (!done) continue;
    if (fate.kind == OracleFate::Kind::kDropped) return {OracleFate::Kind::kDropped, 0, {}};
    fate.frame = state.frame;
    return fate;
  }
}

}  // namespace eswitch_test
