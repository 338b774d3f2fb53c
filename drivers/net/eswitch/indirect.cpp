#include "indirect.hpp"

#include "action_compile.hpp"
#include "ageing.hpp"
#include "flow_error.hpp"
#include "flow_rules.hpp"
#include "mlx5_profile.hpp"
#include "port.hpp"
#include "rss.hpp"
#include "switch.hpp"
#include "templates.hpp"

namespace eswitch {
namespace {

int unknown(const rte_flow_action_handle* handle, rte_flow_error* error) {
  return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, handle, "not an indirect action of this port");
}

bool belongs(const Port& port, const rte_flow_action_handle* handle) {
  return port.sw().knows(handle) && handle->port == &port;
}

bool fill(Port& port, rte_flow_action_handle& handle, const rte_flow_action& action, rte_flow_error* error) {
  if (action.type == RTE_FLOW_ACTION_TYPE_COUNT) {
    handle.counter = std::make_shared<HitCounter>();
    return true;
  }
  if (action.conf == nullptr) return refuse_action(error, EINVAL, &action, "NULL action configuration");
  if (action.type == RTE_FLOW_ACTION_TYPE_AGE) {
    const auto* conf = static_cast<const rte_flow_action_age*>(action.conf);
    if (conf->timeout == 0) return refuse_action(error, EINVAL, &action, "aging timeout 0 is not supported");
    handle.age = std::make_shared<AgeTimer>();
    handle.age->timeout_s = conf->timeout;
    handle.age->context = conf->context != nullptr ? conf->context : &handle;
    handle.age->last_hit_ms.store(coarse_ms(), std::memory_order_relaxed);
    return true;
  }
  if (action.type == RTE_FLOW_ACTION_TYPE_RSS) {
    RssSpec spec;
    if (!compile_rss(action, port, spec, error)) return false;
    handle.rss = std::make_shared<SharedRss>();
    handle.rss->current.store(new RssHolder(std::move(spec)), std::memory_order_release);
    return true;
  }
  return refuse_action(error, ENOTSUP, &action, "action type not supported");
}

template <typename Call>
auto locked(rte_eth_dev* dev, Call&& call) {
  Port& port = port_of(dev);
  const std::lock_guard guard(port.sw().lock);
  return call(port);
}

}  // namespace

rte_flow_action_handle* make_indirect(Port& port, const rte_flow_indir_action_conf& conf,
                                      const rte_flow_action& action, rte_flow_error* error) {
  if (port.removed()) {
    refuse(error, EIO, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "the device was removed");
    return nullptr;
  }
  Switch& sw = port.sw();
  if (sw.profile == Profile::kMlx5 && !mlx5_accepts_indirect(port, action, error)) return nullptr;
  auto handle = std::make_unique<rte_flow_action_handle>();
  handle->type = action.type;
  handle->port = &port;
  handle->transfer = conf.transfer != 0;
  if (!fill(port, *handle, action, error)) return nullptr;
  const Objects made{handle->counter != nullptr, handle->age != nullptr};
  if (!take_objects(port, made)) {
    refuse(error, ENOSPC, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "no counter or aging object is left");
    return nullptr;
  }
  if (port.flow_queues) handle->taken = made;
  if (handle->age) watch_age(sw, port, handle->age);
  sw.handles.insert(handle.get());
  return handle.release();
}

int destroy_indirect(Port& port, rte_flow_action_handle* handle, rte_flow_error* error) {
  Switch& sw = port.sw();
  if (!belongs(port, handle)) return unknown(handle, error);
  if (handle->users > 0)
    return refuse(error, EBUSY, RTE_FLOW_ERROR_TYPE_ACTION, handle, "rules still use the indirect action");
  if (handle->age) forget_age(sw, handle->age);
  give_objects(port, handle->taken);
  sw.handles.erase(handle);
  delete handle;
  return 0;
}

int update_indirect(Port& port, rte_flow_action_handle* handle, const void* update, rte_flow_error* error) {
  if (!belongs(port, handle)) return unknown(handle, error);
  const auto* action = static_cast<const rte_flow_action*>(update);
  if (handle->type != RTE_FLOW_ACTION_TYPE_RSS || action->type != RTE_FLOW_ACTION_TYPE_RSS ||
      action->conf == nullptr)
    return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, handle, "only an RSS action can be updated");
  RssSpec spec;
  if (!compile_rss(*action, port, spec, error)) return -rte_errno;
  const RssHolder* old =
      handle->rss->current.exchange(new RssHolder(std::move(spec)), std::memory_order_acq_rel);
  port.sw().rcu.retire(std::unique_ptr<Retirable>(const_cast<RssHolder*>(old)));
  port.sw().rcu.reclaim();
  return 0;
}

int query_indirect(Port& port, const rte_flow_action_handle* handle, void* data, rte_flow_error* error) {
  if (!belongs(port, handle)) return unknown(handle, error);
  const rte_flow_action action{handle->type, nullptr};
  return query_action(port.sw(), handle->counter.get(), handle->age.get(), action, data, error) ? 0
                                                                                                : -rte_errno;
}

void forget_indirect(Port& port) {
  Switch& sw = port.sw();
  for (auto at = sw.handles.begin(); at != sw.handles.end();) {
    rte_flow_action_handle* handle = *at;
    // A transfer action may be in rules of other ports; it then goes with the last of them, when the device
    // closes.
    if (handle->port != &port || handle->users > 0) {
      ++at;
      continue;
    }
    if (handle->age) forget_age(sw, handle->age);
    at = sw.handles.erase(at);
    delete handle;
  }
}

void set_indirect_ops(rte_flow_ops& ops) {
  ops.action_handle_create = [](rte_eth_dev* dev, const rte_flow_indir_action_conf* conf,
                                const rte_flow_action* action, rte_flow_error* error) {
    return locked(dev, [&](Port& port) { return make_indirect(port, *conf, *action, error); });
  };
  ops.action_handle_destroy = [](rte_eth_dev* dev, rte_flow_action_handle* handle, rte_flow_error* error) {
    return locked(dev, [&](Port& port) { return destroy_indirect(port, handle, error); });
  };
  ops.action_handle_update = [](rte_eth_dev* dev, rte_flow_action_handle* handle, const void* update,
                                rte_flow_error* error) {
    return locked(dev, [&](Port& port) { return update_indirect(port, handle, update, error); });
  };
  ops.action_handle_query = [](rte_eth_dev* dev, const rte_flow_action_handle* handle, void* data,
                               rte_flow_error* error) {
    const int code = port_of(dev).fault(Faults::Op::kQuery);
    if (code != 0)
      return refuse(error, code, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, nullptr, "hardware refuses the operation");
    return locked(dev, [&](Port& port) { return query_indirect(port, handle, data, error); });
  };
}

}  // namespace eswitch
