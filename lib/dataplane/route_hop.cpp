#include "dataplane/route_hop.hpp"

namespace culvert::dataplane {

RouteHop make_route_hop(const std::vector<WeightedWay>& ways) {
  RouteHop hop;
  hop.only = ways.front().way;
  if (ways.size() == 1) return hop;
  auto multipath = std::make_unique<RouteHop::Multipath>();
  uint64_t total = 0, upto = 0;
  for (const WeightedWay& one : ways) total += one.weight;
  for (size_t i = 0, bucket = 0; i < ways.size(); ++i) {
    multipath->ways.push_back(ways[i].way);
    upto += ways[i].weight;
    while (bucket * total < upto * RouteHop::kBuckets && bucket < RouteHop::kBuckets)
      multipath->bucket[bucket++] = static_cast<uint8_t>(i);
  }
  hop.multipath = std::move(multipath);
  return hop;
}

}  // namespace culvert::dataplane
