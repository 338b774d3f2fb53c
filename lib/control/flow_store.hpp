// The explicit flows that the configuration and the shell want, with the numbers that the packet path and the
// NIC know them by. It only remembers. Control lcore only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "config/flow_overlaps.hpp"
#include "dataplane/ids.hpp"
#include "tunnel/flow.hpp"

namespace culvert::control {

class FlowStore {
 public:
  enum class Source : uint8_t { config, shell };

  struct Row {
    dataplane::FlowId id = 0;  // the lowest that was free
    uint64_t sequence = 0;     // counts up: of two of one priority the lower wins
    Source source = Source::config;
    tunnel::Flow flow;
  };

  // The name is free. The row stays where it is until it is removed.
  const Row& add(const tunnel::Flow& flow, Source source);
  // The flow of that name is there; its id, its sequence and its source stay.
  const Row& change(const tunnel::Flow& flow);
  void remove(const std::string& name);

  // Null: there is none.
  const Row* find(const std::string& name) const;
  // By name.
  const std::map<std::string, Row>& rows() const { return rows_; }
  // The names of the flows into a tunnel.
  const std::set<std::string>& into(const std::string& tunnel) const;
  // The name of another flow that takes packets of `flow` at the same priority.
  std::optional<std::string> overlapping(const tunnel::Flow& flow) { return overlaps_.find(flow); }

 private:
  std::map<std::string, Row> rows_;
  std::map<std::string, std::set<std::string>> by_tunnel_;  // no empty sets
  config::FlowOverlaps overlaps_;
  std::set<dataplane::FlowId> free_ids_;  // below rows_.size() + free_ids_.size()
  uint64_t next_sequence_ = 0;
};

}  // namespace culvert::control
