#include "dataplane/outer_parse.hpp"

#include <rte_ip.h>

#include "dataplane/checksum.hpp"

namespace culvert::dataplane {

UdpChecksum check_udp(const rte_mbuf* mbuf, uint32_t udp_offset, const net::Ipv4Hdr& ip,
                      const net::UdpHdr& udp) {
  struct [[gnu::packed]] {
    net::be32 src, dst;
    uint8_t zero = 0;
    uint8_t protocol = net::kProtoUdp;
    net::be16 length;
  } const pseudo{.src = ip.src, .dst = ip.dst, .length = udp.length};
  const uint16_t pseudo_sum = rte_raw_cksum(&pseudo, sizeof(pseudo));
  const uint32_t total = uint32_t{sum_packet(mbuf, udp_offset, udp.length.host())} + pseudo_sum;
  if ((total & 0xffff) + (total >> 16) == 0xffff) return UdpChecksum::good;
  return udp.checksum.wire() == pseudo_sum ? UdpChecksum::unfinished : UdpChecksum::bad;
}

}  // namespace culvert::dataplane
