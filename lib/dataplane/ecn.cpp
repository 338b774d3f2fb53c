#include "dataplane/ecn.hpp"

#include "dataplane/checksum.hpp"
#include "dataplane/inner_parse.hpp"
#include "net/headers.hpp"

namespace culvert::dataplane {

namespace {

bool apply_ipv4(uint8_t* at, Ecn outer) {
  auto* ip = reinterpret_cast<net::Ipv4Hdr*>(at);
  Ecn result;
  if (!combine_ecn(static_cast<Ecn>(ip->tos & kEcnBits), outer, result)) return false;
  const uint16_t old_word = load<net::be16>(at).host();
  ip->tos = static_cast<uint8_t>((ip->tos & ~kEcnBits) | static_cast<uint8_t>(result));
  ip->checksum = update_checksum(ip->checksum, old_word, load<net::be16>(at).host());
  return true;
}

bool apply_ipv6(uint8_t* at, Ecn outer) {
  // Version, 8 bits of traffic class, flow label: the ECN field is bits 4 and 5 of the second byte.
  Ecn result;
  if (!combine_ecn(static_cast<Ecn>(at[1] >> 4 & kEcnBits), outer, result)) return false;
  at[1] = static_cast<uint8_t>((at[1] & ~(kEcnBits << 4)) | static_cast<uint8_t>(result) << 4);
  return true;
}

}  // namespace

bool decapsulate_ecn(uint8_t* frame, uint32_t room, uint8_t outer_tos) {
  const auto outer = static_cast<Ecn>(outer_tos & kEcnBits);
  const L3Place l3 = find_l3(frame, room);
  if (l3.ether_type == net::kEtherIpv4.wire() && l3.offset + sizeof(net::Ipv4Hdr) <= room)
    return apply_ipv4(frame + l3.offset, outer);
  if (l3.ether_type == net::kEtherIpv6.wire() && l3.offset + sizeof(net::Ipv6Hdr) <= room)
    return apply_ipv6(frame + l3.offset, outer);
  return true;
}

}  // namespace culvert::dataplane
