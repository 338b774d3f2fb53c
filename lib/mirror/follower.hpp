// Follows the kernel's events: enters each into the store, with all that the kernel changes along with it but
// does not tell (kernel_rules.hpp).
#pragma once

#include "mirror/store.hpp"
#include "netlink/decode.hpp"

namespace culvert::mirror {

class Follower {
 public:
  explicit Follower(Store& store) : store_(store) {}

  // `mark`: of the latest dump, so that what an event brought is not taken for stale.
  void apply(const netlink::Event& event, Mark mark);

 private:
  void added(const Link& link);
  void added(const Address& address);
  void added(const Neighbour& neighbour) { store_.put(neighbour, mark_); }
  void added(const PolicyRule& rule) { store_.put(rule, mark_); }
  void deleted(const PolicyRule& rule) { store_.erase<PolicyRule>(rule); }
  void added(const Nexthop& nexthop) { store_.put(nexthop, mark_); }
  void deleted(const Link& link);
  void deleted(const Address& address);
  void deleted(const Neighbour& neighbour) { store_.erase<Neighbour>(neighbour.key()); }
  void deleted(const Nexthop& nexthop) { remove_nexthop(nexthop.id); }

  void link_changed(const Link& before, const Link& after);
  void revive(const Link& link);
  void flush_nexthops(int ifindex);
  void remove_nexthop(uint32_t id);
  void remove_from_groups(uint32_t id);

  Store& store_;
  Mark mark_ = 0;
};

}  // namespace culvert::mirror
