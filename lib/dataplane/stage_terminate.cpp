// Packets from an underlay port: those of our tunnels are checked and lose their outer headers; all else is
// an exception and the kernel's.
#include <rte_prefetch.h>

#include "dataplane/ecn.hpp"
#include "dataplane/inner_parse.hpp"
#include "dataplane/kernel_frame.hpp"
#include "dataplane/outer_parse.hpp"
#include "dataplane/trim.hpp"
#include "dataplane/worker.hpp"

namespace culvert::dataplane {

namespace {

constexpr uint64_t kMacMask = 0x0000ffffffffffff;
constexpr uint32_t kL4PortsBytes = 4;

// Completes the inner checksum that a kernel left to hardware. A kernel that does so ("local checksum
// offload") has made the outer UDP checksum for the inner packet as it will be then: only afterwards is the
// outer one right.
bool complete_inner(rte_mbuf* mbuf, uint32_t outer_bytes) {
  if (outer_bytes > rte_pktmbuf_data_len(mbuf)) return false;
  rte_pktmbuf_adj(mbuf, static_cast<uint16_t>(outer_bytes));
  const bool completed = fix_kernel_frame(mbuf) == KernelFrame::completed;
  rte_pktmbuf_prepend(mbuf, static_cast<uint16_t>(outer_bytes));
  return completed;
}

// The bytes in front of the outer IP header: 14, or 18 behind a VLAN tag. 0: not IPv4.
uint32_t find_ipv4(const uint8_t* data, uint32_t room) {
  constexpr uint32_t kTagged = sizeof(net::EtherHdr) + sizeof(net::VlanHdr);
  const auto type = load<uint16_t>(data + offsetof(net::EtherHdr, type));
  if (type == net::kEtherIpv4.wire()) [[likely]]
    return sizeof(net::EtherHdr);
  if (type != net::kEtherVlan.wire() || room < kTagged) return 0;
  return load<uint16_t>(data + kTagged - 2) == net::kEtherIpv4.wire() ? kTagged : 0;
}

// Version, header length, and whether the header is there.
bool sound_ipv4(const uint8_t* data, uint32_t room, uint32_t l2_bytes) {
  if (room < l2_bytes + sizeof(net::Ipv4Hdr)) return false;
  const uint8_t version_ihl = data[l2_bytes];
  if (version_ihl == 0x45) [[likely]]
    return true;
  const uint32_t header_bytes = (version_ihl & 0xfu) * 4;
  return version_ihl >> 4 == 4 && header_bytes >= sizeof(net::Ipv4Hdr) && room >= l2_bytes + header_bytes;
}

// What the termination table is asked for, read without a check of the packet: it may be anybody's.
TunnelKey read_key(const uint8_t* data, uint32_t l2_bytes, uint32_t header_bytes) {
  const uint8_t* const udp = data + l2_bytes + header_bytes;
  const uint8_t* const addresses = data + l2_bytes + offsetof(net::Ipv4Hdr, src);
  return {.remote = load<net::be32>(addresses),
          .local = load<net::be32>(addresses + sizeof(net::be32)),
          .dst_port = load<net::be16>(udp + offsetof(net::UdpHdr, dst_port)),
          .vni = load<net::VxlanHdr>(udp + sizeof(net::UdpHdr)).vni()};
}

}  // namespace

void Worker::terminate_tunnels(PortIndex port, std::span<rte_mbuf*> packets, Frames& frames) {
  // Packets of one tunnel come in trains: the last answer is tried first. It saves the hash of the key.
  TunnelKey last_key;
  const TunnelMatch* last_match = nullptr;
  for (size_t i = 0; i < packets.size(); ++i) {
    if (i + 1 < packets.size()) rte_prefetch0(rte_pktmbuf_mtod(packets[i + 1], void*));
    rte_mbuf* const mbuf = packets[i];
    const auto* data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    const uint32_t room = rte_pktmbuf_data_len(mbuf);
    if (room < sizeof(net::EtherHdr)) [[unlikely]] {
      drop(port, mbuf, DropReason::malformed_ethernet);
      continue;
    }
    if ((mbuf->ol_flags & RTE_MBUF_F_RX_FDIR_ID) != 0) [[unlikely]] {
      take_decapsulated(port, mbuf, frames);
      continue;
    }
    const uint32_t l2_bytes = find_ipv4(data, room);
    if (l2_bytes == 0) {
      refuse_outer(port, mbuf, 0);
      continue;
    }
    if (!sound_ipv4(data, room, l2_bytes)) [[unlikely]] {
      drop(port, mbuf, DropReason::ipv4_bad_header);
      continue;
    }
    const auto header_bytes = (data[l2_bytes] & 0xfu) * 4;
    const bool whole = data[l2_bytes + offsetof(net::Ipv4Hdr, protocol)] == net::kProtoUdp &&
                       l2_bytes + header_bytes + kUdpVxlanBytes <= room;
    if (whole) [[likely]] {
      const TunnelKey key = read_key(data, l2_bytes, header_bytes);
      if (last_match == nullptr || !(key == last_key)) {
        last_key = key;
        last_match = snapshot_->terminations.find(key);
      }
      if (last_match != nullptr) [[likely]] {
        decapsulate(port, mbuf, l2_bytes, *last_match, frames);
        continue;
      }
    }
    refuse_outer(port, mbuf, l2_bytes);
  }
  counters_.decapsulated.add(frames.count + routed_.count);
}

// A packet whose key is in the table: sound? Then it becomes the inner frame.
void Worker::decapsulate(PortIndex port, rte_mbuf* mbuf, uint32_t l2_bytes, const TunnelMatch& match,
                         Frames& frames) {
  auto* data = rte_pktmbuf_mtod(mbuf, uint8_t*);
  const uint32_t udp_offset = l2_bytes + (data[l2_bytes] & 0xfu) * 4;
  const uint32_t outer_bytes = udp_offset + kUdpVxlanBytes;
  const bool kernel_frames = snapshot_->ports[port].kernel_frames;
  OuterCheck check = check_outer(mbuf, l2_bytes, kernel_frames);
  if (check.fault == DropReason::udp_bad_checksum && kernel_frames && complete_inner(mbuf, outer_bytes)) {
    counters_.checksums_completed.add();
    check = check_outer(mbuf, l2_bytes, kernel_frames);
  }
  if (check.fault) [[unlikely]]
    return drop(port, mbuf, *check.fault);
  if (check.checksum_unfinished) counters_.checksums_unfinished.add();
  const Network* const network = snapshot_->network(match.network);
  if (network == nullptr) [[unlikely]]
    return drop(port, mbuf, DropReason::no_network);

  const uint8_t outer_tos = data[l2_bytes + offsetof(net::Ipv4Hdr, tos)];
  const uint32_t udp_bytes = load<net::be16>(data + udp_offset + offsetof(net::UdpHdr, length)).host();
  trim_to(mbuf, udp_offset + udp_bytes);
  rte_pktmbuf_adj(mbuf, static_cast<uint16_t>(outer_bytes));
  data += outer_bytes;
  const uint32_t room = rte_pktmbuf_data_len(mbuf);
  if (room < sizeof(net::EtherHdr)) [[unlikely]]
    return drop(port, mbuf, DropReason::malformed_ethernet);
  if ((outer_tos & kEcnBits) != 0 && !decapsulate_ecn(data, room, outer_tos))
    return drop(port, mbuf, DropReason::ecn_illegal);
  take_inner(port, mbuf, match, *network, frames);
}

// What the NIC has decapsulated: its mark tells the tunnel.
void Worker::take_decapsulated(PortIndex port, rte_mbuf* mbuf, Frames& frames) {
  const TunnelMatch* const match = snapshot_->terminations.find_encap(mbuf->hash.fdir.hi - 1);
  if (match == nullptr) return drop(port, mbuf, DropReason::unknown_mark);
  const Network* const network = snapshot_->network(match->network);
  if (network == nullptr) return drop(port, mbuf, DropReason::no_network);
  take_inner(port, mbuf, *match, *network, frames);
}

// A frame of a network that is there, at least an Ethernet header long.
void Worker::take_inner(PortIndex port, rte_mbuf* mbuf, const TunnelMatch& match, const Network& network,
                        Frames& frames) {
  const auto* data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
  const uint64_t source = load<uint64_t>(data + 4) >> 16;
  if (!accept(port, mbuf, source)) [[unlikely]]
    return;

  const auto id = static_cast<NetworkId>(match.network);
  const bool routed = network.routes != nullptr;
  Frames& into = routed ? routed_ : frames;
  Frame& frame = into.frame[into.count++];
  frame.mbuf = mbuf;
  frame.source = {id, source};
  frame.destination = {id, load<uint64_t>(data) & kMacMask};
  // Of an l2 network it gets no outer header any more: split horizon.
  const InnerFlow flow = routed ? parse_inner(data, rte_pktmbuf_data_len(mbuf)) : InnerFlow{};
  frame.flow_hash = flow.hash;
  frame.tos = flow.tos;
  frame.ttl = flow.ttl;
  frame.in = port;
  frame.from = Where::tunnel(match.encap);
}

// A packet that no tunnel takes. If it is for the address and UDP port of one it is dropped, by what is wrong
// with it; else it is an exception. `l2_bytes` is 0 when it is not IPv4; else its IPv4 header is sound.
void Worker::refuse_outer(PortIndex port, rte_mbuf* mbuf, uint32_t l2_bytes) {
  const auto* data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
  const uint32_t room = rte_pktmbuf_data_len(mbuf);
  const PortRole& role = snapshot_->ports[port];
  if (role.kernel_frames && role.owns(load<uint64_t>(data + 4) >> 16))
    return drop(port, mbuf, DropReason::own_frame);
  const auto exception = [&] {
    counters_.exceptions.add();
    rte_pktmbuf_free(mbuf);
  };
  if (l2_bytes == 0) return exception();
  const auto ip = load<net::Ipv4Hdr>(data + l2_bytes);
  const uint32_t udp_offset = l2_bytes + ip.header_bytes();
  const bool ports_follow = (ip.fragment.host() & 0x1fff) == 0 && udp_offset + kL4PortsBytes <= room;
  if (ip.protocol != net::kProtoUdp || !ports_follow) return exception();
  const auto dst_port = load<net::be16>(data + udp_offset + offsetof(net::UdpHdr, dst_port));
  if (!snapshot_->terminations.is_endpoint(ip.dst, dst_port)) return exception();

  const OuterCheck check = check_outer(mbuf, l2_bytes, role.kernel_frames);
  if (check.fault) return drop(port, mbuf, *check.fault);
  const uint32_t vni = load<net::VxlanHdr>(data + udp_offset + sizeof(net::UdpHdr)).vni();
  const bool known = snapshot_->terminations.knows_vni(ip.dst, dst_port, vni);
  drop(port, mbuf, known ? DropReason::unknown_remote : DropReason::unknown_vni);
}

}  // namespace culvert::dataplane
