// Head-end replication: broadcast, multicast and frames to unknown stations go to everybody else in the
// network, but never from a tunnel into a tunnel.
#include <utility>

#include "dataplane/worker.hpp"

namespace culvert::dataplane {

void Worker::flood(const Frame& frame) {
  const Network* const network = snapshot_->network(frame.source.network());
  if (network == nullptr) return drop(frame.in, frame.mbuf, DropReason::no_network);
  if (!network->flood) return drop(frame.in, frame.mbuf, DropReason::flood_off);

  // Each target but the last gets a copy; the last gets the frame itself, which the copies must precede:
  // going into a tunnel writes in front of it.
  Where last;
  bool sent = false;
  const auto send = [&](rte_mbuf* mbuf, Where to) {
    sent |= to.is_tunnel() ? into_tunnel(frame, mbuf, to.index()) : to_member(frame, mbuf, to);
  };
  const auto add_target = [&](Where to) {
    const Where previous = std::exchange(last, to);
    if (previous.is_nowhere()) return;
    rte_mbuf* const copy = rte_pktmbuf_copy(frame.mbuf, tx_[frame.in].pool, 0, UINT32_MAX);
    if (copy == nullptr) return count_drop(frame.in, DropReason::no_mbuf);
    send(copy, previous);
  };
  for (const Where port : network->ports)
    if (port != frame.from) add_target(port);
  if (!frame.from.is_tunnel())
    for (const EncapId encap : network->encaps) add_target(Where::tunnel(encap));
  if (last.is_nowhere()) return drop(frame.in, frame.mbuf, DropReason::no_member);
  counters_.flooded.add();
  send(frame.mbuf, last);
  if (sent) counters_.forwarded.add();
}

}  // namespace culvert::dataplane
