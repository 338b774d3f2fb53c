// `monitor`: the mirror's present state, a line an object, and then its changes as they come, in the words of
// ip(8).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/result.hpp"
#include "control/stream.hpp"
#include "mirror/mirror.hpp"

namespace culvert::control {

class Monitor final : public Stream, private mirror::Listener {
 public:
  // `table_names` outlives it. Error: as Mirror::subscribe.
  static Result<std::unique_ptr<Monitor>> create(mirror::Mirror& mirror,
                                                 const std::map<uint32_t, std::string>& table_names);

  std::string read() override;
  int fd() const override { return subscription_->fd(); }
  bool ended() const override { return subscription_->is_cut(); }
  std::string reason() const override { return "more changes came than were read; start monitor again"; }

 private:
  Monitor(std::unique_ptr<mirror::Subscription> subscription,
          const std::map<uint32_t, std::string>& table_names)
      : subscription_(std::move(subscription)), table_names_(table_names) {}

  void on_link(const mirror::Link* before, const mirror::Link* after) override;
  void on_address(const mirror::Address* before, const mirror::Address* after) override;
  void on_neighbour(const mirror::Neighbour* before, const mirror::Neighbour* after) override;
  void on_nexthop(const mirror::Nexthop* before, const mirror::Nexthop* after) override;
  void on_rule(const mirror::PolicyRule* before, const mirror::PolicyRule* after) override;
  void on_route(const net::Prefix& dst, const mirror::Path* before, const mirror::Path* after) override;

  void line(bool deleted, const std::string& text);
  std::string table_name(uint32_t table) const;
  std::string link_name(int ifindex) const;
  std::string hop(const mirror::Hop& hop) const;

  std::unique_ptr<mirror::Subscription> subscription_;
  const std::map<uint32_t, std::string>& table_names_;
  std::unordered_map<int, std::string> link_names_;  // as the lines so far have told them
  bool in_changes_ = false;
  std::string text_;
};

}  // namespace culvert::control
