// The trace points themselves, for trace.cpp alone. trace_registry.cpp includes them once more to register
// them: there they say what their fields are and trace nothing.
#pragma once

#include <rte_trace_point.h>

// Strings are cut to 31 characters by DPDK's trace format.
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
