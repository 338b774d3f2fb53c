// Precedence between what overlaps: whichever of them are in the NIC, the one that is looked at first has the
// packets.
#include <algorithm>

#include "offload/engine.hpp"

namespace culvert::offload {

Engine::Overlaps Engine::overlaps_of(const Node& node) const {
  Overlaps found;
  if (!node.claim || node.claim->overlaps == 0) return found;
  const Claim& claim = *node.claim;
  node.target->claims[claim.port].overlapping(claim, [&](Claim& other) {
    // Of equal order are only a flow and what it replaces, of which either may have the packets.
    if (other.order != claim.order)
      (other.order < claim.order ? found.higher : found.lower).push_back(other.node);
  });
  return found;
}

// Others look anew at what this one has become, those that may act on it: each of N flows that comes and goes
// ahead of M stations would else have M decisions made, which look at N flows each.

// They wait for it to leave, or hold its packets.
void Engine::tell_higher(const Node& node, const Overlaps& overlaps) {
  for (Node* other : overlaps.higher)
    if (other->want.kind != Form::Kind::real || !other->is_settled()) mark_dirty(*other, node.settling);
}

// They may go in behind it, or have to leave because it is not in.
void Engine::tell_lower(const Node& node, const Overlaps& overlaps) {
  const bool lets_in = node.doomed || (node.want.kind != Form::Kind::none && node.covers());
  const Form::Kind unmoved = lets_in ? Form::Kind::real : Form::Kind::none;
  for (Node* other : overlaps.lower)
    if (other->want.kind != unmoved) mark_dirty(*other, node.settling);
}

// The first one of higher precedence that has not all its packets in hand.
const Node* Engine::blocker_of(const Overlaps& overlaps) {
  const Node* found = nullptr;
  for (const Node* other : overlaps.higher) {
    if (other->doomed || (other->want.kind != Form::Kind::none && other->covers())) continue;
    found = other;
    if (other->want.kind == Form::Kind::none) break;  // one that stays out decides
  }
  return found;
}

// Would others of lower precedence take its packets?
bool Engine::holds_back(const Overlaps& overlaps) {
  return std::ranges::any_of(overlaps.lower, [](const Node* other) { return other->claim->desires; });
}

// Does one of higher precedence need its place?
bool Engine::makes_way(const Overlaps& overlaps) {
  return std::ranges::any_of(overlaps.higher,
                             [](const Node* other) { return !other->doomed && other->claim->no_room; });
}

// Not before those have left that would take its packets; a hold takes none.
bool Engine::may_leave(const Node& node) const {
  if (!node.claim || node.doomed || ending_) return true;
  return std::ranges::none_of(overlaps_of(node).lower, &Node::carries);
}

// A place among the driver's priorities: where its own priority would be, moved between those it overlaps
// with.
bool Engine::find_base(Node& node, const Overlaps& overlaps) {
  Claim& claim = *node.claim;
  if (claim.base) return true;
  const uint32_t bases = std::max(1u, node.target->able.priorities(Domain::transfer, kEntry) / kLevels);
  int64_t low = 0, high = int64_t{bases} - 1;
  for (const Node* other : overlaps.higher)
    if (other->claim->base) low = std::max(low, int64_t{*other->claim->base} + 1);
  for (const Node* other : overlaps.lower)
    if (other->claim->base) high = std::min(high, int64_t{*other->claim->base} - 1);
  if (low > high) return false;
  const auto own = static_cast<int64_t>(uint64_t{claim.order.priority} * (bases - 1) / kNetworkPriority);
  claim.base = static_cast<uint32_t>(std::clamp(own, low, high));
  return true;
}

}  // namespace culvert::offload
