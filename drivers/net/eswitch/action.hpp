// Actions compiled: each rte_flow action is one small structure, and a rule's are a list of them, executed in
// order.
#pragma once

#include <array>
#include <memory>
#include <variant>
#include <vector>

#include "counter.hpp"
#include "encap.hpp"
#include "modify.hpp"
#include "rcu.hpp"

namespace eswitch {

class Table;

/// What an AGE action watches. The switch thread writes last_hit_ms; the rest belongs to the switch's lock.
struct AgeTimer {
  std::atomic<uint64_t> last_hit_ms{0};  // coarse_ms() of the last packet, at first of the rule's creation
  uint32_t timeout_s = 0;
  void* context = nullptr;
  bool expired = false;   // has been seen expired
  bool reported = false;  // given out by get_aged_flows
  size_t place = 0;       // in the switch's list of timers
};

/// A receive-side scaling set-up. Immutable once published.
struct RssSpec {
  uint64_t types = 0;
  uint32_t level = 0;  // 0, 1: outermost; 2: inner
  std::vector<uint8_t> key;
  std::vector<uint16_t> queues;  // indexed by hash modulo size
};

/// An RSS action's set-up by reference: an indirect action may be updated under rules that use it.
struct RssHolder : Retirable {
  explicit RssHolder(RssSpec spec) : spec(std::move(spec)) {}
  RssSpec spec;
};
struct SharedRss {
  std::atomic<const RssHolder*> current{nullptr};
  ~SharedRss() { delete current.load(std::memory_order_relaxed); }
};

namespace op {
struct Jump {
  const Table* table;
};
struct Drop {};
struct Passthru {};
struct Count {
  std::shared_ptr<HitCounter> counter;
};
struct Age {
  std::shared_ptr<AgeTimer> timer;
};
struct Mark {
  uint32_t id;
};
struct SetTag {
  uint8_t index;
  uint32_t data, mask;
};
struct SetMeta {
  uint32_t data, mask;
};
struct DecTtl {};
struct SetTtl {
  uint8_t ttl;
};
struct SetMac {
  bool source;
  std::array<uint8_t, 6> mac;
};
struct PushVlan {
  uint16_t tpid;
};
struct PopVlan {};
struct SetVlan {  // VID or PCP
  uint16_t tci, mask;
};
struct Encap {
  std::shared_ptr<const EncapHeader> header;
};
struct Send {
  Fate fate;
};
struct Rss {
  std::shared_ptr<SharedRss> rss;
};
}  // namespace op

using Op = std::variant<op::Jump, op::Drop, op::Passthru, op::Count, op::Age, op::Mark, op::SetTag,
                        op::SetMeta, op::DecTtl, op::SetTtl, op::SetMac, op::PushVlan, op::PopVlan,
                        op::SetVlan, op::Encap, Decap, ModifyField, op::Send, op::Rss>;

/// Immutable once published.
struct ActionList : Retirable {
  std::vector<Op> ops;
  std::vector<rte_flow_action_type> types;  // as the application gave them, for dumps
  std::shared_ptr<HitCounter> counter;      // of a COUNT action, direct or not
  std::shared_ptr<AgeTimer> age;
};

/// Milliseconds of a monotonic clock, cheap to read.
uint64_t coarse_ms();

/// The name of an action type as testpmd spells it, for dumps.
const char* action_name(rte_flow_action_type type);

}  // namespace eswitch
