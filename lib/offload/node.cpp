#include "offload/node.hpp"

#include <algorithm>

namespace culvert::offload {

void Node::set_entries(size_t count) {
  if (count <= 1) {
    entries = {&first_, count};
  } else {
    more_ = std::make_unique<Entry[]>(count);
    entries = {more_.get(), count};
  }
  for (size_t i = 0; i < count; ++i) {
    entries[i].node = this;
    entries[i].variant = static_cast<uint8_t>(i);
  }
}

bool Node::carries() const {
  const auto real = [](const Installed& rule) { return rule.form.kind == Form::Kind::real; };
  return std::ranges::any_of(entries, [&](const Entry& entry) {
    return (entry.in.handle != nullptr && real(entry.in)) ||
           (entry.busy != Entry::Busy::no && real(entry.moving));
  });
}

bool Node::has_rules() const {
  return std::ranges::any_of(entries, [](const Entry& entry) {
    return entry.in.handle != nullptr || entry.busy != Entry::Busy::no;
  });
}

bool Node::covers() const {
  return !entries.empty() &&
         std::ranges::all_of(entries, [](const Entry& entry) { return entry.in.handle != nullptr; });
}

bool Node::is_settled() const {
  return !dirty && std::ranges::all_of(entries, [this](const Entry& entry) {
    return entry.busy == Entry::Busy::no && entry.in.form == want && !entry.buried;
  });
}

std::string Node::to_string() const {
  if (flow != nullptr) return "flow " + flow->spec.name;
  switch (kind) {
    case NodeKind::slot:
    case NodeKind::mark:
      return fmt::format("slot of encap {}", encap->now.id);
    case NodeKind::steering:
      return fmt::format("steering of encap {}", encap->now.id);
    case NodeKind::fixed:
      return entries[0].variant == kEgressRoot ? "rule to the slots"
             : entries[0].variant == kNoLeak   ? "no-leak rule"
                                               : "rule for congested packets";
    default:
      return fmt::format("gate of network {}", network);
  }
}

std::unique_ptr<Node> make_node(const Explicit& what) {
  auto node = std::make_unique<Node>();
  node->kind = NodeKind::explicit_flow;
  node->set_entries(rule_matches(what.match).size());
  node->claim.emplace(*node, what.port, tunnel::masked_key(what.match), Order{what.priority, what.sequence});
  return node;
}

}  // namespace culvert::offload
