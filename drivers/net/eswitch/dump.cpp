#include "dump.hpp"

#include <cinttypes>

#include "item_fields.hpp"
#include "port.hpp"

namespace eswitch {

const char* action_name(rte_flow_action_type type) {
  switch (type) {
    case RTE_FLOW_ACTION_TYPE_VOID:
      return "void";
    case RTE_FLOW_ACTION_TYPE_PASSTHRU:
      return "passthru";
    case RTE_FLOW_ACTION_TYPE_JUMP:
      return "jump";
    case RTE_FLOW_ACTION_TYPE_MARK:
      return "mark";
    case RTE_FLOW_ACTION_TYPE_QUEUE:
      return "queue";
    case RTE_FLOW_ACTION_TYPE_DROP:
      return "drop";
    case RTE_FLOW_ACTION_TYPE_COUNT:
      return "count";
    case RTE_FLOW_ACTION_TYPE_RSS:
      return "rss";
    case RTE_FLOW_ACTION_TYPE_PORT_ID:
      return "port_id";
    case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT:
      return "represented_port";
    case RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR:
      return "port_representor";
    case RTE_FLOW_ACTION_TYPE_OF_POP_VLAN:
      return "of_pop_vlan";
    case RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN:
      return "of_push_vlan";
    case RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_VID:
      return "of_set_vlan_vid";
    case RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_PCP:
      return "of_set_vlan_pcp";
    case RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP:
      return "vxlan_encap";
    case RTE_FLOW_ACTION_TYPE_VXLAN_DECAP:
      return "vxlan_decap";
    case RTE_FLOW_ACTION_TYPE_NVGRE_ENCAP:
      return "nvgre_encap";
    case RTE_FLOW_ACTION_TYPE_NVGRE_DECAP:
      return "nvgre_decap";
    case RTE_FLOW_ACTION_TYPE_RAW_ENCAP:
      return "raw_encap";
    case RTE_FLOW_ACTION_TYPE_RAW_DECAP:
      return "raw_decap";
    case RTE_FLOW_ACTION_TYPE_SET_TTL:
      return "set_ttl";
    case RTE_FLOW_ACTION_TYPE_DEC_TTL:
      return "dec_ttl";
    case RTE_FLOW_ACTION_TYPE_SET_MAC_SRC:
      return "set_mac_src";
    case RTE_FLOW_ACTION_TYPE_SET_MAC_DST:
      return "set_mac_dst";
    case RTE_FLOW_ACTION_TYPE_SET_TAG:
      return "set_tag";
    case RTE_FLOW_ACTION_TYPE_SET_META:
      return "set_meta";
    case RTE_FLOW_ACTION_TYPE_AGE:
      return "age";
    case RTE_FLOW_ACTION_TYPE_MODIFY_FIELD:
      return "modify_field";
    case RTE_FLOW_ACTION_TYPE_INDIRECT:
      return "indirect";
    default:
      return "?";
  }
}

void dump_rule(const rte_flow& rule, FILE* file) {
  const ActionList* actions = rule.actions.load(std::memory_order_relaxed);
  std::fprintf(file, "port %u %s group %u priority %u pattern", rule.port->data().port_id,
               rule.attr.transfer ? "transfer"
               : rule.attr.egress ? "egress"
                                  : "ingress",
               rule.attr.group, rule.attr.priority);
  for (const rte_flow_item_type type : rule.items) std::fprintf(file, " %s /", item_name(type));
  std::fprintf(file, " end actions");
  for (const rte_flow_action_type type : actions->types) std::fprintf(file, " %s /", action_name(type));
  std::fprintf(file, " end");
  if (actions->counter)
    std::fprintf(file, " # %" PRIu64 " packets %" PRIu64 " bytes",
                 actions->counter->packets.get() - actions->counter->packets_base,
                 actions->counter->bytes.get() - actions->counter->bytes_base);
  std::fprintf(file, "\n");
}

}  // namespace eswitch
