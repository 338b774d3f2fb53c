#include <rte_trace_point_register.h>  // must come before rte_trace_point.h

#include "offload/trace_points.hpp"

RTE_TRACE_POINT_REGISTER(culvert_offload_flow_add, culvert.offload.flow_add)
RTE_TRACE_POINT_REGISTER(culvert_offload_flow_del, culvert.offload.flow_del)
RTE_TRACE_POINT_REGISTER(culvert_offload_neigh_update, culvert.offload.neigh_update)
RTE_TRACE_POINT_REGISTER(culvert_offload_neigh_used, culvert.offload.neigh_used)
