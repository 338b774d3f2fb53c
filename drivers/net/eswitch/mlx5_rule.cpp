// What net_mlx5 says of a single rule: items, actions, and how they go together.
#include "mlx5_profile.hpp"

#include "flow_error.hpp"
#include "port.hpp"
#include "switch.hpp"

namespace eswitch {
namespace {

constexpr uint32_t kRootPriorities = 4, kPriorities = 21844;
constexpr unsigned kTags = 4, kTagRegisters = 6;
/// A raw encapsulation up to this size is a layer 2 header, not a tunnel.
constexpr size_t kSmallEncapBytes = 34;
constexpr const char* kHardware = "hardware refuses to create flow";

bool takes_tunnel_off(const rte_flow_action& action) {
  if (action.type == RTE_FLOW_ACTION_TYPE_RAW_DECAP) {
    const auto* conf = static_cast<const rte_flow_action_raw_decap*>(action.conf);
    return conf == nullptr || conf->size > kSmallEncapBytes;
  }
  return action.type == RTE_FLOW_ACTION_TYPE_VXLAN_DECAP || action.type == RTE_FLOW_ACTION_TYPE_NVGRE_DECAP;
}

/// One rule under inspection: each member looks at one thing, and says false after filling the error.
class Inspection {
 public:
  Inspection(const Port& port, const RuleRequest& request, rte_flow_error* error)
      : port_(port),
        attr_(request.attr),
        queued_(request.queued),
        items_(request.items),
        actions_(request.actions),
        error_(error) {}

  bool run() {
    if (!priority()) return false;
    for (const rte_flow_item* item = items_; item->type != RTE_FLOW_ITEM_TYPE_END; ++item)
      if (!this->item(*item)) return false;
    for (const rte_flow_action* action = actions_; action->type != RTE_FLOW_ACTION_TYPE_END; ++action)
      if (!this->action(*action)) return false;
    return whole();
  }

 private:
  bool refuse(int code, rte_flow_error_type type, const void* cause, const char* message) {
    eswitch::refuse(error_, code, type, cause, message);
    return false;
  }
  bool egress(const char* message) {
    return refuse(ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_EGRESS, nullptr, message);
  }

  // Of queued rules the table has the priority, and hardware steering has 2^32 of them.
  bool priority() {
    if (queued_) return true;
    const uint32_t limit = attr_.group == 0 && !attr_.transfer ? kRootPriorities : kPriorities;
    if (attr_.priority < limit) return true;
    return refuse(ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY, nullptr, "priority out of range");
  }

  bool item(const rte_flow_item& item) {
    switch (item.type) {
      case RTE_FLOW_ITEM_TYPE_IPV4:
      case RTE_FLOW_ITEM_TYPE_IPV6:
        l3_ = true;
        if (tunnel_) inner_l3_ = true;
        return true;
      case RTE_FLOW_ITEM_TYPE_VLAN:
        if (!tunnel_) vlan_ = true;
        return true;
      case RTE_FLOW_ITEM_TYPE_VXLAN:
        return vxlan_ = tunnel_ = true;
      case RTE_FLOW_ITEM_TYPE_GRE:
      case RTE_FLOW_ITEM_TYPE_NVGRE:
        if (!l3_) return refuse_item(error_, ENOTSUP, &item, "L3 Layer is missing");
        return tunnel_ = true;
      case RTE_FLOW_ITEM_TYPE_META:
        if (attr_.transfer)
          return refuse_item(
              error_, ENOTSUP, &item,
              "extended metadata feature should be enabled when meta item is requested with e-switch mode ");
        if (attr_.ingress)
          return refuse_item(error_, ENOTSUP, &item,
                             "match on metadata for ingress is not supported in legacy metadata mode");
        return true;
      case RTE_FLOW_ITEM_TYPE_MARK:
        return refuse_item(error_, ENOTSUP, &item, "extended metadata feature isn't enabled");
      case RTE_FLOW_ITEM_TYPE_TAG:
        return item.spec == nullptr || tag(static_cast<const rte_flow_item_tag*>(item.spec)->index);
      default:
        return true;
    }
  }

  bool tag(unsigned index) {
    if (index < kTags) return true;
    return refuse(index < kTagRegisters ? ENOTSUP : EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, nullptr,
                  index < kTagRegisters ? "unsupported tag id" : "invalid tag id");
  }

