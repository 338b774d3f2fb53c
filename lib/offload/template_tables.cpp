#include "offload/template_tables.hpp"

#include <rte_ethdev.h>

#include <algorithm>

#include "base/log.hpp"

namespace culvert::offload {

namespace {

const Log kLog("offload.tables");

// Each further table of a shape is larger: a packet is looked up in all of them.
constexpr uint32_t kFirstCapacity = 1024, kLargestCapacity = 1u << 18, kGrowth = 4;
// Empty tables are kept up to so many tables in all.
constexpr size_t kTablesKept = 64;

void warn(const char* what, const rte_flow_error& error, int code) {
  kLog.warning("{} does not go: {}", what, DriverError::of(error, code).to_string());
}

// The one in `map`, made where there is none.
template <typename Map, typename Make>
auto find_or_make(Map& map, std::string_view key, Make&& make) {
  const auto found = map.find(key);
  if (found != map.end()) return found->second;
  auto made = make();
  if (made != nullptr) map.emplace(key, made);
  return made;
}

}  // namespace

TemplateTables::~TemplateTables() {
  if (rte_eth_dev_is_removed(port_id_) == 1)
    return;  // the device's, and rules are in them: they go when it is closed
  rte_flow_error error{};
  for (auto& [key, tables] : tables_)
    for (const TemplateTable& table : tables)
      if (const int rc = rte_flow_template_table_destroy(port_id_, table.handle, &error); rc != 0)
        warn("a template table", error, rc);
  for (auto& [key, made] : actions_)
    if (const int rc = rte_flow_actions_template_destroy(port_id_, made, &error); rc != 0)
      warn("an actions template", error, rc);
  for (auto& [key, made] : patterns_)
    if (const int rc = rte_flow_pattern_template_destroy(port_id_, made, &error); rc != 0)
      warn("a pattern template", error, rc);
}

TemplateTable* TemplateTables::table_for(const Rule& rule, DriverError& error) {
  const TemplateKey key(rule);
  auto found = tables_.find(key.table());
  if (found == tables_.end()) found = tables_.try_emplace(std::string(key.table())).first;
  // The newest stands first: the older ones are full, unless rules have gone since.
  for (TemplateTable& table : found->second)
    if (table.rules < table.capacity) return &table;
  return add_table(rule, key, found->second, error);
}

TemplateTable* TemplateTables::add_table(const Rule& rule, const TemplateKey& key,
                                         std::list<TemplateTable>& tables, DriverError& error) {
  const RuleParts parts = RuleParts::of(rule);
  auto* pattern = find_or_make(patterns_, key.pattern(), [&] { return make_pattern_template(parts, error); });
  if (pattern == nullptr) return nullptr;
  auto* actions = find_or_make(actions_, key.actions(), [&] { return make_actions_template(parts, error); });
  if (actions == nullptr) return nullptr;
  const uint32_t capacity =
      tables.empty() ? kFirstCapacity : std::min(tables.front().capacity * kGrowth, kLargestCapacity);
  auto* handle = make_table(parts, capacity, pattern, actions, error);
  if (handle == nullptr) return nullptr;
  ++table_count_;
  return &tables.emplace_front(TemplateTable{handle, capacity, 0, &tables});
}

void TemplateTables::on_empty(TemplateTable* table) {
  if (table_count_ <= kTablesKept) return;
  rte_flow_error error{};
  if (const int rc = rte_flow_template_table_destroy(port_id_, table->handle, &error); rc != 0)
    return warn("a template table", error, rc);
  --table_count_;
  std::list<TemplateTable>& siblings = *table->siblings;
  siblings.remove_if([table](const TemplateTable& one) { return &one == table; });
}

}  // namespace culvert::offload
