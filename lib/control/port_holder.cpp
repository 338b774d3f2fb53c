#include "control/port_holder.hpp"

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/netns.hpp"

namespace culvert::control {

Status PortHolder::acquire(uint16_t port, bool kernel_may_hold) {
  if (const auto held = held_.find(port); held != held_.end()) {
    ++held->second.users;
    return {};
  }
  auto socket = bind(port);
  if (!socket && !kernel_may_hold) return tl::make_unexpected(socket.error());
  held_[port] = Held{1, socket ? std::move(*socket) : UniqueFd()};
  return {};
}

void PortHolder::release(uint16_t port) {
  const auto held = held_.find(port);
  if (held != held_.end() && --held->second.users == 0) held_.erase(held);
}

void PortHolder::retry() {
  for (auto& [port, held] : held_) {
    if (held.socket) continue;
    if (auto socket = bind(port)) held.socket = std::move(*socket);
  }
}

Result<UniqueFd> PortHolder::bind(uint16_t port) const {
  UniqueFd fd;
  const Status status = in_netns(netns_, [&]() -> Status {
    fd = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) return error("cannot open a UDP socket: {}", errno_text(errno));
    sock_filter drop_all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    const sock_fprog program{1, drop_all};
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0)
      return error("cannot attach a filter to the holder of UDP port {}: {}", port, errno_text(errno));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
      return error("cannot hold UDP port {}: {}; end the program that uses it or choose another dst_port",
                   port, errno_text(errno));
    return {};
  });
  if (!status) return tl::make_unexpected(status.error());
  return fd;
}

}  // namespace culvert::control
