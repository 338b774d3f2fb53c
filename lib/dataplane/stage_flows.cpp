// Explicit flows, which come before networks: a tenant's frame that one takes goes into that flow's tunnel
// and is neither learned from nor looked up.
#include <rte_prefetch.h>

#include "dataplane/classifier.hpp"
#include "dataplane/flow_key.hpp"
#include "dataplane/worker.hpp"

namespace culvert::dataplane {

void Worker::take_flows(PortIndex port, Frames& frames) {
  if (const PortFlows* const flows = shared_.flows[port].load()) match_flows(*flows, frames);
  if (snapshot_->ports[port].in_network) [[likely]]
    return;
  for (const Frame& frame : frames.all()) drop(port, frame.mbuf, DropReason::no_flow);
  frames.count = 0;
}

// Leaves the frames that no flow takes.
void Worker::match_flows(const PortFlows& flows, Frames& frames) {
  static_assert(kBurst <= kMostKeys);
  std::array<tunnel::MatchKey, kBurst> keys;
  std::array<const FlowNode*, kBurst> found;
  const std::span<Frame> all = frames.all();
  for (size_t i = 0; i < all.size(); ++i)
    keys[i] =
        read_match_key(rte_pktmbuf_mtod(all[i].mbuf, const uint8_t*), rte_pktmbuf_data_len(all[i].mbuf));
  classify(flows, {keys.data(), all.size()}, {found.data(), all.size()});
  for (size_t i = 0; i < all.size(); ++i)
    if (found[i] != nullptr) rte_prefetch0(&counters_.flows[found[i]->id]);
  frames.count = 0;
  uint64_t forwarded = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (found[i] == nullptr) {
      frames.frame[frames.count++] = all[i];
      continue;
    }
    const uint32_t bytes = rte_pktmbuf_pkt_len(all[i].mbuf);
    if (!into_tunnel(all[i], all[i].mbuf, found[i]->encap)) continue;
    ++forwarded;
    counters_.flows[found[i]->id].packets.add();
    counters_.flows[found[i]->id].bytes.add(bytes);
  }
  counters_.forwarded.add(forwarded);
}

}  // namespace culvert::dataplane
