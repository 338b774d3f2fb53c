// What belongs into the tables, by what the kernel says of links and addresses.
//
// To a port belong its own link, found by its name, and the uppers of that: VLANs and macvlans on it, and the
// bridge, bond, team or VRF that it is in, however high they are stacked. Each address on one of them that is
// set up makes an entry of each type; the port's link itself, be it up or down, makes the default entries of
// its MAC. flush() compares that with what was queued before: only differences become updates, removals
// first.
//
// One thread: whichever delivers the mirror's changes.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gid/table.hpp"
#include "gid/updater.hpp"
#include "mirror/listener.hpp"

namespace culvert::gid {

class Follower : public mirror::Listener {
 public:
  struct PortLink {
    std::string netdev;
    Table* table = nullptr;
  };

  // `post` gets the updates, from within flush().
  Follower(const std::vector<PortLink>& ports, std::function<void(Update)> post);

  void on_link(const mirror::Link* before, const mirror::Link* after) override;
  void on_address(const mirror::Address* before, const mirror::Address* after) override;

  // The port of this table is gone for good.
  void remove_port(const Table& table);

  // Queues what the changes since the last call have made different.
  void flush();

  // The address is on a link that belongs to no port, such as the loopback. As of the last flush().
  bool is_elsewhere(const net::IpAddr& address) const;
  // Some port has it, or is to have it, as a GID.
  bool is_wanted(const net::IpAddr& address) const;
  // Addresses of which is_elsewhere() may have changed since the last call.
  std::set<net::IpAddr> take_touched() { return std::exchange(touched_, {}); }

 private:
  struct Known {
    mirror::Link link;
    NetdevRef netdev;
  };
  // The links of a port, and the VLAN between each and the port.
  using Members = std::map<int, std::optional<uint16_t>>;
  struct Port {
    PortLink what;
    Members members;
    std::map<int, std::set<Attributes>> wanted;  // by link
  };
  using Uppers = std::multimap<int, int>;

  Uppers find_uppers() const;
  Members find_members(const std::string& netdev, const Uppers& uppers) const;
  std::set<Attributes> wanted(const Port& port, int ifindex) const;
  void flush(Port& port, const std::set<int>& links, std::vector<Update>& removals,
             std::vector<Update>& additions);

  const std::function<void(Update)> post_;
  std::vector<Port> ports_;
  std::unordered_map<int, Known> links_;
  // How often each usable address is on each link: it may be there with several prefixes.
  std::map<int, std::map<net::IpAddr, unsigned>> addresses_;
  std::map<net::IpAddr, std::set<int>> links_with_;
  std::set<int> dirty_;  // links
  std::set<net::IpAddr> touched_;
  bool links_changed_ = false;
};

}  // namespace culvert::gid
