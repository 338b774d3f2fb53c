// Holds UDP ports in the kernel, so that it does not answer tunnel packets that it sees beside us with ICMP
// port unreachable (net_af_packet and other bifurcated ports show every packet to both). The sockets keep
// nothing: a filter drops what arrives. Control lcore only.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/c_handle.hpp"
#include "base/result.hpp"

namespace culvert::control {

class PortHolder {
 public:
  // The ports are held in this network namespace (a name, a path, or empty for our own).
  explicit PortHolder(std::string netns) : netns_(std::move(netns)) {}

  // One more user of the port. With `kernel_may_hold` it is no error that somebody has it: a kernel vxlan
  // device for other VNIs on the same port holds it for us. Otherwise an error, and nothing has changed.
  Status acquire(uint16_t port, bool kernel_may_hold);
  void release(uint16_t port);
  // Tries again for ports that a kernel device held: it may have gone.
  void retry();

 private:
  struct Held {
    int users = 0;
    UniqueFd socket;  // empty: a kernel vxlan device has the port
  };

  Result<UniqueFd> bind(uint16_t port) const;

  std::string netns_;
  std::map<uint16_t, Held> held_;
};

}  // namespace culvert::control
