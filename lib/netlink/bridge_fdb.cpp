#include "netlink/bridge_fdb.hpp"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include "netlink/attributes.hpp"

namespace culvert::netlink {

Result<std::optional<FdbEvent>> decode_fdb(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWNEIGH && message.nlmsg_type != RTM_DELNEIGH) return std::nullopt;
  if (!nlmsg_valid_hdr(&message, sizeof(ndmsg))) return error("malformed short message");
  const auto& header = *static_cast<const ndmsg*>(nlmsg_data(&message));
  if (header.ndm_family != AF_BRIDGE) return std::nullopt;
  Attributes attributes(nlmsg_attrdata(&message, sizeof(header)), nlmsg_attrlen(&message, sizeof(header)));
  FdbEvent event;
  event.added = message.nlmsg_type == RTM_NEWNEIGH;
  FdbEntry& entry = event.entry;
  const auto mac = attributes.mac(NDA_LLADDR);
  entry.owner = attributes.number<int>(NDA_MASTER);
  entry.port = header.ndm_ifindex;
  const bool of_bridge = entry.owner != 0;
  if (of_bridge) {
    entry.tag = attributes.number<uint16_t>(NDA_VLAN);
    entry.local = (header.ndm_state & NUD_PERMANENT) != 0;
    entry.dynamic =
        (header.ndm_state & (NUD_PERMANENT | NUD_NOARP)) == 0 && (header.ndm_flags & NTF_EXT_LEARNED) == 0;
  } else {
    entry.owner = entry.port;
    entry.tag = attributes.number<uint32_t>(NDA_SRC_VNI);
    entry.remote = attributes.ip(NDA_DST);
    if (attributes.has(NDA_VNI)) entry.vni = attributes.number<uint32_t>(NDA_VNI);
  }
  if (!attributes.ok() || entry.port <= 0) return error("malformed FDB entry");
  if (!mac || (!of_bridge && event.added && !entry.remote)) return std::nullopt;
  entry.mac = *mac;
  return event;
}

}  // namespace culvert::netlink
