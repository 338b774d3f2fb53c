#include <rte_trace_point_register.h>  // must come before rte_trace_point.h

#include "offload/trace.hpp"

// The points themselves. Strings are cut to 31 characters by DPDK's trace format.
RTE_TRACE_POINT(culvert_offload_flow_add,
                RTE_TRACE_POINT_ARGS(const char* name, uint8_t source, uint32_t encap),
                rte_trace_point_emit_string(name);
                rte_trace_point_emit_u8(source); rte_trace_point_emit_u32(encap);)
RTE_TRACE_POINT(culvert_offload_flow_del, RTE_TRACE_POINT_ARGS(const char* name),
                rte_trace_point_emit_string(name);)
RTE_TRACE_POINT(culvert_offload_neigh_update,
                RTE_TRACE_POINT_ARGS(uint32_t encap, uint64_t generation, uint8_t valid, const char* via,
                                     const char* mac),
                rte_trace_point_emit_u32(encap);
                rte_trace_point_emit_u64(generation); rte_trace_point_emit_u8(valid);
                rte_trace_point_emit_string(via); rte_trace_point_emit_string(mac);)
RTE_TRACE_POINT(culvert_offload_neigh_used, RTE_TRACE_POINT_ARGS(uint32_t encap, uint64_t packets),
                rte_trace_point_emit_u32(encap);
                rte_trace_point_emit_u64(packets);)

RTE_TRACE_POINT_REGISTER(culvert_offload_flow_add, culvert.offload.flow_add)
RTE_TRACE_POINT_REGISTER(culvert_offload_flow_del, culvert.offload.flow_del)
RTE_TRACE_POINT_REGISTER(culvert_offload_neigh_update, culvert.offload.neigh_update)
RTE_TRACE_POINT_REGISTER(culvert_offload_neigh_used, culvert.offload.neigh_used)

namespace culvert::offload {

namespace {
constexpr uint32_t kNoEncap = UINT32_MAX;
}  // namespace

void trace_flow_add(const FlowSpec& flow) {
  uint32_t encap = kNoEncap;
  if (const auto* what = std::get_if<Explicit>(&flow.what)) encap = what->encap;
  if (const auto* path = std::get_if<PathTo>(&flow.what)) encap = path->encap;
  culvert_offload_flow_add(flow.name.c_str(), static_cast<uint8_t>(flow.source), encap);
}

void trace_flow_del(const FlowSpec& flow) { culvert_offload_flow_del(flow.name.c_str()); }

void trace_neigh_update(const EncapUpdate& update) {
  const std::string via = update.rule ? update.rule->via.to_string() : std::string();
  const std::string mac = update.rule ? update.rule->dst_mac.to_string() : std::string();
  culvert_offload_neigh_update(update.id, update.generation, update.rule ? 1 : 0, via.c_str(), mac.c_str());
}

void trace_neigh_used(EncapId encap, uint64_t packets) { culvert_offload_neigh_used(encap, packets); }

}  // namespace culvert::offload
