// Who is told of changes.
#pragma once

#include <variant>

#include "netlink/objects.hpp"
#include "netlink/policy_rule.hpp"

namespace culvert::mirror {

using netlink::Address;
using netlink::Hop;
using netlink::Link;
using netlink::Neighbour;
using netlink::Nexthop;
using netlink::Path;
using netlink::PolicyRule;
using netlink::Route;

// `before` or `after` is null where the object was not, or is no more. Both are good during the call.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void on_link(const Link* /*before*/, const Link* /*after*/) {}
  virtual void on_address(const Address* /*before*/, const Address* /*after*/) {}
  virtual void on_neighbour(const Neighbour* /*before*/, const Neighbour* /*after*/) {}
  virtual void on_nexthop(const Nexthop* /*before*/, const Nexthop* /*after*/) {}
  virtual void on_rule(const PolicyRule* /*before*/, const PolicyRule* /*after*/) {}
  // A route on a nexthop object has no hops of its own: on_nexthop() tells them, and a change of the object,
  // or of a member of a group, is no change of its routes.
  virtual void on_route(const net::Prefix& /*dst*/, const Path* /*before*/, const Path* /*after*/) {}
};

inline void tell(Listener& to, const Link* before, const Link* after) { to.on_link(before, after); }
inline void tell(Listener& to, const Address* before, const Address* after) { to.on_address(before, after); }
inline void tell(Listener& to, const Neighbour* before, const Neighbour* after) {
  to.on_neighbour(before, after);
}
inline void tell(Listener& to, const Nexthop* before, const Nexthop* after) { to.on_nexthop(before, after); }
inline void tell(Listener& to, const PolicyRule* before, const PolicyRule* after) {
  to.on_rule(before, after);
}

}  // namespace culvert::mirror
