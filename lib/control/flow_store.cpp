#include "control/flow_store.hpp"

namespace culvert::control {

const FlowStore::Row& FlowStore::add(const tunnel::Flow& flow, Source source) {
  auto id = static_cast<dataplane::FlowId>(rows_.size());
  if (!free_ids_.empty()) id = free_ids_.extract(free_ids_.begin()).value();
  by_tunnel_[flow.tunnel].insert(flow.name);
  overlaps_.add(flow);
  return rows_[flow.name] = {id, next_sequence_++, source, flow};
}

const FlowStore::Row& FlowStore::change(const tunnel::Flow& flow) {
  const Row before = rows_.at(flow.name);
  remove(flow.name);
  free_ids_.erase(before.id);
  by_tunnel_[flow.tunnel].insert(flow.name);
  overlaps_.add(flow);
  return rows_[flow.name] = {before.id, before.sequence, before.source, flow};
}

void FlowStore::remove(const std::string& name) {
  const auto row = rows_.find(name);
  const tunnel::Flow& flow = row->second.flow;
  const auto users = by_tunnel_.find(flow.tunnel);
  users->second.erase(name);
  if (users->second.empty()) by_tunnel_.erase(users);
  overlaps_.remove(flow);
  free_ids_.insert(row->second.id);
  rows_.erase(row);
}

const FlowStore::Row* FlowStore::find(const std::string& name) const {
  const auto row = rows_.find(name);
  return row == rows_.end() ? nullptr : &row->second;
}

const std::set<std::string>& FlowStore::into(const std::string& tunnel) const {
  static const std::set<std::string> none;
  const auto users = by_tunnel_.find(tunnel);
  return users == by_tunnel_.end() ? none : users->second;
}

}  // namespace culvert::control
