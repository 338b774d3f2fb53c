// The way of a packet through the switch: rules, misses, delivery. Switch thread only.
#pragma once

#include <cstdint>

#include "packet.hpp"

namespace eswitch {

class Domain;
enum class PortCounter : uint8_t;
class Port;
class Switch;

class Datapath {
 public:
  explicit Datapath(Switch& sw) : switch_(sw) {}

  /// Once before each burst.
  void begin_burst();
  /// Both take over `mbuf`.
  void from_wire(uint16_t vport, rte_mbuf* mbuf);
  /// False: the packet could not be taken for lack of memory.
  bool from_application(Port& port, rte_mbuf* mbuf);

 private:
  enum class Outcome : uint8_t { kDecided, kMiss, kMissDeeper, kBroken, kLoop };

  Outcome run(const Domain& domain, Packet& packet);
  void nic_receive(Port& port, Packet& packet);
  void nic_send(Port& port, Packet& packet);
  void finish(Port& port, Packet& packet);
  void deliver(Port& port, Packet& packet, const RssSpec* rss, uint16_t queue);
  void drop(Packet& packet, Port& port, PortCounter reason);

  Switch& switch_;
  uint64_t now_ms_ = 0;
};

}  // namespace eswitch
