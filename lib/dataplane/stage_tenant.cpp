// Frames from a tenant port: of which flow they are, and whether they are fit to be carried.
#include <rte_prefetch.h>

#include "dataplane/inner_parse.hpp"
#include "dataplane/kernel_frame.hpp"
#include "dataplane/vlan_tag.hpp"
#include "dataplane/worker.hpp"

namespace culvert::dataplane {

namespace {
constexpr uint64_t kMacMask = 0x0000ffffffffffff;
}  // namespace

void Worker::take_tenant_frames(PortIndex port, std::span<rte_mbuf*> packets, Frames& frames) {
  const NetworkId network = snapshot_->ports[port].network;
  for (size_t i = 0; i < packets.size(); ++i) {
    if (i + 1 < packets.size()) rte_prefetch0(rte_pktmbuf_mtod(packets[i + 1], void*));
    rte_mbuf* const mbuf = packets[i];
    if ((mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 && !restore_vlan(port, mbuf)) [[unlikely]]
      continue;
    const uint32_t room = rte_pktmbuf_data_len(mbuf);
    if (room < sizeof(net::EtherHdr)) [[unlikely]] {
      drop(port, mbuf, DropReason::malformed_ethernet);
      continue;
    }
    const auto* data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    const uint64_t destination = load<uint64_t>(data) & kMacMask;
    const uint64_t source = load<uint64_t>(data + 4) >> 16;
    if (!accept(port, mbuf, source)) [[unlikely]]
      continue;
    const InnerFlow flow = parse_inner(data, room);
    Frame& frame = frames.frame[frames.count++];
    frame.mbuf = mbuf;
    frame.source = {network, source};
    frame.destination = {network, destination};
    frame.flow_hash = flow.hash;
    frame.tos = flow.tos;
    frame.ttl = flow.ttl;
    frame.in = port;
    frame.from = Where::port(port);
  }
}

// Puts a tag that the driver took out back in. Drops the frame and returns false where there is no room.
bool Worker::restore_vlan(PortIndex port, rte_mbuf* mbuf) {
  mbuf->ol_flags &= ~RTE_MBUF_F_RX_VLAN_STRIPPED;
  if (rte_pktmbuf_data_len(mbuf) < sizeof(net::EtherHdr)) return true;
  if (push_vlan(mbuf, mbuf->vlan_tci)) return true;
  drop(port, mbuf, DropReason::no_headroom);
  return false;
}

// Is the frame a station's? Completes what the kernel left to hardware. Drops it and returns false if not.
bool Worker::accept(PortIndex port, rte_mbuf* mbuf, uint64_t source_bits) {
  constexpr uint64_t kGroupBit = 1;  // of the first byte of a MAC
  if (source_bits == 0 || (source_bits & kGroupBit) != 0) {
    drop(port, mbuf, DropReason::invalid_source_mac);
    return false;
  }
  const PortRole& role = snapshot_->ports[port];
  if (!role.kernel_frames) return true;
  if (role.tenant && role.owns(source_bits)) {
    drop(port, mbuf, DropReason::own_frame);
    return false;
  }
  const KernelFrame state = fix_kernel_frame(mbuf);
  if (state == KernelFrame::completed) counters_.checksums_completed.add();
  if (state == KernelFrame::cut) drop(port, mbuf, DropReason::truncated);
  return state != KernelFrame::cut;
}

}  // namespace culvert::dataplane
