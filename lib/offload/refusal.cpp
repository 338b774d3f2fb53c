#include "offload/refusal.hpp"

#include "offload/rule_text.hpp"

namespace culvert::offload {

namespace {

constexpr rte_flow_item kEndItem{RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr};
constexpr rte_flow_item kAnyFrame{RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr, nullptr};
constexpr rte_flow_action kEndAction{RTE_FLOW_ACTION_TYPE_END, nullptr};
constexpr rte_flow_action kDrop{RTE_FLOW_ACTION_TYPE_DROP, nullptr};

bool is_fate(rte_flow_action_type type) {
  switch (type) {
    case RTE_FLOW_ACTION_TYPE_JUMP:
    case RTE_FLOW_ACTION_TYPE_QUEUE:
    case RTE_FLOW_ACTION_TYPE_RSS:
    case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT:
    case RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR:
    case RTE_FLOW_ACTION_TYPE_DROP:
      return true;
    default:
      return false;
  }
}

// Cuts a rule down: `items` items from the front, or any frame where there are none; `actions` actions from
// the front and the rule's fate, or a drop in their place.
class Cutter {
 public:
  Cutter(const Rule& rule, Asking how) : whole_(RuleParts::of(rule)), how_(how) {
    whole_.items.pop_back();
    whole_.actions.pop_back();
    has_fate_ = !whole_.actions.empty() && is_fate(whole_.actions.back().type);
  }

  size_t item_count() const { return whole_.items.size(); }
  // Those that can be left out: the fate stays.
  size_t action_count() const { return whole_.actions.size() - (has_fate_ ? 1 : 0); }
  bool has_fate() const { return has_fate_; }

  std::optional<DriverError> ask_items(size_t items) const {
    RuleParts parts{whole_.port_id, whole_.attr, {}, {kDrop, kEndAction}};
    parts.items.assign(whole_.items.begin(), whole_.items.begin() + static_cast<ptrdiff_t>(items));
    if (parts.items.empty()) parts.items.push_back(kAnyFrame);
    parts.items.push_back(kEndItem);
    return ask(parts, how_);
  }

  std::optional<DriverError> ask_actions(size_t actions) const {
    RuleParts parts = whole_;
    parts.actions.resize(actions, kEndAction);
    if (has_fate_) parts.actions.push_back(whole_.actions.back());
    parts.actions.push_back(kEndAction);
    parts.items.push_back(kEndItem);
    return ask(parts, how_);
  }

 private:
  RuleParts whole_;
  const Asking how_;
  bool has_fate_ = false;
};

struct Least {
  size_t count = 0;
  DriverError answer;
};

// The least `count` in (taken, refused] that is refused, given that `taken` is taken and `refused` is not.
template <typename Ask>
Least bisect(size_t taken, size_t refused, DriverError answer, Ask&& ask) {
  while (refused - taken > 1) {
    const size_t middle = taken + (refused - taken) / 2;
    if (auto error = ask(middle)) {
      refused = middle;
      answer = *std::move(error);
    } else {
      taken = middle;
    }
  }
  return {refused, std::move(answer)};
}

}  // namespace

std::optional<DriverError> ask(const RuleParts& parts, Asking how) {
  if (how == Asking::templates) return try_templates(parts);
  rte_flow_error error{};
  const int rc =
      rte_flow_validate(parts.port_id, &parts.attr, parts.items.data(), parts.actions.data(), &error);
  return rc == 0 ? std::nullopt : std::optional(DriverError::of(error, rc));
}

std::optional<DriverError> ask(const Rule& rule, Asking how) { return ask(RuleParts::of(rule), how); }

Culprit find_culprit(const Rule& rule, Asking how) {
  auto refusal = ask(rule, how);
  if (!refusal) return {};
  const Cutter cutter(rule, how);

  if (auto error = cutter.ask_items(0)) {
    const Place& place = rule.place();
    const char* domain = rule.attr().transfer ? "transfer" : rule.attr().ingress ? "ingress" : "egress";
    return {Culprit::Part::attributes, 0,
            fmt::format("{} group {} priority {}", domain, place.group, place.priority), *std::move(error)};
  }
  if (auto error = cutter.ask_items(cutter.item_count())) {
    const Least least = bisect(0, cutter.item_count(), *std::move(error),
                               [&cutter](size_t count) { return cutter.ask_items(count); });
    return {Culprit::Part::item, least.count - 1, to_string(rule.items()[least.count - 1]), least.answer};
  }
  // The fate alone; a rule without one keeps its first action instead, since one without actions means
  // nothing.
  const size_t fewest = cutter.has_fate() ? 0 : 1;
  size_t index = cutter.has_fate() ? cutter.action_count() : 0;
  auto error = cutter.ask_actions(fewest);
  if (!error) {
    const Least least = bisect(fewest, cutter.action_count(), *std::move(refusal),
                               [&cutter](size_t count) { return cutter.ask_actions(count); });
    index = least.count - 1;
    error = least.answer;
  }
  return {Culprit::Part::action, index, to_string(rule.actions()[index]), *std::move(error)};
}

std::string Culprit::to_string() const {
  switch (part) {
    case Part::attributes:
      return fmt::format("{}: {}", text, answer.to_string());
    case Part::item:
      return fmt::format("item {}, {}: {}", index, text, answer.to_string());
    case Part::action:
      return fmt::format("action {}, {}: {}", index, text, answer.to_string());
    default:
      return "the driver takes such a rule when it is asked";
  }
}

}  // namespace culvert::offload
