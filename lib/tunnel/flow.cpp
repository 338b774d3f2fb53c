#include "tunnel/flow.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>

#include "net/headers.hpp"

namespace culvert::tunnel {

namespace {

constexpr uint16_t kMaxVid = 4094;

void set_mac(const std::optional<net::Mac>& mac, std::array<uint8_t, 6>& value,
             std::array<uint8_t, 6>& mask) {
  if (!mac) return;
  value = mac->bytes;
  mask.fill(0xff);
}

void set_prefix(const std::optional<net::Prefix>& prefix, std::array<uint8_t, 16>& value,
                std::array<uint8_t, 16>& mask) {
  if (!prefix) return;
  std::ranges::copy(prefix->address.bytes(), value.begin());
  for (unsigned bit = 0; bit < prefix->length; ++bit)
    mask[bit / 8] = static_cast<uint8_t>(mask[bit / 8] | 0x80u >> bit % 8);
}

void set_port(const std::optional<uint16_t>& port, uint16_t& value, uint16_t& mask) {
  if (!port) return;
  value = htons(*port);
  mask = 0xffff;
}

}  // namespace

MaskedKey masked_key(const Match& match) {
  MaskedKey key;
  set_mac(match.eth_src, key.value.eth_src, key.mask.eth_src);
  set_mac(match.eth_dst, key.value.eth_dst, key.mask.eth_dst);
  if (match.vlan) {
    const uint16_t vid = static_cast<uint16_t>(MatchKey::kTagged | *match.vlan);
    key.value.vlan = *match.vlan == Match::kUntagged ? uint16_t{0} : vid;
    key.mask.vlan = UINT16_MAX;
  }
  if (match.src || match.dst) {
    key.value.family = static_cast<uint16_t>((match.src ? match.src : match.dst)->address.family());
    key.mask.family = UINT16_MAX;
  }
  set_prefix(match.src, key.value.src, key.mask.src);
  set_prefix(match.dst, key.value.dst, key.mask.dst);
  if (match.ip_proto) {
    key.value.ip_proto = *match.ip_proto;
    key.mask.ip_proto = UINT8_MAX;
    key.value.layers = MatchKey::kIp;
  }
  if (match.l4_src || match.l4_dst) key.value.layers = MatchKey::kIp | MatchKey::kPorts;
  key.mask.layers = key.value.layers;
  set_port(match.l4_src, key.value.l4_src, key.mask.l4_src);
  set_port(match.l4_dst, key.value.l4_dst, key.mask.l4_dst);
  return key;
}

MatchKey operator&(const MatchKey& a, const MatchKey& b) {
  MatchKey::Words words = a.words();
  const MatchKey::Words others = b.words();
  for (size_t i = 0; i < words.size(); ++i) words[i] &= others[i];
  return std::bit_cast<MatchKey>(words);
}

bool overlap(const MaskedKey& a, const MaskedKey& b) {
  const MatchKey common = a.mask & b.mask;
  return (a.value & common) == (b.value & common);
}

std::string to_string(const Match& match) {
  std::string text;
  const auto add = [&text](std::string_view key, const auto& value) {
    text += fmt::format("{}{} {}", text.empty() ? "" : " ", key, value);
  };
  const auto add_prefix = [&add](const std::optional<net::Prefix>& prefix, std::string_view end) {
    if (prefix) add(fmt::format("ipv{}_{}", prefix->address.is_v4() ? 4 : 6, end), *prefix);
  };
  if (match.eth_src) add("eth_src", *match.eth_src);
  if (match.eth_dst) add("eth_dst", *match.eth_dst);
  if (match.vlan == Match::kUntagged)
    add("vlan", "none");
  else if (match.vlan)
    add("vlan", *match.vlan);
  add_prefix(match.src, "src");
  add_prefix(match.dst, "dst");
  if (match.ip_proto) add("ip_proto", *match.ip_proto);
  if (match.l4_src) add("l4_src", *match.l4_src);
  if (match.l4_dst) add("l4_dst", *match.l4_dst);
  return text.empty() ? "any" : text;
}

std::optional<std::string> fault_of(const Match& match) {
  if (match.src && match.dst && match.src->address.family() != match.dst->address.family())
    return "ipv4 and ipv6 in one match take no packet; make two flows";
  if (match.vlan && *match.vlan != Match::kUntagged && *match.vlan > kMaxVid)
    return fmt::format("vlan {}: give 0..{} or none", *match.vlan, kMaxVid);
  const bool has_ports =
      !match.ip_proto || *match.ip_proto == net::kProtoTcp || *match.ip_proto == net::kProtoUdp;
  if ((match.l4_src || match.l4_dst) && !has_ports)
    return fmt::format("ip_proto {} has no ports; l4_src and l4_dst go with tcp (6) or udp (17)",
                       *match.ip_proto);
  return std::nullopt;
}

}  // namespace culvert::tunnel
