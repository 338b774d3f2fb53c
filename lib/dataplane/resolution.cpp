#include "dataplane/resolution.hpp"

#include <rte_ip.h>

#include <array>
#include <utility>

#include "dataplane/inner_parse.hpp"
#include "dataplane/trim.hpp"
#include "net/headers.hpp"

namespace culvert::dataplane {

namespace {

using net::be16;

// RFC 826 for Ethernet and IPv4.
struct ArpPacket {
  be16 hardware, protocol;
  uint8_t hardware_bytes, protocol_bytes;
  be16 operation;
  net::Mac sender_mac;
  net::be32 sender;
  net::Mac target_mac;
  net::be32 target;

  static constexpr be16 kEthernet{1}, kRequest{1}, kReply{2};
};
static_assert(sizeof(ArpPacket) == 28);

// RFC 4861, 4.3 and 4.4: solicitation and advertisement.
struct NdPacket {
  uint8_t type, code;
  be16 checksum;
  net::be32 flags;  // of an advertisement
  std::array<uint8_t, 16> target;

  static constexpr uint8_t kSolicitation = 135, kAdvertisement = 136;
  static constexpr uint32_t kRouter = 0x80000000, kSolicited = 0x40000000, kOverride = 0x20000000;
};
static_assert(sizeof(NdPacket) == 24);

struct NdLinkOption {
  uint8_t type, length;  // in units of 8 bytes
  net::Mac mac;

