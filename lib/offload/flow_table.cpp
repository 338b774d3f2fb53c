#include "offload/flow_table.hpp"

namespace culvert::offload {

namespace {
constexpr size_t kFirstCapacity = 1024;
constexpr size_t kReclaimBudget = 4;
constexpr size_t kOtherSeed = 0x9e3779b97f4a7c15;
}  // namespace

Result<std::unique_ptr<FlowTable>> FlowTable::create(rcu::Domain& domain) {
  std::unique_ptr<FlowTable> table(new FlowTable(domain));
  if (const Status grown = table->grow(); !grown) return tl::make_unexpected(grown.error());
  return table;
}

FlowTable::Key FlowTable::key_of(std::string_view name) {
  return {net::hash_bytes(name.data(), name.size()), net::hash_bytes(name.data(), name.size(), kOtherSeed)};
}

Status FlowTable::grow() {
  const size_t capacity = capacity_ == 0 ? kFirstCapacity : capacity_ * 2;
  auto bigger = Names::create("culvert_flows", capacity + capacity / 8, domain_);
  if (!bigger) return tl::make_unexpected(bigger.error());
  const uint32_t end = end_.load(std::memory_order_relaxed);
  for (uint32_t id = 0; id < end; ++id) {
    const Flow* flow = rows_[id].load(std::memory_order_relaxed);
    if (flow != nullptr && !flow->removed.load(std::memory_order_relaxed) &&
        !(*bigger)->assign(key_of(flow->spec.name), id))
      return error("the table of flows cannot grow to {}", capacity);
  }
  capacity_ = capacity;
  names_.replace(std::move(*bigger), retired_);
  return {};
}

Status FlowTable::insert(Flow& flow) {
  const std::lock_guard lock(mutex_);
  retired_.reclaim(kReclaimBudget);
  const Key key = key_of(flow.spec.name);
  if (names_.load()->find(key))
    return error("flow {} exists already; delete it first or choose another name", flow.spec.name);
  if (size_ == capacity_) {
    if (const Status grown = grow(); !grown) return grown;
  }
  const auto id = next_id();
  if (!id) return tl::make_unexpected(id.error());
  if (!const_cast<Names*>(names_.load())->assign(key, *id))
    return error("no memory for flow {}", flow.spec.name);
  ++size_;
  put(flow, *id);
  return {};
}

Result<Flow*> FlowTable::replace(Flow& flow) {
  const std::lock_guard lock(mutex_);
  const Key key = key_of(flow.spec.name);
  const auto old_id = names_.load()->find(key);
  if (!old_id) return error("no flow '{}'", flow.spec.name);
  const auto id = next_id();
  if (!id) return tl::make_unexpected(id.error());
  put(flow, *id);
  const_cast<Names*>(names_.load())->assign(key, *id);  // of a key that it has: cannot fail
  Flow* const old = rows_[*old_id].load(std::memory_order_relaxed);
  old->take();  // the table's lock keeps it here until it is taken
  old->removed.store(true, std::memory_order_release);
  return old;
}

Result<uint32_t> FlowTable::next_id() const {
  if (!free_ids_.empty()) return free_ids_.back();
  const uint32_t id = end_.load(std::memory_order_relaxed);
  if (id == kMaxFlows) return error("{} flows are the most", kMaxFlows);
  return id;
}

// `id`: next_id()'s.
void FlowTable::put(Flow& flow, uint32_t id) {
  flow.id = id;
  rows_[id].store(&flow, std::memory_order_release);
  if (!free_ids_.empty())
    free_ids_.pop_back();
  else
    end_.store(id + 1, std::memory_order_release);
}

Flow* FlowTable::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const Key key = key_of(name);
  const auto id = names_.load()->find(key);
  if (!id) return nullptr;
  Flow* const flow = rows_[*id].load(std::memory_order_relaxed);
  flow->take();  // the table's lock keeps it here until it is taken
  flow->removed.store(true, std::memory_order_release);
  const_cast<Names*>(names_.load())->erase(key);
  --size_;
  return flow;
}

Flow* FlowTable::find(std::string_view name) const {
  const Key key = key_of(name);
  const Flow* seen = nullptr;
  // Between the two looks another flow may have taken this one's place, or its id: then look again. (A flow
  // that was seen is not freed meanwhile, so the same pointer is the same flow.)
  for (auto id = names_.load()->find(key); id; id = names_.load()->find(key)) {
    Flow* const flow = rows_[*id].load(std::memory_order_acquire);
    const bool is_it = flow != nullptr && flow->spec.name == name;
    if (is_it && !flow->removed.load(std::memory_order_acquire)) return flow;
    if (flow != nullptr && flow == seen) break;
    seen = flow;
  }
  return nullptr;
}

void FlowTable::release(std::span<const uint32_t> ids) {
  if (ids.empty()) return;
  const std::lock_guard lock(mutex_);  // grow() looks at the flows
  for (const uint32_t id : ids) rows_[id].store(nullptr, std::memory_order_release);
  free_ids_.insert(free_ids_.end(), ids.begin(), ids.end());
}

}  // namespace culvert::offload
