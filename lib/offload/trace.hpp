// Trace points (rte_trace, CTF): `--trace=culvert.offload.*`, read with babeltrace2. Any thread.
#pragma once

#include <string>

#include "offload/types.hpp"

namespace culvert::offload {

void trace_flow_add(const FlowSpec& flow);
void trace_flow_del(const FlowSpec& flow);
// What the resolver says of an encap's neighbour now.
void trace_neigh_update(const EncapUpdate& update);
// Packets of the encap have left, by the NIC or a worker, this many so far: its neighbour is in use.
void trace_neigh_used(EncapId encap, uint64_t packets);

}  // namespace culvert::offload
