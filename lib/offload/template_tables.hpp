// The templates and tables of one async port, made when a rule first needs them.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "offload/template_lists.hpp"

namespace culvert::offload {

// One table of the driver's. Its rules are of one shape, group and priority.
struct TemplateTable {
  rte_flow_template_table* handle = nullptr;
  uint32_t capacity = 0;
  uint32_t rules = 0;                            // in it, or on the way in or out
  std::list<TemplateTable>* siblings = nullptr;  // the list it stands in
};

// Owned and used by the thread that owns the port's rules.
class TemplateTables {
 public:
  explicit TemplateTables(uint16_t port_id) : port_id_(port_id) {}
  TemplateTables(const TemplateTables&) = delete;
  TemplateTables& operator=(const TemplateTables&) = delete;
  // Destroys all tables and templates; no rule may be left in them.
  ~TemplateTables();

  // A table with room for this rule; where those of its shape are full, a further and larger one is made.
  // Null: refused, and why is in `error`. The caller counts `rules`.
  TemplateTable* table_for(const Rule& rule, DriverError& error);

  // To be called when the last rule of `table` is gone: keeps it for the next rule, or destroys it where many
  // tables are empty.
  void on_empty(TemplateTable* table);

  size_t table_count() const { return table_count_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  template <typename T>
  using Map = std::unordered_map<std::string, T, Hash, std::equal_to<>>;

  TemplateTable* add_table(const Rule& rule, const TemplateKey& key, std::list<TemplateTable>& tables,
                           DriverError& error);

  const uint16_t port_id_;
  Map<rte_flow_pattern_template*> patterns_;
  Map<rte_flow_actions_template*> actions_;
  Map<std::list<TemplateTable>> tables_;  // by TemplateKey::table()
  size_t table_count_ = 0;
};

}  // namespace culvert::offload
