#include "dataplane/classifier.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace culvert::dataplane {

void classify(const PortFlows& flows, std::span<const tunnel::MatchKey> keys,
              std::span<const FlowNode*> found) {
  std::array<FlowTable::Probe, kMostKeys> probes;
  std::ranges::fill(found, nullptr);
  for (const FlowTable* table : flows.tables) {
    for (size_t i = 0; i < keys.size(); ++i) table->begin(std::bit_cast<MatchWords>(keys[i]), probes[i]);
    for (size_t i = 0; i < keys.size(); ++i) FlowTable::prefetch(probes[i]);
    for (size_t i = 0; i < keys.size(); ++i) {
      const FlowNode* const node = table->finish(probes[i]);
      if (node != nullptr && (found[i] == nullptr || node->rank < found[i]->rank)) found[i] = node;
    }
  }
}

Classifier::Classifier(std::span<rcu::Published<PortFlows>> published, rcu::Domain& domain,
                       rcu::RetireQueue& retired)
    : published_(published), domain_(domain), retired_(retired), ports_(published.size()) {}

const FlowRule* Classifier::find(FlowId id) const {
  return id < flows_.size() && flows_[id].node != nullptr ? &flows_[id].rule : nullptr;
}

void Classifier::set(FlowId id, const FlowRule& rule) {
  if (id >= flows_.size()) flows_.resize(id + size_t{1});
  const tunnel::MaskedKey key = tunnel::masked_key(rule.match);
  Flow flow{rule, &table_for(rule.port, key.mask), std::make_unique<FlowNode>()};
  flow.node->id = id;
  flow.node->encap = rule.encap;
  flow.node->rank = {rule.priority, rule.sequence};
  flow.table->insert(*flow.node, key.value, domain_, retired_);
  ++ports_[rule.port].flows;
  take_out(std::exchange(flows_[id], std::move(flow)));
}

void Classifier::remove(FlowId id) {
  if (find(id) != nullptr) take_out(std::exchange(flows_[id], {}));
}

void Classifier::take_out(Flow flow) {
  if (flow.node == nullptr) return;
  Port& port = ports_[flow.rule.port];
  flow.table->erase(*flow.node);
  retired_.retire(std::move(flow.node));
  --port.flows;
  if (flow.table->size() != 0) return;
  const auto at = std::ranges::find(port.tables, flow.table, &std::unique_ptr<FlowTable>::get);
  std::unique_ptr<FlowTable> empty = std::move(*at);
  port.tables.erase(at);
  publish(flow.rule.port);
  retired_.retire(std::move(empty));
}

FlowTable& Classifier::table_for(PortIndex port, const tunnel::MatchKey& mask) {
  auto& tables = ports_[port].tables;
  const auto at = std::ranges::find(
      tables, mask, [](const auto& table) -> const auto& { return table->mask(); });
  if (at != tables.end()) return **at;
  tables.push_back(std::make_unique<FlowTable>(mask, retired_));
  publish(port);
  return *tables.back();
}

void Classifier::publish(PortIndex port) {
  std::unique_ptr<PortFlows> flows;
  if (!ports_[port].tables.empty()) {
    flows = std::make_unique<PortFlows>();
    for (const auto& table : ports_[port].tables) flows->tables.push_back(table.get());
  }
  published_[port].replace(std::move(flows), retired_);
}

}  // namespace culvert::dataplane
