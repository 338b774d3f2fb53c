#include "control/monitor.hpp"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

namespace culvert::control {
namespace {

constexpr size_t kLines = 500;  // of one read()

}  // namespace

Result<std::unique_ptr<Monitor>> Monitor::create(mirror::Mirror& mirror,
                                                 const std::map<uint32_t, std::string>& table_names) {
  auto subscription = mirror.subscribe(mirror::SubscribeOptions{});
  if (!subscription) return tl::make_unexpected(subscription.error());
  return std::unique_ptr<Monitor>(new Monitor(std::move(*subscription), table_names));
}

std::string Monitor::read() {
  text_.clear();
  subscription_->deliver(*this, kLines);
  if (!in_changes_ && subscription_->replayed()) {  // no call tells of both
    in_changes_ = true;
    text_ += "# the state ends here, changes follow\n";
  }
  return std::move(text_);
}

void Monitor::on_link(const mirror::Link* before, const mirror::Link* after) {
  const mirror::Link& link = after != nullptr ? *after : *before;
  std::string text =
      fmt::format("link {}: {} {} mtu {}", link.ifindex, link.name, link.is_up() ? "up" : "down", link.mtu);
  if (link.is_up() && !link.has_carrier()) text += " no-carrier";
  if (!link.mac.is_zero()) text += fmt::format(" lladdr {}", link.mac);
  if (!link.kind.empty()) text += " kind " + link.kind;
  if (link.lower != 0) text += " link " + link_name(link.lower);
  if (link.master != 0) text += " master " + link_name(link.master);
  line(after == nullptr, text);
  if (after != nullptr)
    link_names_[link.ifindex] = link.name;
  else
    link_names_.erase(link.ifindex);
}

void Monitor::on_address(const mirror::Address* before, const mirror::Address* after) {
  const mirror::Address& address = after != nullptr ? *after : *before;
  std::string text =
      fmt::format("address {}/{} dev {}", address.local, address.prefix_length, link_name(address.ifindex));
  if (address.peer != address.local) text += fmt::format(" peer {}", address.peer);
  if (!address.is_usable()) text += " tentative";
  line(after == nullptr, text);
}

void Monitor::on_neighbour(const mirror::Neighbour* before, const mirror::Neighbour* after) {
  const mirror::Neighbour& neighbour = after != nullptr ? *after : *before;
  std::string text = fmt::format("neighbour {} dev {}", neighbour.ip, link_name(neighbour.ifindex));
  if (neighbour.mac) text += fmt::format(" lladdr {}", *neighbour.mac);
  line(after == nullptr, text + " " + neighbour.nud_name());
}

void Monitor::on_nexthop(const mirror::Nexthop* before, const mirror::Nexthop* after) {
  const mirror::Nexthop& nexthop = after != nullptr ? *after : *before;
  std::string text = fmt::format("nexthop id {}", nexthop.id);
  if (nexthop.blackhole) text += " blackhole";
  if (!nexthop.group.empty()) text += " group ";
  for (size_t i = 0; i < nexthop.group.size(); ++i)
    text += fmt::format("{}{},{}", i == 0 ? "" : "/", nexthop.group[i].first, nexthop.group[i].second);
  if (nexthop.hop.ifindex != 0) text += hop(nexthop.hop);
  line(after == nullptr, text);
}

void Monitor::on_rule(const mirror::PolicyRule* before, const mirror::PolicyRule* after) {
  const mirror::PolicyRule& rule = after != nullptr ? *after : *before;
  std::string text =
      fmt::format("rule {}:{}{} from {}", rule.priority, rule.family == net::Family::ipv4 ? "" : " inet6",
                  rule.inverted ? " not" : "", rule.src ? rule.src->to_string() : "all");
  if (rule.dst) text += fmt::format(" to {}", *rule.dst);
  if (rule.mask != 0) text += fmt::format(" fwmark {:#x}/{:#x}", rule.mark, rule.mask);
  if (!rule.iif.empty()) text += " iif " + rule.iif;
  if (!rule.oif.empty()) text += " oif " + rule.oif;
  if (rule.ip_protocol != 0) text += fmt::format(" ipproto {}", rule.ip_protocol);
  if (rule.action == FR_ACT_TO_TBL)
    text += rule.l3mdev ? " lookup [l3mdev-table]" : " lookup " + table_name(rule.table);
  else if (rule.action == FR_ACT_GOTO)
    text += fmt::format(" goto {}", rule.target);
  else
    text += rule.action == FR_ACT_NOP ? " nop" : " refuse";
  if (rule.suppress_length) text += fmt::format(" suppress_prefixlength {}", *rule.suppress_length);
  line(after == nullptr, text);
}

void Monitor::on_route(const net::Prefix& dst, const mirror::Path* before, const mirror::Path* after) {
  const mirror::Path& path = after != nullptr ? *after : *before;
  std::string text = "route";
  if (path.type != RTN_UNICAST) text += " " + path.type_name();
  text += fmt::format(" {} table {} proto {}", dst, table_name(path.table), path.protocol_name());
  if (path.metric != 0) text += fmt::format(" metric {}", path.metric);
  if (path.tos != 0) text += fmt::format(" tos {:#x}", path.tos);
  if (path.prefsrc) text += fmt::format(" src {}", *path.prefsrc);
  if (path.nexthop_id != 0) text += fmt::format(" nhid {}", path.nexthop_id);
  const bool multipath = path.hops.size() > 1;
  for (const mirror::Hop& next : path.hops)
    text += multipath ? fmt::format(" nexthop{} weight {}", hop(next), next.weight) : hop(next);
  line(after == nullptr, text);
}

void Monitor::line(bool deleted, const std::string& text) {
  if (deleted) text_ += "deleted ";
  text_ += text;
  text_ += '\n';
}

std::string Monitor::table_name(uint32_t table) const {
  const auto found = table_names_.find(table);
  return found != table_names_.end() ? found->second : std::to_string(table);
}

std::string Monitor::link_name(int ifindex) const {
  const auto found = link_names_.find(ifindex);
  return found != link_names_.end() ? found->second : fmt::format("if{}", ifindex);
}

std::string Monitor::hop(const mirror::Hop& hop) const {
  std::string text;
  if (hop.via) text += fmt::format(" via {}", *hop.via);
  if (hop.ifindex != 0) text += " dev " + link_name(hop.ifindex);
  if ((hop.flags & RTNH_F_ONLINK) != 0) text += " onlink";
  if ((hop.flags & RTNH_F_DEAD) != 0) text += " dead";
  if ((hop.flags & RTNH_F_LINKDOWN) != 0) text += " linkdown";
  return text;
}

}  // namespace culvert::control
