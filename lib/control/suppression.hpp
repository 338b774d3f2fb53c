// What the kernel knows of the stations of l2 networks that suppress ARP and ND: its neighbours on the links
// of each such network become the packet path's bindings. Control lcore only.
//
// The links of a network are its `bridge`, those called as its tunnels, kernel vxlan devices of its tunnels'
// VNIs, the netdevs of its whole ports, and the bridges that these are in: where FRR, or `ip neigh`, puts a
// station's address. A link that would be of two networks is of none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dataplane/dataplane.hpp"
#include "mirror/mirror.hpp"

namespace culvert::control {

// A network that suppresses.
struct SuppressSpec {
  dataplane::NetworkId id = 0;
  std::vector<std::string> links;  // by name: its bridge, of its tunnels and netdevs
  std::vector<uint32_t> vnis;
};

class Suppression final : private mirror::Listener {
 public:
  // Both outlive the object.
  Suppression(mirror::Mirror& mirror, dataplane::Dataplane& dataplane);
  ~Suppression() override;

  // All that there are, after Dataplane::set_networks() has them.
  void set(std::vector<SuppressSpec> specs);
  // Each turn: links have changed, perhaps.
  void flush();

 private:
  void on_link(const mirror::Link* before, const mirror::Link* after) override;
  void on_neighbour(const mirror::Neighbour* before, const mirror::Neighbour* after) override;

  using Links = std::map<int, dataplane::NetworkId>;  // by ifindex

  Links find_links() const;
  void update_links();
  void update(dataplane::NetworkId network, const net::IpAddr& ip);

  mirror::Mirror& mirror_;
  dataplane::Dataplane& dataplane_;
  // Of the specs; kNoNetwork: of several.
  std::map<std::string, dataplane::NetworkId, std::less<>> names_;
  std::map<uint32_t, dataplane::NetworkId> vnis_;
  Links links_;
  std::map<dataplane::NetworkId, std::vector<int>> links_of_;  // the same, by network
  bool links_changed_ = false;
  bool full_ = false;  // said so
};

}  // namespace culvert::control
