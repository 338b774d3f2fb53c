// Fills the kernel's tables of this thread's network namespace, many requests a system call. For benchmarks
// and tests.
#pragma once

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/c_handle.hpp"

namespace culvert::bench {

class KernelLoad {
 public:
  KernelLoad() : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
    const int room = 1 << 22;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
    const timeval patience{0, 1};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~KernelLoad() { flush(); }

  // 40.0.0.0/24, 40.0.1.0/24, ...; refused (counted by nobody) where the state has it.
  void route(bool add, uint32_t number, int ifindex, uint32_t gateway) {
    begin_route(add, 0x28000000u + (number << 8), 24);
    attribute(RTA_OIF, static_cast<uint32_t>(ifindex));
    attribute(RTA_GATEWAY, __builtin_bswap32(gateway));
    end();
  }
  // Any.
  void prefix4(uint32_t prefix, uint8_t length, int ifindex, uint32_t gateway) {
    begin_route(true, prefix, length);
    attribute(RTA_OIF, static_cast<uint32_t>(ifindex));
    attribute(RTA_GATEWAY, __builtin_bswap32(gateway));
    end();
  }
  // Of at most 64 bits; the gateway is fe80::`gateway`.
  void prefix6(uint64_t prefix, uint8_t length, int ifindex, uint8_t gateway) {
    rtmsg header{};
    header.rtm_family = AF_INET6;
    header.rtm_dst_len = length;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_type = RTN_UNICAST;
    begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
    const uint64_t address[2] = {__builtin_bswap64(prefix), 0};
    put(RTA_DST, address, sizeof(address));
    const uint64_t via[2] = {__builtin_bswap64(0xfe80ull << 48), __builtin_bswap64(gateway)};
    put(RTA_GATEWAY, via, sizeof(via));
    attribute(RTA_OIF, static_cast<uint32_t>(ifindex));
    end();
  }
  // The same as route() on a nexthop object.
  void route_on(uint32_t nexthop_id, uint32_t number) {
    begin_route(true, 0x28000000u + (number << 8), 24);
    attribute(RTA_NH_ID, nexthop_id);
    end();
  }
  void neighbour(uint32_t address, int ifindex, uint32_t mac) {
    ndmsg header{};
    header.ndm_family = AF_INET;
    header.ndm_ifindex = ifindex;
    header.ndm_state = NUD_PERMANENT;
    begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
    attribute(NDA_DST, __builtin_bswap32(address));
    const uint8_t lladdr[8] = {2,
                               0,
                               static_cast<uint8_t>(mac >> 24),
                               static_cast<uint8_t>(mac >> 16),
                               static_cast<uint8_t>(mac >> 8),
                               static_cast<uint8_t>(mac)};
    put(NDA_LLADDR, lladdr, 6);
    end();
  }
  void flush() {
    if (buffer_.empty()) return;
    [[maybe_unused]] const auto sent = ::send(fd_.get(), buffer_.data(), buffer_.size(), 0);
    buffer_.clear();
    char refusals[65536];
    while (::recv(fd_.get(), refusals, sizeof(refusals), MSG_DONTWAIT) > 0) {
    }
  }

 private:
  static constexpr size_t kBatchBytes = 32768;

  void begin_route(bool add, uint32_t prefix, uint8_t length) {
    rtmsg header{};
    header.rtm_family = AF_INET;
    header.rtm_dst_len = length;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_type = RTN_UNICAST;
    begin(add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &header, sizeof(header));
    attribute(RTA_DST, __builtin_bswap32(prefix));
  }
  void begin(uint16_t type, int flags, const void* header, size_t size) {
    start_ = buffer_.size();
    const nlmsghdr message{0, type, static_cast<uint16_t>(NLM_F_REQUEST | flags), 0, 0};
    append(&message, sizeof(message));
    append(header, size);
  }
  void attribute(uint16_t type, uint32_t value) { put(type, &value, sizeof(value)); }
  void put(uint16_t type, const void* data, size_t size) {
    const rtattr attribute{static_cast<uint16_t>(RTA_LENGTH(size)), type};
    append(&attribute, sizeof(attribute));
    append(data, size);
    buffer_.resize(NLMSG_ALIGN(buffer_.size()));
  }
  void append(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    buffer_.insert(buffer_.end(), bytes, bytes + size);
  }
  void end() {
    const auto length = static_cast<uint32_t>(buffer_.size() - start_);
    std::memcpy(buffer_.data() + start_, &length, sizeof(length));
    if (buffer_.size() >= kBatchBytes) flush();
  }

  UniqueFd fd_;
  std::vector<uint8_t> buffer_;
  size_t start_ = 0;
};

}  // namespace culvert::bench
