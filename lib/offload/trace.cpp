#include "offload/trace.hpp"

#include "offload/trace_points.hpp"

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
