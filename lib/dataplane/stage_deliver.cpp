// Each frame to where it is to go, in the order they came.
#include <utility>

#include "dataplane/encap.hpp"
#include "dataplane/vlan_tag.hpp"
#include "dataplane/worker.hpp"

namespace culvert::dataplane {

void Worker::deliver(Frames& frames) {
  uint64_t forwarded = 0;
  for (const Frame& frame : frames.all()) {
    if (frame.to.is_nowhere()) {
      flood(frame);
    } else if (frame.to == frame.from) {
      drop(frame.in, frame.mbuf, DropReason::same_port);
    } else if (!frame.to.is_tunnel()) {
      forwarded += to_member(frame, frame.mbuf, frame.to) ? 1 : 0;
    } else if (frame.from.is_tunnel()) {
      drop(frame.in, frame.mbuf, DropReason::split_horizon);
    } else {
      forwarded += into_tunnel(frame, frame.mbuf, frame.to.index()) ? 1 : 0;
    }
  }
  counters_.forwarded.add(forwarded);
}

// Out of a port, with the tag of its VLAN if it is one of a trunk. `mbuf` is the frame's own or a copy of it.
// False: dropped.
bool Worker::to_member(const Frame& frame, rte_mbuf* mbuf, Where member) {
  if (member.vlan() != 0 && !push_vlan(mbuf, member.vlan())) [[unlikely]] {
    drop(frame.in, mbuf, DropReason::no_headroom);
    return false;
  }
  out_of_port(static_cast<PortIndex>(member.index()), mbuf);
  return true;
}

// `mbuf` is the frame's own or a copy of it. False: dropped.
bool Worker::into_tunnel(const Frame& frame, rte_mbuf* mbuf, EncapId encap) {
  return into_tunnel(frame, mbuf, encap, shared_.encaps[encap].load());
}

// `slot` is the encap's, or null.
bool Worker::into_tunnel(const Frame& frame, rte_mbuf* mbuf, EncapId encap, const EncapSlot* slot) {
  if (slot == nullptr || !slot->resolved) [[unlikely]] {
    drop(frame.in, mbuf, slot == nullptr ? DropReason::tunnel_unresolved : slot->unresolved_reason);
    return false;
  }
  const uint32_t inner_bytes = rte_pktmbuf_pkt_len(mbuf);
  const bool marked = slot->mark != 0;
  if (const auto fault = marked ? leave_to_nic(mbuf, *slot) : encapsulate(mbuf, frame, *slot)) [[unlikely]] {
    drop(frame.in, mbuf, *fault);
    return false;
  }
  counters_.encapsulated.add();
  if (marked) counters_.marked.add();
  counters_.encaps[encap].packets.add();
  counters_.encaps[encap].bytes.add(inner_bytes);
  out_of_port(slot->port, mbuf);
  return true;
}

void Worker::out_of_port(PortIndex port, rte_mbuf* mbuf) {
  TxBurst& burst = tx_[port];
  if (!std::exchange(burst.dirty, true)) dirty_.push_back(port);
  burst.packets[burst.count++] = mbuf;
  if (burst.count == kBurst) flush(port);
}

}  // namespace culvert::dataplane
