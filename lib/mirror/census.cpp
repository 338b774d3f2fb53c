#include "mirror/census.hpp"

#include <fmt/format.h>

namespace culvert::mirror {
namespace {

std::string describe(const Link& link) { return fmt::format("link {}", link.name); }
std::string describe(const Address& address) { return fmt::format("address {}", address.local); }
std::string describe(const Neighbour& neighbour) { return fmt::format("neighbour {}", neighbour.ip); }
std::string describe(const PolicyRule& rule) { return fmt::format("rule {}", rule.priority); }
std::string describe(const Nexthop& nexthop) { return fmt::format("nexthop {}", nexthop.id); }
std::string describe(const RouteTable::Found& found) {
  const Path& route = *found.path;
  std::string text = fmt::format("{} route {} table {} metric {} protocol {}", route.type_name(), found.dst,
                                 route.table, route.metric, route.protocol_name());
  if (route.nexthop_id != 0) text += fmt::format(" nexthop {}", route.nexthop_id);
  if (route.prefsrc) text += fmt::format(" src {}", *route.prefsrc);
  for (const Hop& hop : route.hops)
    text += fmt::format(" [via {} link {} weight {} flags {:#x}]", hop.via ? hop.via->to_string() : "-",
                        hop.ifindex, hop.weight, hop.flags) +
            (hop.encap != 0 ? fmt::format(" encap {}", hop.encap_name()) : "");
  return text;
}

template <typename T>
void append(std::vector<netlink::Object>& all, std::vector<T> objects) {
  for (T& object : objects) all.emplace_back(std::move(object));
}

}  // namespace

void Census::begin(bool everything) {
  if (mark_ > UINT32_MAX / 2) {  // once in two thousand million messages
    store_.forget_marks();
    mark_ = 0;
  }
  everything_ = everything;
  oldest_ = mark_ + 1;
  stale_known_ = false;
  forget();
}

// The rows of a dump that came to nothing.
void Census::forget() {
  for (; entered_rows_ < staged_rows_.size(); ++entered_rows_) store_.discard(staged_rows_[entered_rows_]);
  staged_rows_ = {};
  entered_rows_ = 0;
  staged_.clear();
  stale_.clear();
  stale_rows_ = {};
}

void Census::take(const netlink::Object& object) {
  if (const auto* route = std::get_if<Route>(&object)) return take(*route);
  ++mark_;
  const bool confirmed = std::visit(
      [&](const auto& value) {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, Route>)
          return true;
        else
          return store_.confirm(value, mark_);
      },
      object);
  if (!confirmed) staged_.push_back({object, mark_});
}

void Census::take(const Route& route) {
  ++mark_;
  if (!store_.confirm(route, mark_, oldest_)) staged_rows_.push_back(store_.prepare(route, mark_));
}

std::vector<std::string> Census::settle_and_tell() {
  std::vector<std::string> lines;
  const auto tell = [&](const char* what, const netlink::Object& object) {
    std::visit(
        [&](const auto& value) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, Route>)
            lines.push_back(what + describe(value));
        },
        object);
  };
  for (const Staged& staged : staged_) tell("the kernel has ", staged.object);
  for (const RowId row : staged_rows_) lines.push_back("the kernel has " + describe(store_.routes().at(row)));
  size_t all = staged_.size() + staged_rows_.size();
  settle(all);  // the differences, and nothing is left for what is stale
  all = SIZE_MAX;
  for (const RowId row : stale_rows_)
    lines.push_back("the kernel no longer has " + describe(store_.routes().at(row)));
  for (const auto& object : stale_) tell("the kernel no longer has ", object);
  settle(all);
  return lines;
}

bool Census::settle(size_t& budget) {
  for (; budget > 0 && !staged_.empty(); --budget) {
    enter(staged_.front());
    staged_.pop_front();
  }
  for (; budget > 0 && entered_rows_ < staged_rows_.size(); --budget) enter_route();
  if (!staged_.empty() || entered_rows_ < staged_rows_.size()) return false;
  find_stale();
  for (; budget > 0 && !stale_rows_.empty(); --budget) {
    store_.remove(stale_rows_.back());
    stale_rows_.pop_back();
  }
  for (; budget > 0 && !stale_.empty(); --budget) {
    erase(stale_.back());
    stale_.pop_back();
  }
  return stale_rows_.empty() && stale_.empty();
}

void Census::enter(const Staged& staged) {
  std::visit(
      [&](const auto& value) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, Route>) store_.put(value, staged.mark);
      },
      staged.object);
}

void Census::enter_route() {
  constexpr size_t kAhead = 16;
  if (entered_rows_ + kAhead < staged_rows_.size()) store_.prefetch(staged_rows_[entered_rows_ + kAhead]);
  store_.put(staged_rows_[entered_rows_++], RouteTable::Place::dumped, oldest_);
}

void Census::erase(const netlink::Object& object) {
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (!std::is_same_v<T, Route>) store_.erase<T>(value.key());
      },
      object);
}

// Only when all differences are entered: they take the place of what they replace. Swept from the back: first
// what refers to others.
void Census::find_stale() {
  if (stale_known_) return;
  stale_known_ = true;
  if (everything_) {
    append(stale_, store_.table<Link>().older_than(oldest_));
    append(stale_, store_.table<Address>().older_than(oldest_));
    append(stale_, store_.table<Neighbour>().older_than(oldest_));
  }
  append(stale_, store_.table<PolicyRule>().older_than(oldest_));
  append(stale_, store_.table<Nexthop>().older_than(oldest_));
  stale_rows_ = store_.routes().older_than(oldest_);
}

}  // namespace culvert::mirror
