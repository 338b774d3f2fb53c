#include "tunnel/encap_rule.hpp"

#include <cassert>
#include <cstring>

#include "net/headers.hpp"

namespace culvert::tunnel {

std::string Header::hex() const { return fmt::format("{:02x}", fmt::join(view(), "")); }

namespace {

// Appends a header to the bytes.
template <typename T>
void append(Header& header, const T& value) {
  static_assert(alignof(T) == 1);
  assert(header.size_bytes + sizeof(T) <= Header::kMaxBytes);
  std::memcpy(header.bytes.data() + header.size_bytes, &value, sizeof(T));
  header.size_bytes = static_cast<uint8_t>(header.size_bytes + sizeof(T));
}

}  // namespace

Header make_header(const Tunnel& tunnel, const net::Mac& dst_mac, const net::Mac& src_mac,
                   std::optional<uint16_t> vlan) {
  Header header;
  append(header, net::EtherHdr{dst_mac, src_mac, vlan ? net::kEtherVlan : net::kEtherIpv4});
  if (vlan) append(header, net::VlanHdr{net::be16{*vlan}, net::kEtherIpv4});
  header.l3_offset = header.size_bytes;

  net::Ipv4Hdr ip{};
  ip.version_ihl = 0x45;
  ip.tos = static_cast<uint8_t>(tunnel.dscp.value_or(0) << 2);
  ip.fragment = net::be16{net::Ipv4Hdr::kDontFragment};
  ip.ttl = tunnel.ttl.value_or(0);
  ip.protocol = net::kProtoUdp;
  ip.src = tunnel.local.v4_be();
  ip.dst = tunnel.remote.v4_be();
  append(header, ip);
  append(header, net::UdpHdr{net::be16{tunnel.source_port_first}, net::be16{tunnel.dst_port}, {}, {}});
  append(header, net::VxlanHdr{net::be32{net::VxlanHdr::kValidVni}, net::be32{tunnel.vni << 8}});
  return header;
}

}  // namespace culvert::tunnel
