#include "item_fields.hpp"

#include <array>

namespace eswitch {
namespace {

constexpr uint8_t kEth = offsetof(LevelKey, eth), kVlan = offsetof(LevelKey, vlan),
                  kL3 = offsetof(LevelKey, l3), kL4 = offsetof(LevelKey, l4),
                  kTunnel = offsetof(LevelKey, tunnel);

constexpr ItemField kEthFields[] = {{0, kEth, 6}, {6, kEth + 6, 6}, {12, kEth + 12, 2}};
constexpr ItemField kVlanFields[] = {{0, kVlan, 2}, {2, kVlan + 2, 2}};
constexpr ItemField kIpv4Fields[] = {{0, kL3, 1},       {1, kL3 + 1, 1},  {2, kL3 + 2, 2}, {4, kL3 + 4, 2},
                                     {6, kL3 + 6, 2},   {8, kL3 + 8, 1},  {9, kL3 + 9, 1}, {10, kL3 + 10, 2},
                                     {12, kL3 + 12, 4}, {16, kL3 + 16, 4}};
constexpr ItemField kIpv6Fields[] = {{0, kL3, 4},     {4, kL3 + 4, 2},  {6, kL3 + 6, 1},
                                     {7, kL3 + 7, 1}, {8, kL3 + 8, 16}, {24, kL3 + 24, 16}};
constexpr ItemField kUdpFields[] = {{0, kL4, 2}, {2, kL4 + 2, 2}, {4, kL4 + 4, 2}, {6, kL4 + 6, 2}};
constexpr ItemField kTcpFields[] = {{0, kL4, 2},       {2, kL4 + 2, 2},   {4, kL4 + 4, 4},
                                    {8, kL4 + 8, 4},   {12, kL4 + 12, 1}, {13, kL4 + 13, 1},
                                    {14, kL4 + 14, 2}, {16, kL4 + 16, 2}, {18, kL4 + 18, 2}};
constexpr ItemField kIcmpFields[] = {
    {0, kL4, 1}, {1, kL4 + 1, 1}, {2, kL4 + 2, 2}, {4, kL4 + 4, 2}, {6, kL4 + 6, 2}};
constexpr ItemField kVxlanFields[] = {
    {0, kTunnel, 1}, {1, kTunnel + 1, 3}, {4, kTunnel + 4, 3}, {7, kTunnel + 7, 1}};
constexpr ItemField kGreFields[] = {{0, kTunnel, 2}, {2, kTunnel + 2, 2}};
constexpr ItemField kGreKeyFields[] = {{0, kTunnel + 4, 4}};
constexpr ItemField kNvgreFields[] = {
    {0, kTunnel, 2}, {2, kTunnel + 2, 2}, {4, kTunnel + 4, 3}, {7, kTunnel + 7, 1}};

/// rte_flow's default masks, which its header hides from C++: `count` bytes of ones from `first` on.
template <size_t size>
constexpr std::array<uint8_t, size> ones(size_t first, size_t count) {
  std::array<uint8_t, size> mask{};
  for (size_t i = first; i < first + count; ++i) mask[i] = 0xff;
  return mask;
}
constexpr auto kEthMask = ones<14>(0, 12);
constexpr auto kIpv4Mask = ones<20>(12, 8), kTcpMask = ones<20>(0, 4);
constexpr auto kIpv6Mask = ones<40>(8, 32);
constexpr auto kUdpMask = ones<8>(0, 4), kIcmpMask = ones<8>(0, 2), kVniMask = ones<8>(4, 3);
constexpr auto kGreMask = ones<4>(2, 2), kGreKeyMask = ones<4>(0, 4);
constexpr std::array<uint8_t, 4> kVlanMask = {0x0f, 0xff, 0, 0};

const std::array<ItemShape, 11> kShapes = {{
    {RTE_FLOW_ITEM_TYPE_ETH, "eth", kLayerEth, 14, kEthMask.data(), kEthFields},
    {RTE_FLOW_ITEM_TYPE_VLAN, "vlan", kLayerVlan, 4, kVlanMask.data(), kVlanFields},
    {RTE_FLOW_ITEM_TYPE_IPV4, "ipv4", kLayerIpv4, 20, kIpv4Mask.data(), kIpv4Fields},
    {RTE_FLOW_ITEM_TYPE_IPV6, "ipv6", kLayerIpv6, 40, kIpv6Mask.data(), kIpv6Fields},
    {RTE_FLOW_ITEM_TYPE_UDP, "udp", kLayerUdp, 8, kUdpMask.data(), kUdpFields},
    {RTE_FLOW_ITEM_TYPE_TCP, "tcp", kLayerTcp, 20, kTcpMask.data(), kTcpFields},
    {RTE_FLOW_ITEM_TYPE_ICMP, "icmp", kLayerIcmp, 8, kIcmpMask.data(), kIcmpFields},
    {RTE_FLOW_ITEM_TYPE_VXLAN, "vxlan", kLayerVxlan, 8, kVniMask.data(), kVxlanFields},
    {RTE_FLOW_ITEM_TYPE_GRE, "gre", kLayerGre, 4, kGreMask.data(), kGreFields},
    {RTE_FLOW_ITEM_TYPE_GRE_KEY, "gre_key", kLayerGreKey, 4, kGreKeyMask.data(), kGreKeyFields},
    {RTE_FLOW_ITEM_TYPE_NVGRE, "nvgre", kLayerGre | kLayerGreKey, 8, kVniMask.data(), kNvgreFields},
}};

}  // namespace

const ItemShape* find_item_shape(rte_flow_item_type type) {
  for (const ItemShape& shape : kShapes)
    if (shape.type == type) return &shape;
  return nullptr;
}

const char* item_name(rte_flow_item_type type) {
  if (const ItemShape* shape = find_item_shape(type)) return shape->name;
  switch (type) {
    case RTE_FLOW_ITEM_TYPE_VOID:
      return "void";
    case RTE_FLOW_ITEM_TYPE_TAG:
      return "tag";
    case RTE_FLOW_ITEM_TYPE_META:
      return "meta";
    case RTE_FLOW_ITEM_TYPE_MARK:
      return "mark";
    case RTE_FLOW_ITEM_TYPE_PORT_ID:
      return "port_id";
    case RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT:
      return "represented_port";
    case RTE_FLOW_ITEM_TYPE_PORT_REPRESENTOR:
      return "port_representor";
    default:
      return "?";
  }
}

}  // namespace eswitch
