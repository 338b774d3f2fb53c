#include "switch.hpp"

#include <algorithm>

#include "log.hpp"

namespace eswitch {
namespace {

/// Room in front of and behind a full frame, in the mbufs that wires receive into.
constexpr uint16_t kRoomBytes = 256;
constexpr unsigned kMbufsPerWire = 4096;

rte_mempool* make_pool(const DeviceArguments& arguments) {
  static std::atomic<unsigned> serial{0};
  uint16_t mtu = RTE_ETHER_MTU;
  std::vector<std::string> names = arguments.representors;
  names.push_back(arguments.uplink);
  for (const std::string& name : names) {
    uint16_t port, wire_mtu;
    if (rte_eth_dev_get_port_by_name(name.c_str(), &port) == 0 && rte_eth_dev_get_mtu(port, &wire_mtu) == 0)
      mtu = std::max(mtu, wire_mtu);
  }
  const auto room =
      static_cast<uint16_t>(RTE_PKTMBUF_HEADROOM + std::max(2048, std::min(mtu + 2 * kRoomBytes, 65000)));
  const std::string name = "net_eswitch_" + std::to_string(serial++);
  return rte_pktmbuf_pool_create(name.c_str(), static_cast<unsigned>(names.size()) * kMbufsPerWire, 0, 0,
                                 room, SOCKET_ID_ANY);
}

}  // namespace

Switch::Switch(std::string device, const DeviceArguments& arguments)
    : name(std::move(device)),
      profile(arguments.profile),
      transfer(Direction::kTransfer, rcu),
      datapath_(*this) {}

std::unique_ptr<Switch> Switch::open(std::string name, const DeviceArguments& arguments) {
  std::unique_ptr<Switch> self(new Switch(std::move(name), arguments));
  for (const auto& [key, value] : arguments.faults) {
    if (self->faults.set(key, value)) continue;
    ESWITCH_LOG(ERR, "%s=%s: not a value", key.c_str(), value.c_str());
    return nullptr;
  }
  self->pool = make_pool(arguments);
  if (self->pool == nullptr) {
    ESWITCH_LOG(ERR, "no memory for packets: %s", rte_strerror(rte_errno));
    return nullptr;
  }
  uint64_t owner;
  if (rte_eth_dev_owner_new(&owner) != 0) return nullptr;
  std::vector<std::string> names{arguments.uplink};
  names.insert(names.end(), arguments.representors.begin(), arguments.representors.end());
  for (const std::string& wire_name : names) {
    auto wire = Wire::open(wire_name, owner, self->pool);
    if (wire == nullptr) return nullptr;
    self->wires.push_back(std::move(wire));
  }
  if (self->has_transfer() && rte_eth_switch_domain_alloc(&self->domain_id) != 0) return nullptr;
  return self;
}

std::optional<uint16_t> Switch::vport_of(uint16_t ethdev) const {
  for (const auto& port : ports)
    if (!port->closed && port->data().port_id == ethdev) return port->vport();
  return std::nullopt;
}

Domain& Switch::domain(Port& port, const rte_flow_attr& attr) {
  if (attr.transfer) return transfer;
  return attr.egress ? port.egress : port.ingress;
}

}  // namespace eswitch
