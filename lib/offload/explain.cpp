// `flow explain`: the offload thread's part of the story.
#include <algorithm>

#include "offload/engine.hpp"
#include "offload/refusal.hpp"

namespace culvert::offload {

Result<std::vector<std::string>> Engine::explain(const std::string& name) const {
  const auto found_flow = std::ranges::find_if(flows_, [&](const auto& flow) {
    return flow->spec.name == name && !flow->removed.load(std::memory_order_acquire);
  });
  if (found_flow == flows_.end()) return error("no flow '{}'", name);
  const Flow& flow = **found_flow;
  std::vector<std::string> lines;
  if (flow.nodes.empty()) return lines;
  const Node& node = *flow.nodes.front();
  const Target* target = node.target;
  const EncapRow* const row = node.encap;
  if (row != nullptr && row->now.rule && target == nullptr) target = target_of(row->now.rule->port);
  lines.push_back("layout: " + (target == nullptr ? "none: its port takes no rules" : describe(*target)));
  if (row != nullptr) explain_slot(*row, lines);
  size_t number = 0;
  for (const auto& one : flow.nodes) {
    if (target == nullptr || one->kind != node.kind) continue;
    for (const Entry& entry : one->entries) explain_rule(entry, number++, lines);
  }
  if (node.is_refused()) explain_refusal(node, lines);
  if (node.reason) lines.push_back("reason: " + *node.reason);
  return lines;
}

void Engine::explain_rule(const Entry& entry, size_t number, std::vector<std::string>& lines) {
  const Installed& rule = entry.in;
  if (rule.handle == nullptr) return lines.push_back(fmt::format("rule {}: not in the NIC", number));
  const bool holds = rule.form.kind == Form::Kind::hold;
  lines.push_back(fmt::format("rule {}: in the NIC, {}, priority {}", number,
                              holds ? "sends its packets to the packet path" : "carries its packets",
                              priority(*entry.node, rule.form, rule.level)));
}

void Engine::explain_slot(const EncapRow& row, std::vector<std::string>& lines) const {
  const Node* slot = row.slot ? row.slot.get() : row.marks.empty() ? nullptr : row.marks.back().get();
  if (slot == nullptr) return;
  const bool in = slot->covers();
  lines.push_back(fmt::format("slot: {} {}",
                              slot->kind == NodeKind::mark ? fmt::format("mark {:#x},", slot->mark)
                                                           : fmt::format("tag {},", row.slot_number + 1),
                              in ? "in the NIC" : "not in the NIC"));
  if (slot->is_refused()) explain_refusal(*slot, lines);
}

// The driver's words, and which part of the rule they are about: asked again, part by part.
void Engine::explain_refusal(const Node& node, std::vector<std::string>& lines) const {
  lines.push_back("driver: " + node.refusal->words);
  if (node.entries.empty()) return;
  if (node.encap != nullptr && !node.encap->now.rule) return;  // there is no header to ask about
  Entry entry = node.entries.front();
  entry.moving = {.form = node.refusal->form, .level = 0};
  if (entry.moving.form.kind == Form::Kind::none) return;
  Rule rule;
  build(rule, entry);
  for (const std::string& line : rule.to_testpmd()) lines.push_back("rule: " + line);
  const Asking how = node.target->queue_of(node).is_async() ? Asking::templates : Asking::validate;
  lines.push_back("not wanted: " + find_culprit(rule, how).to_string());
}

std::string Engine::describe(const Target& target) {
  if (!target.unable.empty()) return fmt::format("{}: {}", target.name, target.unable);
  const char* const layout = !target.is_switch ? "egress rules by mark" : target.tagged ? "tagged" : "flat";
  return fmt::format("{}: {}, {} rules", target.name, layout,
                     target.queue->is_async() ? "asynchronous" : "classic");
}

}  // namespace culvert::offload