  static constexpr uint8_t kSource = 1, kTarget = 2;
};
static_assert(sizeof(NdLinkOption) == 8);

constexpr uint8_t kProtoIcmpv6 = 58;
constexpr uint8_t kNdHopLimit = 255;  // it comes from this link
constexpr uint32_t kIpAt = sizeof(net::EtherHdr);
constexpr uint32_t kNdAt = kIpAt + sizeof(net::Ipv6Hdr);

bool is_stations(const net::IpAddr& ip) {
  return !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback();
}

std::optional<Resolution> read_arp(const uint8_t* frame, uint32_t room, const net::Mac& source) {
  if (room < kIpAt + sizeof(ArpPacket)) return std::nullopt;
  const auto arp = load<ArpPacket>(frame + kIpAt);
  if (arp.hardware != ArpPacket::kEthernet || arp.protocol != net::kEtherIpv4 ||
      arp.hardware_bytes != sizeof(net::Mac) || arp.protocol_bytes != sizeof(net::be32) ||
      (arp.operation != ArpPacket::kRequest && arp.operation != ArpPacket::kReply) ||
      arp.sender_mac != source)
    return std::nullopt;
  const net::IpAddr sender = net::IpAddr::v4(arp.sender), target = net::IpAddr::v4(arp.target);
  Resolution result;
  if (!is_stations(sender)) return result;
  result.sender = sender;
  if (arp.operation == ArpPacket::kRequest && is_stations(target) && target != sender) result.target = target;
  return result;
}

// The link-layer address option of this type. False: the options are not sound.
bool find_link(const uint8_t* at, uint32_t bytes, uint8_t type, std::optional<net::Mac>& found) {
  while (bytes >= sizeof(NdLinkOption)) {
    const auto option = load<NdLinkOption>(at);
    const uint32_t option_bytes = option.length * 8u;
    if (option_bytes == 0 || option_bytes > bytes) return false;
    if (option.type == type && option.length == 1) found = option.mac;
    at += option_bytes;
    bytes -= option_bytes;
  }
  return bytes == 0;
}

std::optional<Resolution> read_nd(const uint8_t* frame, uint32_t room, const net::Mac& source) {
  if (room < kNdAt + sizeof(NdPacket)) return std::nullopt;
  const auto ip = load<net::Ipv6Hdr>(frame + kIpAt);
  if (ip.next_header != kProtoIcmpv6 || ip.hop_limit != kNdHopLimit) return std::nullopt;
  const auto nd = load<NdPacket>(frame + kNdAt);
  const bool solicits = nd.type == NdPacket::kSolicitation;
  if ((!solicits && nd.type != NdPacket::kAdvertisement) || nd.code != 0) return std::nullopt;
  const uint32_t bytes = ip.payload_length.host();
  if (bytes < sizeof(NdPacket) || kNdAt + bytes > room) return std::nullopt;
  const auto* const header = reinterpret_cast<const rte_ipv6_hdr*>(frame + kIpAt);
  if (rte_ipv6_udptcp_cksum_verify(header, frame + kNdAt) != 0) return std::nullopt;
  std::optional<net::Mac> link;
  if (!find_link(frame + kNdAt + sizeof(NdPacket), bytes - sizeof(NdPacket),
                 solicits ? NdLinkOption::kSource : NdLinkOption::kTarget, link))
    return std::nullopt;
  const net::IpAddr sender = net::IpAddr::v6(ip.src), target = net::IpAddr::v6(nd.target);
  Resolution result;
  if (!is_stations(sender) || !is_stations(target) || link.value_or(source) != source) return result;
  if (!solicits) {
    result.sender = target;
    result.router = (nd.flags.host() & NdPacket::kRouter) != 0;
    return result;
  }
  if (link) result.sender = sender;
  if (target != sender) result.target = target;
  return result;
}

void make_arp_reply(uint8_t* frame, const net::Mac& mac) {
  auto arp = load<ArpPacket>(frame + kIpAt);
  const net::EtherHdr ether{arp.sender_mac, mac, net::kEtherArp};
  arp.operation = ArpPacket::kReply;
  arp.target_mac = std::exchange(arp.sender_mac, mac);
  std::swap(arp.sender, arp.target);
  std::memcpy(frame, &ether, sizeof(ether));
  std::memcpy(frame + kIpAt, &arp, sizeof(arp));
}

}  // namespace

std::optional<Resolution> read_resolution(const rte_mbuf* mbuf) {
  if (mbuf->nb_segs != 1) return std::nullopt;
  const auto* const frame = rte_pktmbuf_mtod(mbuf, const uint8_t*);
  const uint32_t room = rte_pktmbuf_data_len(mbuf);
  const auto ether = load<net::EtherHdr>(frame);
  if (ether.type == net::kEtherArp) return read_arp(frame, room, ether.src);
  if (ether.type == net::kEtherIpv6) return read_nd(frame, room, ether.src);
  return std::nullopt;
}

bool make_answer(rte_mbuf* mbuf, const net::Mac& mac, bool router) {
  auto* const frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
  auto ether = load<net::EtherHdr>(frame);
  if (ether.type == net::kEtherArp) {
    make_arp_reply(frame, mac);
    return true;
  }
  constexpr uint32_t kPayloadBytes = sizeof(NdPacket) + sizeof(NdLinkOption);
  constexpr uint32_t kFrameBytes = kNdAt + kPayloadBytes;
  const uint32_t bytes = rte_pktmbuf_data_len(mbuf);
  if (bytes < kFrameBytes && rte_pktmbuf_append(mbuf, static_cast<uint16_t>(kFrameBytes - bytes)) == nullptr)
    return false;
  trim_to(mbuf, kFrameBytes);
  auto ip = load<net::Ipv6Hdr>(frame + kIpAt);
  auto nd = load<NdPacket>(frame + kNdAt);
  ether.dst = std::exchange(ether.src, mac);
  ip.version_class_label = net::be32{0x60000000};
  ip.payload_length = be16{kPayloadBytes};
  std::memcpy(ip.dst, ip.src, sizeof(ip.dst));
  std::memcpy(ip.src, nd.target.data(), sizeof(ip.src));
  nd.type = NdPacket::kAdvertisement;
  nd.checksum = be16{0};
  nd.flags = net::be32{(router ? NdPacket::kRouter : 0) | NdPacket::kSolicited | NdPacket::kOverride};
  const NdLinkOption link{NdLinkOption::kTarget, 1, mac};
  std::memcpy(frame, &ether, sizeof(ether));
  std::memcpy(frame + kIpAt, &ip, sizeof(ip));
  std::memcpy(frame + kNdAt, &nd, sizeof(nd));
  std::memcpy(frame + kNdAt + sizeof(nd), &link, sizeof(link));
  const uint16_t checksum =
      rte_ipv6_udptcp_cksum(reinterpret_cast<const rte_ipv6_hdr*>(frame + kIpAt), frame + kNdAt);
  std::memcpy(frame + kNdAt + offsetof(NdPacket, checksum), &checksum, sizeof(checksum));
  return true;
}

}  // namespace culvert::dataplane
