#include "offload/rule.hpp"

#include <arpa/inet.h>

#include <cassert>
#include <cstring>

#include "base/compat.hpp"

namespace culvert::offload {

Rule& Rule::start(const Place& place) {
  place_ = place;
  attr_ = {};
  attr_.group = place.group;
  attr_.priority = place.priority;
  attr_.ingress = place.domain == Domain::ingress;
  attr_.egress = place.domain == Domain::egress;
  attr_.transfer = place.domain == Domain::transfer;
  item_count_ = action_count_ = used_bytes_ = 0;
  items_[0] = {RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr};
  actions_[0] = {RTE_FLOW_ACTION_TYPE_END, nullptr};
  return *this;
}

// `align`: a power of two.
inline uint8_t* Rule::place_for(size_t size, size_t align) {
  const size_t at = (used_bytes_ + align - 1) & ~(align - 1);
  assert(at + size <= kStorageBytes);
  used_bytes_ = at + size;
  return storage_.data() + at;
}

uint8_t* Rule::put_bytes(const void* bytes, size_t size, size_t align) {
  uint8_t* const at = place_for(size, align);
  std::memcpy(at, bytes, size);
  return at;
}

// Byte by byte, what lies between the members too: net_mlx5 looks at every byte of a mask.
template <typename T>
T* Rule::put(const T& value) {
  static_assert(alignof(T) <= 8);
  uint8_t* const at = place_for(sizeof(T), alignof(T));
  std::memcpy(at, &value, sizeof(T));
  return reinterpret_cast<T*>(at);
}

Rule& Rule::item(rte_flow_item_type type, const void* spec, const void* mask) {
  assert(item_count_ < kMaxItems);
  items_[item_count_++] = {type, spec, nullptr, mask};
  items_[item_count_] = {RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr};
  return *this;
}

template <typename T>
Rule& Rule::item(rte_flow_item_type type, const T& spec, const T& mask) {
  return item(type, static_cast<const void*>(put(spec)), static_cast<const void*>(put(mask)));
}

Rule& Rule::action(rte_flow_action_type type, const void* conf) {
  assert(action_count_ < kMaxActions);
  actions_[action_count_++] = {type, conf};
  actions_[action_count_] = {RTE_FLOW_ACTION_TYPE_END, nullptr};
  return *this;
}

Rule& Rule::from_port(uint16_t port_id) {
  return item(RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT, rte_flow_item_ethdev{port_id},
              rte_flow_item_ethdev{UINT16_MAX});
}

Rule& Rule::from_any_port() { return item(RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT); }

Rule& Rule::tag(uint8_t index, uint32_t data) {
  // {} first: net_mlx5 looks at every byte of a mask, also at those behind the index.
  rte_flow_item_tag spec{}, mask{};
  spec.data = data;
  spec.index = index;
  mask.data = UINT32_MAX;
  mask.index = UINT8_MAX;
  return item(RTE_FLOW_ITEM_TYPE_TAG, spec, mask);
}

Rule& Rule::meta(uint32_t value, uint32_t mask) {
  return item(RTE_FLOW_ITEM_TYPE_META, rte_flow_item_meta{value}, rte_flow_item_meta{mask});
}

Rule& Rule::eth(const std::optional<net::Mac>& src, const std::optional<net::Mac>& dst,
                std::optional<bool> tagged) {
  if (!src && !dst && !tagged) return item(RTE_FLOW_ITEM_TYPE_ETH);
  rte_flow_item_eth spec{}, mask{};
  const auto set = [](const std::optional<net::Mac>& mac, rte_ether_addr& value, rte_ether_addr& bits) {
    if (!mac) return;
    std::memcpy(value.addr_bytes, mac->bytes.data(), mac->bytes.size());
    std::memset(bits.addr_bytes, 0xff, sizeof(bits.addr_bytes));
  };
  set(src, spec.hdr.src_addr, mask.hdr.src_addr);
  set(dst, spec.hdr.dst_addr, mask.hdr.dst_addr);
  if (tagged) {
    spec.has_vlan = *tagged;
    mask.has_vlan = 1;
  }
  return item(RTE_FLOW_ITEM_TYPE_ETH, spec, mask);
}

Rule& Rule::vlan(uint16_t vid) {
  rte_flow_item_vlan spec{}, mask{};
  spec.hdr.vlan_tci = htons(vid);
  mask.hdr.vlan_tci = htons(0x0fff);
  return item(RTE_FLOW_ITEM_TYPE_VLAN, spec, mask);
}

namespace {

bool is_given(const std::optional<net::Prefix>& prefix) { return prefix && prefix->length > 0; }

// Writes address and mask of a prefix over two fields of 4 or 16 bytes.
void put_prefix(const std::optional<net::Prefix>& prefix, void* value, void* mask) {
  if (!is_given(prefix)) return;
  const auto bytes = prefix->address.bytes();
  std::memcpy(value, bytes.data(), bytes.size());
  std::array<uint8_t, 16> bits{};
  const unsigned whole = prefix->length / 8, rest = prefix->length % 8;
  std::memset(bits.data(), 0xff, whole);
  if (rest != 0) bits[whole] = static_cast<uint8_t>(0xff00u >> rest);
  std::memcpy(mask, bits.data(), bytes.size());
}

}  // namespace

template <typename T, typename Fill>
Rule& Rule::ip_item(rte_flow_item_type type, const std::optional<net::Prefix>& src,
                    const std::optional<net::Prefix>& dst, std::optional<uint8_t> proto, Fill fill) {
  if (!is_given(src) && !is_given(dst) && !proto) return item(type);
  T spec{}, mask{};
  put_prefix(src, &spec.hdr.src_addr, &mask.hdr.src_addr);
  put_prefix(dst, &spec.hdr.dst_addr, &mask.hdr.dst_addr);
  if (proto) {
    fill(spec, *proto);
    fill(mask, uint8_t{UINT8_MAX});
  }
  return item(type, spec, mask);
}

Rule& Rule::ip(net::Family family, const std::optional<net::Prefix>& src,
               const std::optional<net::Prefix>& dst, std::optional<uint8_t> proto) {
  assert(!src || src->address.family() == family);
  assert(!dst || dst->address.family() == family);
  if (family == net::Family::ipv4)
    return ip_item<rte_flow_item_ipv4>(
        RTE_FLOW_ITEM_TYPE_IPV4, src, dst, proto,
        [](rte_flow_item_ipv4& item, uint8_t value) { item.hdr.next_proto_id = value; });
  return ip_item<rte_flow_item_ipv6>(RTE_FLOW_ITEM_TYPE_IPV6, src, dst, proto,
                                     [](rte_flow_item_ipv6& item, uint8_t value) { item.hdr.proto = value; });
}

Rule& Rule::ipv4_congested(const std::optional<net::Prefix>& src, const std::optional<net::Prefix>& dst) {
  return ip_item<rte_flow_item_ipv4>(RTE_FLOW_ITEM_TYPE_IPV4, src, dst, RTE_IPV4_HDR_ECN_CE,
                                     [](rte_flow_item_ipv4& item, uint8_t value) {
                                       item.hdr.type_of_service = value & RTE_IPV4_HDR_ECN_MASK;
                                     });
}

template <typename T>
Rule& Rule::l4(rte_flow_item_type type, std::optional<uint16_t> src, std::optional<uint16_t> dst) {
  if (!src && !dst) return item(type);
  T spec{}, mask{};
  if (src) {
    spec.hdr.src_port = htons(*src);
    mask.hdr.src_port = UINT16_MAX;
  }
  if (dst) {
    spec.hdr.dst_port = htons(*dst);
    mask.hdr.dst_port = UINT16_MAX;
  }
  return item(type, spec, mask);
}

Rule& Rule::tcp(std::optional<uint16_t> src, std::optional<uint16_t> dst) {
  return l4<rte_flow_item_tcp>(RTE_FLOW_ITEM_TYPE_TCP, src, dst);
}

Rule& Rule::udp(std::optional<uint16_t> src, std::optional<uint16_t> dst) {
  return l4<rte_flow_item_udp>(RTE_FLOW_ITEM_TYPE_UDP, src, dst);
}

Rule& Rule::vxlan(uint32_t vni) {
  rte_flow_item_vxlan spec{}, mask{};
  spec.hdr.vx_vni = htonl(vni << 8);
  mask.hdr.vx_vni = htonl(0xffffff00);
  return item(RTE_FLOW_ITEM_TYPE_VXLAN, spec, mask);
}

Rule& Rule::vxlan() { return item(RTE_FLOW_ITEM_TYPE_VXLAN); }

Rule& Rule::count(rte_flow_action_handle* counter) {
  if (counter != nullptr) return action(RTE_FLOW_ACTION_TYPE_INDIRECT, counter);
  return action(RTE_FLOW_ACTION_TYPE_COUNT, put(rte_flow_action_count{}));
}

Rule& Rule::set_tag(uint8_t index, uint32_t data, TagWriter writer) {
  if (writer == TagWriter::set_tag)
    return action(RTE_FLOW_ACTION_TYPE_SET_TAG, put(rte_flow_action_set_tag{data, UINT32_MAX, index}));
  return action(RTE_FLOW_ACTION_TYPE_MODIFY_FIELD, put(compat::modify_tag(index, data)));
}

Rule& Rule::set_meta(uint32_t data) {
  return action(RTE_FLOW_ACTION_TYPE_SET_META, put(rte_flow_action_set_meta{data, UINT32_MAX}));
}

Rule& Rule::mark(uint32_t id) { return action(RTE_FLOW_ACTION_TYPE_MARK, put(rte_flow_action_mark{id})); }

Rule& Rule::jump(uint32_t group) {
  return action(RTE_FLOW_ACTION_TYPE_JUMP, put(rte_flow_action_jump{group}));
}

Rule& Rule::raw_encap(std::span<const uint8_t> header) {
  rte_flow_action_raw_encap conf{};
  conf.data = put_bytes(header.data(), header.size(), 1);
  conf.size = header.size();
  return action(RTE_FLOW_ACTION_TYPE_RAW_ENCAP, put(conf));
}

Rule& Rule::vxlan_decap() { return action(RTE_FLOW_ACTION_TYPE_VXLAN_DECAP); }

Rule& Rule::queue(uint16_t index) {
  return action(RTE_FLOW_ACTION_TYPE_QUEUE, put(rte_flow_action_queue{index}));
}

Rule& Rule::rss(std::span<const uint16_t> queues, uint64_t types) {
  assert(!queues.empty() && queues.size() <= kMaxQueues);
  rte_flow_action_rss conf{};
  conf.types = types;
  conf.queue_num = static_cast<uint32_t>(queues.size());
  conf.queue =
      reinterpret_cast<const uint16_t*>(put_bytes(queues.data(), queues.size_bytes(), alignof(uint16_t)));
  return action(RTE_FLOW_ACTION_TYPE_RSS, put(conf));
}

Rule& Rule::to_port(uint16_t port_id) {
  return action(RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT, put(rte_flow_action_ethdev{port_id}));
}

Rule& Rule::to_representor(uint16_t port_id) {
  return action(RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR, put(rte_flow_action_ethdev{port_id}));
}

Rule& Rule::drop() { return action(RTE_FLOW_ACTION_TYPE_DROP); }

}  // namespace culvert::offload
