// Trunks: ports whose VLANs are members of networks. The outer 802.1Q tag tells the network, and is taken out
// before the frame goes on; Worker::to_member() sets that of the VLAN a frame goes out to.
#include "dataplane/vlan_tag.hpp"
#include "dataplane/worker.hpp"

namespace culvert::dataplane {

void Worker::sort_vlans(PortIndex port, Frames& frames) {
  const std::vector<NetworkId>& networks = snapshot_->ports[port].vlans;
  uint16_t kept = 0;
  for (Frame& frame : frames.all()) {
    const uint16_t vid =
        outer_vid(rte_pktmbuf_mtod(frame.mbuf, const uint8_t*), rte_pktmbuf_data_len(frame.mbuf));
    const NetworkId network = networks[vid];
    if (network == kNoNetwork) {
      drop(port, frame.mbuf, DropReason::unknown_vlan);
      continue;
    }
    pop_vlan(frame.mbuf);
    frame.source = {network, frame.source.mac_bits()};
    frame.destination = {network, frame.destination.mac_bits()};
    frame.from = Where::port(port, vid);
    frames.frame[kept++] = frame;
  }
  frames.count = kept;
}

}  // namespace culvert::dataplane
