#include "action_compile.hpp"

#include "flow_error.hpp"
#include "port.hpp"
#include "rss.hpp"
#include "switch.hpp"

namespace eswitch {
namespace {

class Compiler {
 public:
  Compiler(const ActionContext& context, std::vector<HandleUse>& handles, rte_flow_error* error)
      : context_(context), handles_(handles), error_(error), list_(std::make_unique<ActionList>()) {}

  bool action(const rte_flow_action& action) {
    list_->types.push_back(action.type);
    if (needs_conf(action.type) && action.conf == nullptr)
      return refuse(action, EINVAL, "NULL action configuration");
    switch (action.type) {
      case RTE_FLOW_ACTION_TYPE_VOID:
        return true;
      case RTE_FLOW_ACTION_TYPE_JUMP:
        return jump(action);
      case RTE_FLOW_ACTION_TYPE_DROP:
        return fate(action, op::Drop{});
      case RTE_FLOW_ACTION_TYPE_PASSTHRU:
        return fate(action, op::Passthru{});
      case RTE_FLOW_ACTION_TYPE_QUEUE:
        return queue(action);
      case RTE_FLOW_ACTION_TYPE_RSS:
        return rss(action);
      case RTE_FLOW_ACTION_TYPE_PORT_ID:
        return port_id(action);
      case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT:
        return ethdev(action, Fate::Kind::kWire);
      case RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR:
        return ethdev(action, Fate::Kind::kApplication);
      case RTE_FLOW_ACTION_TYPE_COUNT:
        return count(action, std::make_shared<HitCounter>());
      case RTE_FLOW_ACTION_TYPE_AGE:
        return age(action);
      case RTE_FLOW_ACTION_TYPE_INDIRECT:
        return indirect(action);
      case RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP:
      case RTE_FLOW_ACTION_TYPE_NVGRE_ENCAP:
        return item_encap(action);
      case RTE_FLOW_ACTION_TYPE_RAW_ENCAP:
        return raw_encap(action);
      case RTE_FLOW_ACTION_TYPE_VXLAN_DECAP:
        return add(Decap{Decap::Kind::kVxlan, 0});
      case RTE_FLOW_ACTION_TYPE_NVGRE_DECAP:
        return add(Decap{Decap::Kind::kNvgre, 0});
      case RTE_FLOW_ACTION_TYPE_RAW_DECAP:
        return raw_decap(action);
      default:
        return header_or_metadata(action);
    }
  }

  void reserve(size_t count) {
    list_->ops.reserve(count);
    list_->types.reserve(count);
  }
  std::unique_ptr<ActionList> take() { return std::move(list_); }

 private:
  bool refuse(const rte_flow_action& action, int code, const char* message) {
    return refuse_action(error_, code, &action, message);
  }
  bool refuse_conf(const rte_flow_action& action, int code, const char* message) {
    eswitch::refuse(error_, code, RTE_FLOW_ERROR_TYPE_ACTION_CONF, action.conf, message);
    return false;
  }

  static bool needs_conf(rte_flow_action_type type) {
    switch (type) {
      case RTE_FLOW_ACTION_TYPE_VOID:
      case RTE_FLOW_ACTION_TYPE_DROP:
      case RTE_FLOW_ACTION_TYPE_PASSTHRU:
      case RTE_FLOW_ACTION_TYPE_COUNT:
      case RTE_FLOW_ACTION_TYPE_VXLAN_DECAP:
      case RTE_FLOW_ACTION_TYPE_NVGRE_DECAP:
      case RTE_FLOW_ACTION_TYPE_RAW_DECAP:
      case RTE_FLOW_ACTION_TYPE_DEC_TTL:
      case RTE_FLOW_ACTION_TYPE_OF_POP_VLAN:
        return false;
      default:
        return true;
    }
  }

  bool add(Op op) {
    list_->ops.push_back(std::move(op));
    return true;
  }

  bool fate(const rte_flow_action& action, Op op) {
    if (has_fate_) return refuse(action, EINVAL, "can't have 2 fate actions in same flow");
    has_fate_ = true;
    return add(std::move(op));
  }

  bool in(Direction direction) const {
    return direction == (context_.attr.transfer  ? Direction::kTransfer
                         : context_.attr.ingress ? Direction::kIngress
                                                 : Direction::kEgress);
  }

  bool jump(const rte_flow_action& action) {
    const uint32_t group = static_cast<const rte_flow_action_jump*>(action.conf)->group;
    if (group == context_.attr.group) return refuse_conf(action, EINVAL, "jump to the rule's own group");
    return fate(action, op::Jump{&context_.sw.domain(context_.port, context_.attr).group(group)});
  }

