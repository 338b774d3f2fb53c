// Room: what the NIC refused is asked for again when something left, and once in a while.
#include <algorithm>

#include "offload/engine.hpp"

namespace culvert::offload {

namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstBackOff = 1s;
constexpr Duration kLongestBackOff = 30s;
constexpr size_t kRetryBudget = 64;  // refused nodes looked at a turn

}  // namespace

void Engine::want_room(Node& node) {
  no_room_wanted(node);
  Refusal& refusal = *node.refusal;
  refusal.waits_for_room = true;
  ++refusal.attempts;
  const bool first = node.kind == NodeKind::slot || node.kind == NodeKind::mark;  // all its flows wait for it
  const Order order = first        ? Order{}
                      : node.claim ? node.claim->order
                                   : Order{kNetworkPriority, node.sequence};
  refusal.place = {refusal.attempts, order, &node};
  Target& target = *node.target;
  target.refused.insert(refusal.place);
  target.room = 0;
  if (target.retry_at == TimePoint{}) {
    target.back_off = kFirstBackOff;
    target.retry_at = Clock::now() + target.back_off;
  }
}

void Engine::no_room_wanted(Node& node) {
  if (!node.waits_for_room()) return;
  node.refusal->waits_for_room = false;
  node.target->refused.erase(node.refusal->place);
}

void Engine::retry(TimePoint now) {
  for (const auto& target : targets_) {
    bool timed = false;
    if (!target->leftovers.empty() || !target->refused.empty()) {
      if (now >= target->retry_at) {
        target->back_off = std::clamp(target->back_off * 2, kFirstBackOff, kLongestBackOff);
        target->retry_at = now + target->back_off;
        target->room = std::max<size_t>(target->room, 1);
        timed = true;
        for (Target::Leftover& rule : target->leftovers) {
          if (rule.queue.room() == 0 || std::exchange(rule.posted, true)) continue;
          rule.queue.destroy(rule.handle, static_cast<Cookie*>(&rule));
        }
      }
    } else {
      target->retry_at = {};
      target->back_off = {};
    }
    size_t looks = kRetryBudget;
    std::vector<Node*> again;
    for (const auto& waiting : target->refused) {
      if (target->room == 0 || looks-- == 0) break;
      Node* const node = std::get<Node*>(waiting);
      // Less than it needs may be what it has just left itself.
      if (node->entries.size() > target->room && !std::exchange(timed, false)) continue;
      target->room -= std::min(target->room, node->entries.size());
      again.push_back(node);
    }
    for (Node* node : again) {
      node->forget_refusal();
      node->refusal->of_hold = false;
      target->refused.erase(node->refusal->place);  // it comes back if it is refused again
      // Who waits for what made the room waits for this too.
      mark_dirty(*node, barriers_.empty() ? 0 : barriers_.begin()->first);
    }
  }
}

}  // namespace culvert::offload