  bool action(const rte_flow_action& action) {
    switch (action.type) {
      case RTE_FLOW_ACTION_TYPE_VOID:
      case RTE_FLOW_ACTION_TYPE_COUNT:
      case RTE_FLOW_ACTION_TYPE_AGE:
        return true;
      case RTE_FLOW_ACTION_TYPE_INDIRECT:
        return indirect(action);
      default:
        break;
    }
    ++others_;
    switch (action.type) {
      case RTE_FLOW_ACTION_TYPE_METER:
        return refuse(ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "meter action not supported");
      case RTE_FLOW_ACTION_TYPE_DROP:
        drop_ = true;
        return attr_.transfer ? fates_++, true : fate(action);  // a second fate is found as no drop alone
      case RTE_FLOW_ACTION_TYPE_JUMP:
        return jump(action);
      case RTE_FLOW_ACTION_TYPE_QUEUE:
        return to_queue(action, "queue action not supported for egress.", "unsupported action QUEUE");
      case RTE_FLOW_ACTION_TYPE_RSS:
        return to_queue(action, "rss action not supported for egress", "unsupported action RSS");
      case RTE_FLOW_ACTION_TYPE_PORT_ID:
      case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT:
        if (attr_.transfer) return fate(action);
        return refuse(ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr,
                      "port action is valid in transfer mode only");
      case RTE_FLOW_ACTION_TYPE_PASSTHRU:
      case RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR:
        return refuse_action(error_, ENOTSUP, &action, "action not supported");
      case RTE_FLOW_ACTION_TYPE_MARK:
        if (attr_.egress) return egress("mark action not supported for egress");
        if (attr_.transfer) hardware_ = ENOTSUP;
        return true;
      case RTE_FLOW_ACTION_TYPE_SET_META:
        return !attr_.transfer ||
               refuse_action(error_, ENOTSUP, &action, "unavailable extended metadata register");
      case RTE_FLOW_ACTION_TYPE_SET_TAG:
        return set_tag(action);
      case RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP:
      case RTE_FLOW_ACTION_TYPE_NVGRE_ENCAP:
        return encap(action);
      case RTE_FLOW_ACTION_TYPE_RAW_ENCAP:
        return raw_encap(action);
      case RTE_FLOW_ACTION_TYPE_VXLAN_DECAP:
        if (attr_.egress) return egress("decap action not supported for egress");
        if (!vxlan_ || decap_)
          return refuse(ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr,
                        "VXLAN item should be present for VXLAN decap");
        return decap_ = true;
      case RTE_FLOW_ACTION_TYPE_NVGRE_DECAP:
        if (attr_.egress) return egress("decap action not supported for egress");
        return decap_ = true;
      case RTE_FLOW_ACTION_TYPE_RAW_DECAP:
        return raw_decap(action);
      case RTE_FLOW_ACTION_TYPE_OF_POP_VLAN:
        if (!vlan_)
          return refuse(ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr,
                        "cannot pop vlan without a match on (outer) vlan in the flow");
        return attr_.egress ? egress("pop vlan action not supported for egress") : true;
      case RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN:
        return !attr_.ingress || refuse(ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_INGRESS, nullptr,
                                        "push VLAN action not supported for ingress");
      case RTE_FLOW_ACTION_TYPE_DEC_TTL:
      case RTE_FLOW_ACTION_TYPE_SET_TTL:
        if (encap_) return modify_after_encap(action);
        if (decap_ ? !inner_l3_ : !l3_)
          return refuse_action(error_, EINVAL, &action, "no IP protocol in pattern");
        return true;
      case RTE_FLOW_ACTION_TYPE_SET_MAC_SRC:
      case RTE_FLOW_ACTION_TYPE_SET_MAC_DST:
        return !encap_ || modify_after_encap(action);
      default:
        return true;
    }
  }

  bool indirect(const rte_flow_action& action) {
    const auto* handle = static_cast<const rte_flow_action_handle*>(action.conf);
    return handle == nullptr || !port_.sw().knows(handle) || !handle->rss ||
           to_queue(action, "rss action not supported for egress", "unsupported action RSS");
  }

  bool modify_after_encap(const rte_flow_action& action) {
    return refuse_action(error_, EINVAL, &action, "can't have encap action before modify action");
  }

  bool set_tag(const rte_flow_action& action) {
    const auto* conf = static_cast<const rte_flow_action_set_tag*>(action.conf);
    if (conf != nullptr && !tag(conf->index)) return false;
    // The order is libmlx5's, which makes no tables of a NIC's group 0.
    const bool root = attr_.group == 0 && !attr_.transfer;
    if (encap_ && !root) hardware_ = ENOTSUP;
    return true;
  }

