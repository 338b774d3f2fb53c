// ARP and ND of l2 networks with `suppress`: a station that asks for another that is known here is answered
// here, and the question goes no further; all other questions are flooded. As the kernel's bridge does it
// (net/bridge/br_arp_nd_proxy.c), but that gratuitous ARP, probes and duplicate address detection are
// flooded: who holds an address must hear of another who takes it.
#include <utility>

#include "dataplane/inner_parse.hpp"
#include "dataplane/resolution.hpp"
#include "dataplane/worker.hpp"

namespace culvert::dataplane {

void Worker::suppress(Frames& frames) {
  uint16_t kept = 0;
  for (uint16_t i = 0; i < frames.count; ++i) {
    Frame& frame = frames.frame[i];
    const auto type =
        load<uint16_t>(rte_pktmbuf_mtod_offset(frame.mbuf, const uint8_t*, 2 * sizeof(net::Mac)));
    const bool may_ask = type == net::kEtherArp.wire() || type == net::kEtherIpv6.wire();
    if (may_ask && answer(frame)) continue;
    if (kept != i) frames.frame[kept] = frame;
    ++kept;
  }
  frames.count = kept;
}

// True: the frame is done with.
bool Worker::answer(const Frame& frame) {
  const NetworkId id = frame.source.network();
  const Network* const network = snapshot_->network(id);
  if (network == nullptr || !network->suppress) return false;
  const auto said = read_resolution(frame.mbuf);
  if (!said) return false;
  if (said->sender) tell_binding({{*said->sender, 0, id}, frame.source.mac_bits(), said->router});
  const bool from_tenant = !frame.from.is_tunnel();
  if (!said->target || !from_tenant || !frame.destination.is_group()) return false;

  const auto binding = shared_.bindings->find({*said->target, 0, id});
  if (!binding) return false;
  const BindingValue known = BindingValue::unpack(*binding);
  const StationKey station{id, known.mac_bits};
  const auto row = fdb_->find(station);  // without a stamp: who is asked for is not in use by that
  if (!row || station == frame.source) return false;
  if (FdbValue::unpack(*row).where == frame.from) {
    drop(frame.in, frame.mbuf, DropReason::same_port);  // it has heard the question itself
    return true;
  }
  if (!make_answer(frame.mbuf, station.mac(), known.router)) return false;
  counters_.suppressed.add();
  to_member(frame, frame.mbuf, frame.from);
  return true;
}

void Worker::tell_binding(const BindingHeard& heard) {
  const auto known = shared_.bindings->find(heard.key);
  const bool same = known && BindingValue::unpack(*known).mac_bits == heard.mac_bits;
  // A ring that is full is emptied soon; the station says it again.
  if ((same ? same_binding_filter_ : binding_filter_).admit(heard, rte_rdtsc()))
    (void)bindings_heard_.push(heard);
}

}  // namespace culvert::dataplane
