// The end of nodes: their rules are withdrawn, then nothing may refer to them, then they are freed.
#include <algorithm>

#include "base/log.hpp"
#include "offload/engine.hpp"

namespace culvert::offload {

namespace {
const Log kLog("offload");
}  // namespace

void Engine::doom(Node& node, uint64_t since) {
  if (std::exchange(node.doomed, true)) return;
  mark_dirty(node, since);
  if (node.kind == NodeKind::tunnel_source && --node.target->tunnel_sources == 0)
    for (const auto& fixed : node.target->fixed) mark_dirty(*fixed, since);
}

void Engine::retire_node(std::unique_ptr<Node> node) {
  node->flow = nullptr;
  doom(*node);
  doomed_.push_back(std::move(node));
}

void Engine::retire_marks(EncapRow& row, const std::function<bool(const Node&)>& goes) {
  std::erase_if(row.marks, [&](std::unique_ptr<Node>& mark) {
    if (!goes(*mark)) return false;
    retire_node(std::move(mark));
    return true;
  });
}

// True: nothing of it is in the NIC or refers to it any more.
bool Engine::release(Node& node) {
  if (!node.doomed || node.dirty || node.settling != 0 || node.has_rules()) return false;
  if (node.counter != nullptr) {
    if (const Status gone = node.target->queue->destroy_counter(node.counter); !gone)
      kLog.warning("{}: a counter could not be given back: {}", node.target->name, gone.error().message);
    node.counter = nullptr;
  }
  if (node.claim) node.target->claims[node.claim->port].remove(*node.claim);
  node.claim.reset();
  if (node.counting_place != 0) counting_.take(node);
  no_room_wanted(node);
  if (EncapRow* const row = std::exchange(node.encap, nullptr)) {
    if (node.encap_place != 0) row->nodes.take(node);
    encaps_leaving_ = encaps_leaving_ || row->removed;
    --row->users;
  }
  return true;
}

void Engine::look_whether_gone(Flow& flow) {
  if (!std::exchange(flow.may_be_gone, true)) perhaps_gone_.push_back(&flow);
}

// Nothing of it is in the NIC or refers to it any more. While a reader has it, it is looked at again.
bool Engine::is_gone(Flow& flow) {
  if (!std::ranges::all_of(flow.nodes, [this](const auto& node) { return release(*node); })) return false;
  if (!std::exchange(flow.released, true)) flow.give();  // the engine's own
  if (flow.references.load(std::memory_order_acquire) == 0) return true;
  look_whether_gone(flow);
  return false;
}

void Engine::reap() {
  // Once all that was dirty has been decided, and not with each portion of it: there may be many.
  if (next_decision_ == deciding_.size())
    std::erase_if(doomed_, [this](const auto& node) { return release(*node); });
  std::vector<Flow*> perhaps = std::exchange(perhaps_gone_, {});
  std::erase_if(perhaps, [this](Flow* flow) {
    flow->may_be_gone = false;
    return !is_gone(*flow);
  });
  std::vector<uint32_t> ids;
  for (const Flow* const flow : perhaps) ids.push_back(flow->id);
  table_.release(ids);
  for (Flow* const flow : perhaps) retired_.retire(leaving_.take(*flow));
  if (!std::exchange(encaps_leaving_, false)) return;
  std::erase_if(encaps_, [](const auto& entry) { return entry.second->removed && entry.second->users == 0; });
}

}  // namespace culvert::offload
