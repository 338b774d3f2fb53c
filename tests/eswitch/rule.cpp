#include "rule.hpp"

#include <rte_ip.h>
#include <rte_udp.h>

#include <cstdlib>

namespace eswitch_test {
namespace {

rte_ipv4_hdr* ip_of(Bytes& frame) { return reinterpret_cast<rte_ipv4_hdr*>(&frame[kIpAt]); }

void append(Bytes& frame, const Bytes& more) { frame.insert(frame.end(), more.begin(), more.end()); }

}  // namespace

rte_flow_query_count counted(uint16_t port, rte_flow* flow) {
  const rte_flow_action count[] = {{RTE_FLOW_ACTION_TYPE_COUNT, nullptr},
                                   {RTE_FLOW_ACTION_TYPE_END, nullptr}};
  rte_flow_query_count answer{};
  if (rte_flow_query(port, flow, count, &answer, nullptr) != 0) std::abort();
  return answer;
}

uint16_t be16(const Bytes& frame, size_t at) {
  return static_cast<uint16_t>(frame.at(at) << 8 | frame.at(at + 1));
}

void put16(Bytes& frame, size_t at, uint16_t value) {
  frame.at(at) = static_cast<uint8_t>(value >> 8);
  frame.at(at + 1) = static_cast<uint8_t>(value);
}

Bytes udp_frame(const UdpFlow& flow, const Bytes& payload) {
  Bytes frame = {2, 0, 0, 0, 7, 2, 2, 0, 0, 0, 7, 1, 0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0};
  frame.resize(kVxlanAt);
  for (unsigned i = 0; i < 4; ++i) {
    frame[kIpAt + 12 + i] = static_cast<uint8_t>(flow.source_ip >> (24 - 8 * i));
    frame[kIpAt + 16 + i] = static_cast<uint8_t>(flow.destination_ip >> (24 - 8 * i));
  }
  put16(frame, kUdpAt, flow.source_port);
  put16(frame, kUdpAt + 2, flow.destination_port);
  append(frame, payload);
  put16(frame, kIpAt + 2, static_cast<uint16_t>(frame.size() - kIpAt));
  put16(frame, kUdpAt + 4, static_cast<uint16_t>(frame.size() - kUdpAt));
  ip_of(frame)->hdr_checksum = rte_ipv4_cksum(ip_of(frame));
  reinterpret_cast<rte_udp_hdr*>(&frame[kUdpAt])->dgram_cksum =
      rte_ipv4_udptcp_cksum(ip_of(frame), &frame[kUdpAt]);
  return frame;
}

Bytes vxlan_header(uint32_t vni, uint8_t destination_mac) {
  Bytes header = {2,   0,    0,    0,  destination_mac,
                  1,   2,    0,    0,  0,
                  3,   0,    8,    0,  0x45,
                  0,   0,    0,    0,  0,
                  0,   0,    64,   17, 0,
                  0,   192,  0,    2,  1,
                  192, 0,    2,    2,  0,
                  0,   0x12, 0xb5, 0,  0,
                  0,   0};
  append(header, {8, 0, 0, 0, static_cast<uint8_t>(vni >> 16), static_cast<uint8_t>(vni >> 8),
                  static_cast<uint8_t>(vni), 0});
  return header;
}

Bytes vxlan_frame(uint32_t vni, const Bytes& inner) {
  Bytes frame = vxlan_header(vni);
  append(frame, inner);
  put16(frame, kIpAt + 2, static_cast<uint16_t>(frame.size() - kIpAt));
  put16(frame, kUdpAt, 50000);
  put16(frame, kUdpAt + 4, static_cast<uint16_t>(frame.size() - kUdpAt));
  ip_of(frame)->hdr_checksum = rte_ipv4_cksum(ip_of(frame));
  return frame;
}

}  // namespace eswitch_test
