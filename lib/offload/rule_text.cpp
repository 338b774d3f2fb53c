#include "offload/rule_text.hpp"

#include <arpa/inet.h>
#include <rte_ethdev.h>

#include <cstring>

#include "base/compat.hpp"
#include "net/headers.hpp"
#include "offload/rule.hpp"

namespace culvert::offload {

namespace {

net::Mac mac_of(const rte_ether_addr& address) {
  net::Mac mac;
  std::memcpy(mac.bytes.data(), address.addr_bytes, mac.bytes.size());
  return mac;
}

// " NAME is VALUE", or " NAME spec VALUE NAME mask MASK" where the mask has holes; nothing where it is empty.
template <typename T>
std::string field(const char* name, const T& value, const T& mask, const T& whole) {
  if (mask == T{}) return "";
  if (mask == whole) return fmt::format(" {} is {}", name, value);
  return fmt::format(" {0} spec {1} {0} mask {2}", name, value, mask);
}

template <size_t size>
std::string address(const char* name, const void* value, const void* mask) {
  const auto parse = [](const void* bytes) {
    return *net::IpAddr::from_bytes({static_cast<const uint8_t*>(bytes), size});
  };
  std::array<uint8_t, size> ones, zeros{};
  ones.fill(0xff);
  if (parse(mask) == parse(zeros.data())) return "";
  return field(name, parse(value), parse(mask), parse(ones.data()));
}

// By value: they are members of a packed header.
std::string ipv4_address(const char* name, rte_be32_t value, rte_be32_t mask) {
  return address<sizeof(value)>(name, &value, &mask);
}

template <typename T>
std::string ports(const char* name, const rte_flow_item& item) {
  const auto &spec = *static_cast<const T*>(item.spec), &mask = *static_cast<const T*>(item.mask);
  return name + field<uint16_t>("src", ntohs(spec.hdr.src_port), ntohs(mask.hdr.src_port), UINT16_MAX) +
         field<uint16_t>("dst", ntohs(spec.hdr.dst_port), ntohs(mask.hdr.dst_port), UINT16_MAX);
}

std::string eth_text(const rte_flow_item_eth& spec, const rte_flow_item_eth& mask) {
  constexpr net::Mac kWhole{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  std::string text = "eth" + field("dst", mac_of(spec.hdr.dst_addr), mac_of(mask.hdr.dst_addr), kWhole) +
                     field("src", mac_of(spec.hdr.src_addr), mac_of(mask.hdr.src_addr), kWhole);
  if (mask.has_vlan) text += fmt::format(" has_vlan is {}", unsigned{spec.has_vlan});
  return text;
}

template <typename T>
std::string text_of(std::string (*text)(const T&, const T&), const rte_flow_item& item) {
  return text(*static_cast<const T*>(item.spec), *static_cast<const T*>(item.mask));
}

const char* item_name(rte_flow_item_type type) {
  switch (type) {
    case RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT:
      return "represented_port";
    case RTE_FLOW_ITEM_TYPE_TAG:
      return "tag";
    case RTE_FLOW_ITEM_TYPE_META:
      return "meta";
    case RTE_FLOW_ITEM_TYPE_ETH:
      return "eth";
    case RTE_FLOW_ITEM_TYPE_VLAN:
      return "vlan";
    case RTE_FLOW_ITEM_TYPE_IPV4:
      return "ipv4";
    case RTE_FLOW_ITEM_TYPE_IPV6:
      return "ipv6";
    case RTE_FLOW_ITEM_TYPE_TCP:
      return "tcp";
    case RTE_FLOW_ITEM_TYPE_UDP:
      return "udp";
    case RTE_FLOW_ITEM_TYPE_VXLAN:
      return "vxlan";
    default:
      return nullptr;
  }
}

std::string rss_text(const rte_flow_action_rss& conf) {
  struct Named {
    uint64_t types;
    const char* name;
  };
  constexpr std::array<Named, 3> kNames{
      {{RTE_ETH_RSS_IP, "ip"}, {RTE_ETH_RSS_UDP, "udp"}, {RTE_ETH_RSS_TCP, "tcp"}}};
  std::string types;
  for (const Named& one : kNames)
    if ((conf.types & one.types) == one.types) types += fmt::format("{} ", one.name);
  return fmt::format("rss types {}end queues {} end", types,
                     fmt::join(conf.queue, conf.queue + conf.queue_num, " "));
}

}  // namespace

std::string to_string(const rte_flow_item& item) {
  const char* name = item_name(item.type);
  if (name == nullptr) return fmt::format("item type {}", static_cast<int>(item.type));
  if (item.spec == nullptr) return name;
  switch (item.type) {
    case RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT:
      return fmt::format("represented_port ethdev_port_id is {}",
                         static_cast<const rte_flow_item_ethdev*>(item.spec)->port_id);
    case RTE_FLOW_ITEM_TYPE_TAG:
      return text_of<rte_flow_item_tag>(
          [](const rte_flow_item_tag& spec, const rte_flow_item_tag& mask) {
            return fmt::format("tag index is {}", spec.index) +
                   field("data", spec.data, mask.data, UINT32_MAX);
          },
          item);
    case RTE_FLOW_ITEM_TYPE_META:
      return text_of<rte_flow_item_meta>(
          [](const rte_flow_item_meta& spec, const rte_flow_item_meta& mask) {
            return "meta" + field("data", spec.data, mask.data, UINT32_MAX);
          },
          item);
    case RTE_FLOW_ITEM_TYPE_ETH:
      return text_of<rte_flow_item_eth>(eth_text, item);
    case RTE_FLOW_ITEM_TYPE_VLAN:
      return fmt::format("vlan vid is {}",
                         ntohs(static_cast<const rte_flow_item_vlan*>(item.spec)->hdr.vlan_tci));
    case RTE_FLOW_ITEM_TYPE_IPV4:
      return text_of<rte_flow_item_ipv4>(
          [](const rte_flow_item_ipv4& spec, const rte_flow_item_ipv4& mask) {
            return "ipv4" + ipv4_address("src", spec.hdr.src_addr, mask.hdr.src_addr) +
                   ipv4_address("dst", spec.hdr.dst_addr, mask.hdr.dst_addr) +
                   field("tos", spec.hdr.type_of_service, mask.hdr.type_of_service, uint8_t{UINT8_MAX}) +
                   field("proto", spec.hdr.next_proto_id, mask.hdr.next_proto_id, uint8_t{UINT8_MAX});
          },
          item);
    case RTE_FLOW_ITEM_TYPE_IPV6:
      return text_of<rte_flow_item_ipv6>(
          [](const rte_flow_item_ipv6& spec, const rte_flow_item_ipv6& mask) {
            return "ipv6" + address<16>("src", &spec.hdr.src_addr, &mask.hdr.src_addr) +
                   address<16>("dst", &spec.hdr.dst_addr, &mask.hdr.dst_addr) +
                   field("proto", spec.hdr.proto, mask.hdr.proto, uint8_t{UINT8_MAX});
          },
          item);
    case RTE_FLOW_ITEM_TYPE_TCP:
      return ports<rte_flow_item_tcp>("tcp", item);
    case RTE_FLOW_ITEM_TYPE_UDP:
      return ports<rte_flow_item_udp>("udp", item);
    case RTE_FLOW_ITEM_TYPE_VXLAN:
      return fmt::format("vxlan vni is {}",
                         ntohl(static_cast<const rte_flow_item_vxlan*>(item.spec)->hdr.vx_vni) >> 8);
    default:
      return name;
  }
}

std::string to_string(const rte_flow_action& action) {
  switch (action.type) {
    case RTE_FLOW_ACTION_TYPE_COUNT:
    case RTE_FLOW_ACTION_TYPE_INDIRECT:
      return "count";
    case RTE_FLOW_ACTION_TYPE_SET_TAG: {
      const auto& tag = *static_cast<const rte_flow_action_set_tag*>(action.conf);
      return fmt::format("set_tag index {} data {} mask {:#x}", tag.index, tag.data, tag.mask);
    }
    case RTE_FLOW_ACTION_TYPE_MODIFY_FIELD: {
      const auto& modify = *static_cast<const rte_flow_action_modify_field*>(action.conf);
      return fmt::format("modify_field op set dst_type tag {} {} src_type value src_value {:02x} width {}",
                         compat::kTagIndexWord, compat::modified_tag(modify),
                         fmt::join(modify.src.value, modify.src.value + 4, ""), modify.width);
    }
    case RTE_FLOW_ACTION_TYPE_SET_META: {
      const auto& meta = *static_cast<const rte_flow_action_set_meta*>(action.conf);
      return fmt::format("set_meta data {} mask {:#x}", meta.data, meta.mask);
    }
    case RTE_FLOW_ACTION_TYPE_MARK:
      return fmt::format("mark id {}", static_cast<const rte_flow_action_mark*>(action.conf)->id);
    case RTE_FLOW_ACTION_TYPE_JUMP:
      return fmt::format("jump group {}", static_cast<const rte_flow_action_jump*>(action.conf)->group);
    case RTE_FLOW_ACTION_TYPE_RAW_ENCAP:
      return "raw_encap index 0";
    case RTE_FLOW_ACTION_TYPE_VXLAN_DECAP:
      return "vxlan_decap";
    case RTE_FLOW_ACTION_TYPE_QUEUE:
      return fmt::format("queue index {}", static_cast<const rte_flow_action_queue*>(action.conf)->index);
    case RTE_FLOW_ACTION_TYPE_RSS:
      return rss_text(*static_cast<const rte_flow_action_rss*>(action.conf));
    case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT:
      return fmt::format("represented_port ethdev_port_id {}",
                         static_cast<const rte_flow_action_ethdev*>(action.conf)->port_id);
    case RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR:
      return fmt::format("port_representor port_id {}",
                         static_cast<const rte_flow_action_ethdev*>(action.conf)->port_id);
    case RTE_FLOW_ACTION_TYPE_DROP:
      return "drop";
    default:
      return fmt::format("action type {}", static_cast<int>(action.type));
  }
}

std::string raw_encap_line(std::span<const uint8_t> header) {
  std::string line = "set raw_encap 0";
  const auto take = [&header]<typename T>(T value) {
    if (header.size() < sizeof(T)) return T{};
    std::memcpy(&value, header.data(), sizeof(T));
    header = header.subspan(sizeof(T));
    return value;
  };
  const auto eth = take(net::EtherHdr{});
  line += fmt::format(" eth dst is {} src is {}", eth.dst, eth.src);
  if (eth.type == net::kEtherVlan) {
    const auto vlan = take(net::VlanHdr{});
    line += fmt::format(" / vlan vid is {} inner_type is {:#06x}", vlan.tci.host(), vlan.type.host());
  }
  const auto ip = take(net::Ipv4Hdr{});
  line += fmt::format(" / ipv4 src is {} dst is {} tos is {} ttl is {} fragment_offset is {}",
                      net::IpAddr::v4(ip.src), net::IpAddr::v4(ip.dst), ip.tos, ip.ttl, ip.fragment.host());
  const auto udp = take(net::UdpHdr{});
  line += fmt::format(" / udp src is {} dst is {}", udp.src_port.host(), udp.dst_port.host());
  return line + fmt::format(" / vxlan vni is {} / end_set", take(net::VxlanHdr{}).vni());
}

std::vector<std::string> Rule::to_testpmd() const {
  std::vector<std::string> lines;
  std::string line = fmt::format("flow create {} {} group {} priority {} pattern", place_.port_id,
                                 attr_.transfer  ? "transfer"
                                 : attr_.ingress ? "ingress"
                                                 : "egress",
                                 place_.group, place_.priority);
  for (size_t i = 0; i < item_count_; ++i) line += fmt::format(" {} /", to_string(items_[i]));
  line += " end actions";
  for (size_t i = 0; i < action_count_; ++i) {
    line += fmt::format(" {} /", to_string(actions_[i]));
    if (actions_[i].type != RTE_FLOW_ACTION_TYPE_RAW_ENCAP) continue;
    const auto& encap = *static_cast<const rte_flow_action_raw_encap*>(actions_[i].conf);
    lines.push_back(raw_encap_line({encap.data, encap.size}));
  }
  lines.push_back(line + " end");
  return lines;
}

}  // namespace culvert::offload
