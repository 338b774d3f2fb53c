// The policy rules in the order in which the kernel walks them (net/core/fib_rules.c, fib_rules_lookup).
// Control lcore only.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "mirror/listener.hpp"

namespace culvert::mirror {

// A packet, as far as rules look at it. What is left out is what the kernel's own packets have.
struct Flow {
  net::IpAddr dst;
  std::optional<net::IpAddr> src = std::nullopt;  // nullopt: not chosen yet
  int iif = 1;                                    // the loopback: made here
  int oif = 0;                                    // 0: not bound to one
  uint32_t mark = 0;
  uint8_t tos = 0;
  uint8_t ip_protocol = 0;
  uint16_t sport = 0, dport = 0;
};

class Policy {
 public:
  // What a rule has to ask.
  struct World {
    std::function<const Link*(int)> link;
    std::function<const Link*(const std::string&)> link_by_name;
    std::function<std::optional<Route>(uint32_t table, const net::IpAddr&)> lookup;
  };

  // Behind the others of its priority.
  void add(const PolicyRule& rule);
  void remove(const PolicyRule& rule);

  // The route that answers; nullopt: none, or a rule refuses (a route that refuses is an answer).
  std::optional<Route> find(const Flow& flow, const World& world) const;
  const std::vector<PolicyRule>& rules() const { return rules_; }

 private:
  std::vector<PolicyRule> rules_;  // by family, priority, and the order of adding
};

}  // namespace culvert::mirror