  bool queue(const rte_flow_action& action) {
    if (!in(Direction::kIngress)) return refuse(action, ENOTSUP, "unsupported action QUEUE");
    const uint16_t index = static_cast<const rte_flow_action_queue*>(action.conf)->index;
    if (index >= context_.port.data().nb_rx_queues)
      return refuse_conf(action, EINVAL, "queue index out of range");
    return fate(action, op::Send{{Fate::Kind::kQueue, index, nullptr}});
  }

  bool rss(const rte_flow_action& action) {
    if (!in(Direction::kIngress)) return refuse(action, ENOTSUP, "unsupported action RSS");
    RssSpec spec;
    if (!compile_rss(action, context_.port, spec, error_)) return false;
    auto shared = std::make_shared<SharedRss>();
    shared->current.store(new RssHolder(std::move(spec)), std::memory_order_release);
    return fate(action, op::Rss{std::move(shared)});
  }

  bool port_id(const rte_flow_action& action) {
    const auto* conf = static_cast<const rte_flow_action_port_id*>(action.conf);
    return to_port(action, Fate::Kind::kWire, conf->original ? context_.port.data().port_id : conf->id);
  }

  bool ethdev(const rte_flow_action& action, Fate::Kind kind) {
    return to_port(action, kind, static_cast<const rte_flow_action_ethdev*>(action.conf)->port_id);
  }

  bool to_port(const rte_flow_action& action, Fate::Kind kind, uint32_t id) {
    if (!in(Direction::kTransfer)) {
      eswitch::refuse(error_, ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr,
                      "port action is valid in transfer mode only");
      return false;
    }
    const auto vport = id <= 0xffff ? context_.sw.vport_of(static_cast<uint16_t>(id)) : std::nullopt;
    if (!vport) return refuse_conf(action, ENODEV, "failed to obtain E-Switch port id for port");
    return fate(action, op::Send{{kind, *vport, nullptr}});
  }

  bool count(const rte_flow_action& action, std::shared_ptr<HitCounter> counter) {
    if (list_->counter) return refuse(action, EINVAL, "only one COUNT action in a flow");
    list_->counter = counter;
    return add(op::Count{std::move(counter)});
  }

  bool age(const rte_flow_action& action) {
    const auto* conf = static_cast<const rte_flow_action_age*>(action.conf);
    if (conf->timeout == 0) return refuse_conf(action, EINVAL, "aging timeout 0 is not supported");
    auto timer = std::make_shared<AgeTimer>();
    timer->timeout_s = conf->timeout;
    timer->context = conf->context;
    timer->last_hit_ms.store(coarse_ms(), std::memory_order_relaxed);
    return age(action, std::move(timer));
  }

  bool age(const rte_flow_action& action, std::shared_ptr<AgeTimer> timer) {
    if (list_->age) return refuse(action, EINVAL, "only one AGE action in a flow");
    list_->age = timer;
    return add(op::Age{std::move(timer)});
  }

  bool indirect(const rte_flow_action& action) {
    auto* handle = static_cast<rte_flow_action_handle*>(const_cast<void*>(action.conf));
    if (!context_.sw.knows(handle)) return refuse_conf(action, EINVAL, "unknown indirect action");
    if (handle->port != &context_.port && !context_.attr.transfer)
      return refuse_conf(action, EINVAL, "the indirect action is another port's");
    handles_.emplace_back(*handle);
    if (handle->counter) return count(action, handle->counter);
    if (handle->age) return age(action, handle->age);
    if (!in(Direction::kIngress)) return refuse(action, ENOTSUP, "unsupported action RSS");
    return fate(action, op::Rss{handle->rss});
  }

  bool item_encap(const rte_flow_action& action) {
    const bool vxlan = action.type == RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP;
    const rte_flow_item* definition =
        vxlan ? static_cast<const rte_flow_action_vxlan_encap*>(action.conf)->definition
              : static_cast<const rte_flow_action_nvgre_encap*>(action.conf)->definition;
    std::vector<uint8_t> bytes = header_of_items(
        action, definition, vxlan ? RTE_FLOW_ITEM_TYPE_VXLAN : RTE_FLOW_ITEM_TYPE_NVGRE, error_);
    if (bytes.empty()) return false;
    return add(op::Encap{std::make_shared<const EncapHeader>(std::move(bytes))});
  }

  bool raw_encap(const rte_flow_action& action) {
    const auto* conf = static_cast<const rte_flow_action_raw_encap*>(action.conf);
    if (conf->data == nullptr || conf->size == 0)
      return refuse_conf(action, EINVAL, "raw encap data cannot be empty");
    if (conf->size > EncapHeader::kMaxBytes) return refuse_conf(action, EINVAL, "raw encap data is too long");
    return add(op::Encap{
        std::make_shared<const EncapHeader>(std::vector<uint8_t>(conf->data, conf->data + conf->size))});
  }

