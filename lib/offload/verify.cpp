// `verify`: what should be in the NIC against what is there. It looks and says; it mends nothing.
#include <algorithm>

#include "offload/engine.hpp"

namespace culvert::offload {

// Does a rule send with what is no longer its encap's? (Of a plain NIC's marks the old ones may, until they
// are drained.)
bool Engine::has_other_header(const Node& node) const {
  const EncapRow* const row = node.encap;
  if (row == nullptr || node.kind == NodeKind::mark || node.kind == NodeKind::tunnel_source) return false;
  return std::ranges::any_of(node.entries, [&](const Entry& entry) {
    const Form& form = entry.in.form;
    if (entry.busy != Entry::Busy::no || node.dirty || form.kind != Form::Kind::real || form.generation == 0)
      return false;
    return !row->now.rule || form.generation != row->now.generation;
  });
}

void Engine::audit(const Node& node, std::vector<std::string>& found) const {
  const auto say = [&](std::string what) { found.push_back(fmt::format("{}: {}", node, what)); };
  if (node.is_refused() && node.refusal->form.kind != Form::Kind::none && node.waits_for_room())
    say(fmt::format("the NIC refused its rule: {}", node.refusal->words));
  if (node.target == nullptr) return;
  for (const Entry& entry : node.entries) {
    if (entry.busy != Entry::Busy::no || entry.in.form == node.want) continue;
    say(entry.in.handle == nullptr ? "its rule is not in the NIC" : "an old rule of it is in the NIC");
  }
  if (has_other_header(node)) say("a rule of it has another header than its encap");
  if (!node.counts() || !node.covers()) return;
  // A driver that no longer knows the rule or its counter says so.
  const auto expect = [&](const Result<Counters>& counted) {
    if (!counted) say(fmt::format("its counter cannot be read: {}", counted.error().message));
  };
  if (node.counter != nullptr) expect(node.target->queue->query_counter(node.counter));
  for (const Entry& entry : node.entries)
    if (entry.in.own_counter) expect(node.target->queue->query(entry.in.handle));
}

std::vector<std::string> Engine::audit() const {
  std::vector<std::string> found;
  uint64_t known = 0;
  size_t unsettled = 0;
  const Node* first = nullptr;
  each_node([&](const Node& node) {
    audit(node, found);
    if (node.settling != 0 && ++unsettled == 1) first = &node;
    for (const Entry& entry : node.entries)
      known += (entry.in.handle != nullptr ? 1u : 0u) + (entry.moving.handle != nullptr ? 1u : 0u);
  });
  uint64_t held = 0;
  for (const auto& target : targets_) {
    held += target->rules;
    known += target->leftovers.size();
    for (const Target::Leftover& rule : target->leftovers)
      found.push_back(
          fmt::format("{}: a rule that should be gone is in the NIC: {}", target->name, rule.what));
  }
  if (unsettled != 0)
    found.push_back(fmt::format("{} changes are under way, one of {}; `wait` returns when they are done",
                                unsettled, *first));
  if (held != known)
    found.push_back(fmt::format("{} rules were made and not destroyed, {} are known", held, known));
  std::ranges::sort(found);
  return found;
}

}  // namespace culvert::offload
