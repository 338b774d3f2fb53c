#include "netlink/neighbour_times.hpp"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include "netlink/attributes.hpp"

namespace culvert::netlink {

Result<std::optional<NeighbourTimes>> decode_neighbour_times(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWNEIGHTBL) return std::nullopt;
  if (!nlmsg_valid_hdr(&message, sizeof(ndtmsg))) return error("malformed short message");
  const auto& header = *static_cast<const ndtmsg*>(nlmsg_data(&message));
  if (header.ndtm_family != AF_INET && header.ndtm_family != AF_INET6) return std::nullopt;
  Attributes attributes(nlmsg_attrdata(&message, sizeof(header)), nlmsg_attrlen(&message, sizeof(header)));
  if (!attributes.has(NDTA_PARMS)) return std::nullopt;
  Attributes parameters = attributes.nested(NDTA_PARMS);
  NeighbourTimes times;
  const auto milliseconds = [&](int type, std::chrono::milliseconds fallback) {
    return std::chrono::milliseconds(
        parameters.number<uint64_t>(type, static_cast<uint64_t>(fallback.count())));
  };
  times.ifindex = parameters.number<int>(NDTPA_IFINDEX);
  times.is_v4 = header.ndtm_family == AF_INET;
  times.base_reachable = milliseconds(NDTPA_BASE_REACHABLE_TIME, times.base_reachable);
  times.delay_probe = milliseconds(NDTPA_DELAY_PROBE_TIME, times.delay_probe);
  if (attributes.has(NDTA_GC_INTERVAL) && attributes.has(NDTA_THRESH3)) {
    const std::chrono::milliseconds interval(attributes.number<uint64_t>(NDTA_GC_INTERVAL));
    times.cache = NeighbourCache{interval, attributes.number<uint32_t>(NDTA_THRESH3)};
  }
  if (!attributes.ok() || !parameters.ok() || times.ifindex < 0)
    return error("malformed neighbour table message");
  return times;
}

}  // namespace culvert::netlink