  bool raw_decap(const rte_flow_action& action) {
    const auto* conf = static_cast<const rte_flow_action_raw_decap*>(action.conf);
    if (conf == nullptr || conf->data == nullptr || conf->size == 0)
      return add(Decap{Decap::Kind::kTunnel, 0});
    if (conf->size > 2 * EncapHeader::kMaxBytes)
      return refuse_conf(action, EINVAL, "raw decap data is too long");
    return add(Decap::of_template(conf->data, conf->size));
  }

  bool header_or_metadata(const rte_flow_action& action) {
    const void* conf = action.conf;
    switch (action.type) {
      case RTE_FLOW_ACTION_TYPE_MARK: {
        if (!in(Direction::kIngress) && !in(Direction::kTransfer))
          return refuse(action, ENOTSUP, "mark action not supported for egress");
        return add(op::Mark{static_cast<const rte_flow_action_mark*>(conf)->id});
      }
      case RTE_FLOW_ACTION_TYPE_SET_TAG: {
        const auto* tag = static_cast<const rte_flow_action_set_tag*>(conf);
        if (tag->index >= kTagCount) return refuse_conf(action, EINVAL, "invalid tag id");
        return add(op::SetTag{tag->index, tag->data, tag->mask});
      }
      case RTE_FLOW_ACTION_TYPE_SET_META: {
        const auto* meta = static_cast<const rte_flow_action_set_meta*>(conf);
        return add(op::SetMeta{meta->data, meta->mask});
      }
      case RTE_FLOW_ACTION_TYPE_DEC_TTL:
        return add(op::DecTtl{});
      case RTE_FLOW_ACTION_TYPE_SET_TTL:
        return add(op::SetTtl{static_cast<const rte_flow_action_set_ttl*>(conf)->ttl_value});
      case RTE_FLOW_ACTION_TYPE_SET_MAC_SRC:
      case RTE_FLOW_ACTION_TYPE_SET_MAC_DST: {
        op::SetMac set{action.type == RTE_FLOW_ACTION_TYPE_SET_MAC_SRC, {}};
        std::memcpy(set.mac.data(), static_cast<const rte_flow_action_set_mac*>(conf)->mac_addr, 6);
        return add(set);
      }
      case RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN:
        return add(op::PushVlan{
            rte_be_to_cpu_16(static_cast<const rte_flow_action_of_push_vlan*>(conf)->ethertype)});
      case RTE_FLOW_ACTION_TYPE_OF_POP_VLAN:
        return add(op::PopVlan{});
      case RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_VID: {
        const uint16_t vid =
            rte_be_to_cpu_16(static_cast<const rte_flow_action_of_set_vlan_vid*>(conf)->vlan_vid);
        if (vid > 0xfff) return refuse_conf(action, EINVAL, "VLAN VID value is too big");
        return add(op::SetVlan{vid, 0x0fff});
      }
      case RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_PCP: {
        const uint8_t pcp = static_cast<const rte_flow_action_of_set_vlan_pcp*>(conf)->vlan_pcp;
        if (pcp > 7) return refuse_conf(action, EINVAL, "VLAN PCP value is too big");
        return add(op::SetVlan{static_cast<uint16_t>(pcp << 13), 0xe000});
      }
      case RTE_FLOW_ACTION_TYPE_MODIFY_FIELD: {
        ModifyField modify{};
        return compile_modify_field(action, modify, error_) && add(modify);
      }
      default:
        return refuse(action, ENOTSUP, "action not supported");
    }
  }

  const ActionContext& context_;
  std::vector<HandleUse>& handles_;
  rte_flow_error* error_;
  std::unique_ptr<ActionList> list_;
  bool has_fate_ = false;
};

}  // namespace

std::unique_ptr<ActionList> compile_actions(const rte_flow_action actions[], const ActionContext& context,
                                            std::vector<HandleUse>& handles, rte_flow_error* error) {
  if (actions == nullptr) {
    refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_NUM, nullptr, "NULL action");
    return nullptr;
  }
  Compiler compiler(context, handles, error);
  size_t count = 0;
  while (actions[count].type != RTE_FLOW_ACTION_TYPE_END) ++count;
  compiler.reserve(count);
  for (const rte_flow_action* action = actions; action->type != RTE_FLOW_ACTION_TYPE_END; ++action)
    if (!compiler.action(*action)) return nullptr;
  return compiler.take();
}

}  // namespace eswitch
