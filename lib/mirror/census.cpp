#include "mirror/census.hpp"

#include <fmt/format.h>

namespace culvert::mirror {
namespace {

std::string describe(const Link& link) { return fmt::format("link {}", link.name); }
std::string describe(const Address& address) { return fmt::format("address {}", address.local); }
std::string describe(const Neighbour& neighbour) { return fmt::format("neighbour {}", neighbour.ip); }
std::string describe(const Nexthop& nexthop) { return fmt::format("nexthop {}", nexthop.id); }
std::string describe(const Route& route) {
  std::string text = fmt::format("{} route {} table {} metric {} protocol {}", route.type_name(), route.dst,
                                 route.table, route.metric, route.protocol_name());
  if (route.nexthop_id != 0) text += fmt::format(" nexthop {}", route.nexthop_id);
  if (route.prefsrc) text += fmt::format(" src {}", *route.prefsrc);
  for (const Hop& hop : route.hops)
    text += fmt::format(" [via {} link {} weight {} flags {:#x}]", hop.via ? hop.via->to_string() : "-",
                        hop.ifindex, hop.weight, hop.flags);
  return text;
}

template <typename T>
void append(std::vector<netlink::Object>& all, std::vector<T> objects) {
  for (T& object : objects) all.emplace_back(std::move(object));
}

}  // namespace

void Census::begin(bool everything) {
  everything_ = everything;
  oldest_ = mark_ + 1;
  stale_known_ = false;
  staged_.clear();
  stale_.clear();
}

void Census::take(const netlink::Object& object) {
  ++mark_;
  const bool confirmed = std::visit(
      [&](const auto& value) {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, Route>)
          return store_.confirm(value, mark_, oldest_);
        else
          return store_.confirm(value, mark_);
      },
      object);
  if (!confirmed) staged_.push_back({object, mark_});
}

std::vector<std::string> Census::settle_and_tell() {
  std::vector<std::string> lines;
  const auto tell = [&](const char* what, const netlink::Object& object) {
    lines.push_back(what + std::visit([](const auto& value) { return describe(value); }, object));
  };
  for (; !staged_.empty(); staged_.pop_front()) {
    tell("the kernel has ", staged_.front().object);
    enter(staged_.front());
  }
  find_stale();
  for (; !stale_.empty(); stale_.pop_back()) {
    tell("the kernel no longer has ", stale_.back());
    erase(stale_.back());
  }
  return lines;
}

bool Census::settle(size_t& budget) {
  for (; budget > 0 && !staged_.empty(); --budget) {
    enter(staged_.front());
    staged_.pop_front();
  }
  if (!staged_.empty()) return false;
  find_stale();
  for (; budget > 0 && !stale_.empty(); --budget) {
    erase(stale_.back());
    stale_.pop_back();
  }
  return stale_.empty();
}

void Census::enter(const Staged& staged) {
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, Route>)
          store_.put(value, RouteTable::Place::dumped, staged.mark, oldest_);
        else if constexpr (std::is_same_v<T, Nexthop>)
          follower_.put_nexthop(value, staged.mark);
        else
          store_.put(value, staged.mark);
      },
      staged.object);
}

void Census::erase(const netlink::Object& object) {
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, Route>)
          store_.remove(value);
        else
          store_.erase<T>(value.key());
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
  append(stale_, store_.table<Nexthop>().older_than(oldest_));
  append(stale_, store_.routes().older_than(oldest_));
}

}  // namespace culvert::mirror
