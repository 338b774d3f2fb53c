#include "frames.hpp"

#include <rte_ip.h>

#include <array>
#include <cstdio>
#include <random>
#include <vector>

#include "base/c_handle.hpp"
#include "net/headers.hpp"

namespace culvert::bench {

namespace {

using Bytes = std::vector<uint8_t>;
constexpr net::Mac kOuterDstMac{{2, 0, 0, 0, 0, 1}};
constexpr net::Mac kOuterSrcMac{{2, 0, 0, 0, 0, 2}};
constexpr size_t kInnerBytes = 64;

template <typename T>
void append(Bytes& bytes, const T& value) {
  const auto* raw = reinterpret_cast<const uint8_t*>(&value);
  bytes.insert(bytes.end(), raw, raw + sizeof(value));
}

void append_udp_headers(Bytes& bytes, uint32_t src, uint32_t dst, uint16_t src_port, uint16_t dst_port,
                        size_t payload_bytes) {
  net::Ipv4Hdr ip{};
  ip.version_ihl = 0x45;
  ip.total_length =
      net::be16{static_cast<uint16_t>(sizeof(net::Ipv4Hdr) + sizeof(net::UdpHdr) + payload_bytes)};
  ip.ttl = 64;
  ip.protocol = net::kProtoUdp;
  ip.src = net::be32{src};
  ip.dst = net::be32{dst};
  ip.checksum = net::be16::from_wire(static_cast<uint16_t>(~rte_raw_cksum(&ip, sizeof(ip))));
  append(bytes, ip);
  append(bytes, net::UdpHdr{net::be16{src_port},
                            net::be16{dst_port},
                            net::be16{static_cast<uint16_t>(sizeof(net::UdpHdr) + payload_bytes)},
                            {}});
}

Bytes make_frame(Kind kind, unsigned flow, FlowAddresses addresses) {
  constexpr size_t kHeaders = sizeof(net::EtherHdr) + sizeof(net::Ipv4Hdr) + sizeof(net::UdpHdr);
  Bytes bytes;
  if (kind == Kind::vxlan) {
    append(bytes, net::EtherHdr{kOuterDstMac, kOuterSrcMac, net::kEtherIpv4});
    const auto src_port = static_cast<uint16_t>(49152 + (addresses.dst * 2654435761u >> 7) % 16384);
    append_udp_headers(bytes, kOuterSrc, kOuterDst, src_port, net::kVxlanPort,
                       sizeof(net::VxlanHdr) + kInnerBytes);
    append(bytes, net::VxlanHdr{net::be32{net::VxlanHdr::kValidVni}, net::be32{kVni << 8}});
  }
  append(bytes, net::EtherHdr{kInnerDst, kInnerSrc, net::kEtherIpv4});
  const size_t payload_bytes = kInnerBytes - kHeaders;
  append_udp_headers(bytes, addresses.src, addresses.dst, static_cast<uint16_t>(1024 + flow % 60000), 9,
                     payload_bytes);
  bytes.resize(bytes.size() + payload_bytes);
  return bytes;
}

}  // namespace

std::vector<FlowAddresses> flow_addresses(unsigned flows) {
  std::mt19937 random(7);
  std::vector<FlowAddresses> result(flows);
  for (unsigned flow = 0; flow < flows; ++flow)
    result[flow] = {0xac100000 | (flow & 0xffff), 0x0a000000 | (static_cast<uint32_t>(random()) & 0xffffff)};
  return result;
}

Status write_pcap(const std::string& path, Kind kind, unsigned flows) {
  const CHandle<FILE, fclose> file(fopen(path.c_str(), "w"));
  if (file == nullptr) return error("cannot write {}: {}", path, errno_text(errno));
  // The header of a pcap file: magic, version 2.4, time zone, accuracy, longest frame, Ethernet.
  const std::array<uint32_t, 6> header{0xa1b2c3d4, 2 | 4u << 16, 0, 0, UINT16_MAX, 1};
  bool written = fwrite(header.data(), sizeof(header), 1, file.get()) == 1;
  const auto addresses = flow_addresses(flows);
  for (unsigned flow = 0; flow < flows && written; ++flow) {
    const Bytes frame = make_frame(kind, flow, addresses[flow]);
    const auto size = static_cast<uint32_t>(frame.size());
    const std::array<uint32_t, 4> record{0, 0, size, size};
    written = fwrite(record.data(), sizeof(record), 1, file.get()) == 1 &&
              fwrite(frame.data(), frame.size(), 1, file.get()) == 1;
  }
  if (!written || fflush(file.get()) != 0) return error("cannot write {}: {}", path, errno_text(errno));
  return {};
}

}  // namespace culvert::bench