  bool fate(const rte_flow_action& action) {
    if (fates_++ == 0) return true;
    return refuse_action(error_, EINVAL, &action,
                         attr_.transfer ? "can have only one fate actions in a flow"
                                        : "can't have 2 fate actions in same flow");
  }

  bool jump(const rte_flow_action& action) {
    const auto* conf = static_cast<const rte_flow_action_jump*>(action.conf);
    if (!fate(action)) return false;
    if (conf == nullptr) return true;
    if (conf->group == 0 && !attr_.transfer)
      return refuse(EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF, nullptr, "root table shouldn't be destination");
    if (conf->group <= attr_.group) hardware_ = EINVAL;
    return true;
  }

  bool to_queue(const rte_flow_action& action, const char* on_egress, const char* on_transfer) {
    if (attr_.egress) return egress(on_egress);
    if (attr_.transfer) return refuse_action(error_, ENOTSUP, &action, on_transfer);
    return fate(action);
  }

  bool encap(const rte_flow_action& action) {
    if (encap_)
      return refuse_action(error_, EINVAL, &action, "can only have a single encap action in a flow");
    if (attr_.ingress)
      return refuse_action(error_, ENOTSUP, &action, "encap is not supported for ingress traffic");
    if (attr_.egress && port_.representor())
      return refuse(ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr,
                    "encap action for VF representor not supported on NIC table");
    if (attr_.transfer && fates_ > 0) hardware_ = ENOTSUP;
    return encap_ = true;
  }

  bool raw_encap(const rte_flow_action& action) {
    const auto* conf = static_cast<const rte_flow_action_raw_encap*>(action.conf);
    const bool small = conf != nullptr && conf->size <= kSmallEncapBytes;
    if (!small) {
      raw_decap_open_ = false;
      if (encap_) return refuse_action(error_, ENOTSUP, &action, "more than one encap action");
      return encap(action);
    }
    if (!raw_decap_) return refuse_action(error_, ENOTSUP, &action, "small raw encap size");
    raw_decap_open_ = false;
    return true;
  }

  bool raw_decap(const rte_flow_action& action) {
    const bool tunnel = takes_tunnel_off(action);
    raw_decap_ = raw_decap_open_ = true;
    if (tunnel && attr_.egress) return egress("decap action not supported for egress");
    if (tunnel) decap_ = true;
    return true;
  }

  bool whole() {
    if (drop_ && others_ > 1)
      return refuse(
          EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, nullptr,
          "Drop action is mutually-exclusive with any other action, except for Count/Sample/Age action");
    if (attr_.egress && raw_decap_open_) return egress("decap action not supported for egress");
    if (!attr_.egress && fates_ == 0)
      return refuse(EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, nullptr, "no fate action is found");
    if (attr_.egress && port_.representor())
      return refuse(EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, nullptr,
                    "NIC egress rules on representors is not supported");
    return hardware_ == 0 || refuse(hardware_, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, kHardware);
  }

  const Port& port_;
  const rte_flow_attr attr_;
  const bool queued_;
  const rte_flow_item* items_;
  const rte_flow_action* actions_;
  rte_flow_error* error_;
  bool vlan_ = false, l3_ = false, inner_l3_ = false, tunnel_ = false, vxlan_ = false;
  bool encap_ = false, decap_ = false, raw_decap_ = false, raw_decap_open_ = false, drop_ = false;
  unsigned fates_ = 0, others_ = 0;
  int hardware_ = 0;  // why libmlx5 refuses it: asked last, when the driver has looked at the whole rule
};

}  // namespace

bool mlx5_accepts(const Port& port, const RuleRequest& request, rte_flow_error* error) {
  return request.items == nullptr || request.actions == nullptr || Inspection(port, request, error).run();
}

bool mlx5_accepts_match(const RuleRequest& request, const Match& match, rte_flow_error* error) {
  if (!match.ranges.empty()) return refuse_item(error, EINVAL, nullptr, "range is not valid");
  if (!request.attr.transfer) return true;
  const bool from_uplink = match.mask.origin[3] != 0 && get_be16(match.value.origin + 2) == 0;
  for (const rte_flow_action* action = request.actions; action->type != RTE_FLOW_ACTION_TYPE_END; ++action) {
    if (!takes_tunnel_off(*action) || from_uplink) continue;
    refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, kHardware);
    return false;
  }
  return true;
}

}  // namespace eswitch
