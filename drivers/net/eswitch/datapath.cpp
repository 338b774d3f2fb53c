#include "datapath.hpp"

#include <rte_flow.h>

#include "execute.hpp"
#include "offloads.hpp"
#include "port.hpp"
#include "switch.hpp"

namespace eswitch {
namespace {

/// Jumps and PASSTHRUs one packet may take; more is a circle of rules.
constexpr unsigned kMaxHops = 64;

}  // namespace

void Datapath::begin_burst() { now_ms_ = coarse_ms(); }

Datapath::Outcome Datapath::run(const Domain& domain, Packet& packet) {
  const Table* table = &domain.root;
  const rte_flow* passed = nullptr;  // the PASSTHRU rule that the search goes on from
  bool jumped = false;
  for (unsigned hop = 0; hop < kMaxHops; ++hop) {
    const auto* rule = static_cast<const rte_flow*>(
        table->find(packet.key(), passed != nullptr ? &passed->precedence : nullptr));
    if (rule == nullptr)
      return passed != nullptr ? Outcome::kDecided : jumped ? Outcome::kMissDeeper : Outcome::kMiss;
    const Next next = execute(*rule->actions.load(std::memory_order_acquire), packet, now_ms_);
    switch (next.kind) {
      case Next::Kind::kDone:
        return Outcome::kDecided;
      case Next::Kind::kBroken:
        return Outcome::kBroken;
      case Next::Kind::kLower:
        passed = rule;
        break;
      case Next::Kind::kJump:
        table = next.table;
        passed = nullptr;
        jumped = true;
        break;
    }
  }
  return Outcome::kLoop;
}

void Datapath::drop(Packet& packet, Port& port, PortCounter reason) {
  port.counter(reason).add(1);
  rte_pktmbuf_free(packet.mbuf());
}

void Datapath::from_wire(uint16_t vport, rte_mbuf* mbuf) {
  Port& port = *switch_.ports[vport];
  if (port.removed()) {
    port.counter(PortCounter::kDroppedRemoved).add(1);
    rte_pktmbuf_free(mbuf);
    return;
  }
  mbuf = make_writable(mbuf, switch_.pool);
  if (mbuf == nullptr) {
    port.counter(PortCounter::kDroppedNoMemory).add(1);
    return;
  }
  if (!restore_vlan(mbuf)) {
    port.counter(PortCounter::kDroppedBroken).add(1);
    rte_pktmbuf_free(mbuf);
    return;
  }
  Packet packet(mbuf, switch_.pool, switch_.vxlan_ports);
  if (!switch_.has_transfer()) return nic_receive(port, packet);
  set_origin(packet.metadata(), Origin::kWire, vport);
  switch (run(switch_.transfer, packet)) {
    case Outcome::kBroken:
      return drop(packet, port, PortCounter::kDroppedBroken);
    case Outcome::kLoop:
      return drop(packet, port, PortCounter::kDroppedLoop);
    case Outcome::kDecided:
      port.counter(PortCounter::kTransferHits).add(1);
      if (packet.fate.kind != Fate::Kind::kNone) return finish(port, packet);
      break;
    default:
      port.counter(PortCounter::kTransferMisses).add(1);
      break;
  }
  std::memset(packet.metadata().tag, 0, sizeof(packet.metadata().tag));  // tags do not leave their domain
  nic_receive(port, packet);
}

/// NIC ingress rules, then the application.
void Datapath::nic_receive(Port& port, Packet& packet) {
  if (!port.started()) return drop(packet, port, PortCounter::kDroppedStopped);
  const Outcome outcome = run(port.ingress, packet);
  if (outcome == Outcome::kBroken) return drop(packet, port, PortCounter::kDroppedBroken);
  if (outcome == Outcome::kLoop) return drop(packet, port, PortCounter::kDroppedLoop);
  if (outcome == Outcome::kDecided) {
    port.counter(PortCounter::kIngressHits).add(1);
    if (packet.fate.kind == Fate::Kind::kNone)
      packet.fate = {Fate::Kind::kApplication, port.vport(), nullptr};
    return finish(port, packet);
  }
  port.counter(PortCounter::kIngressMisses).add(1);
  if (outcome == Outcome::kMissDeeper && switch_.profile == Profile::kMlx5)
    return drop(packet, port, PortCounter::kDroppedMiss);
  if (port.isolated.load(std::memory_order_relaxed)) return drop(packet, port, PortCounter::kDroppedIsolated);
  // A representor is given what its function sends, whatever the address.
  if (!port.representor() && !port.accepts(packet.key().level[0].eth))
    return drop(packet, port, PortCounter::kDroppedAddress);
  deliver(port, packet, &port.default_rss(), 0);
}

bool Datapath::from_application(Port& port, rte_mbuf* mbuf) {
  const uint64_t metadata_flag = rte_flow_dynf_metadata_avail() != 0 ? rte_flow_dynf_metadata_mask : 0;
  mbuf = make_writable(mbuf, switch_.pool);
  if (mbuf == nullptr) return false;
  if (!do_tx_offloads(mbuf)) {
    port.counter(PortCounter::kDroppedBroken).add(1);
    rte_pktmbuf_free(mbuf);
    return true;
  }
  Packet packet(mbuf, switch_.pool, switch_.vxlan_ports);
  if (port.removed()) {
    drop(packet, port, PortCounter::kDroppedRemoved);
    return true;
  }
  if ((mbuf->ol_flags & metadata_flag) != 0) {
    put_be32(packet.metadata().meta, rte_flow_dynf_metadata_get(mbuf));
    mbuf->ol_flags &= ~metadata_flag;
  }
  nic_send(port, packet);
  return true;
}

/// NIC egress rules, then the transfer rules that ask for what applications send, then the wire.
void Datapath::nic_send(Port& port, Packet& packet) {
  const Outcome outcome = run(port.egress, packet);
  if (outcome == Outcome::kBroken) return drop(packet, port, PortCounter::kDroppedBroken);
  if (outcome == Outcome::kLoop) return drop(packet, port, PortCounter::kDroppedLoop);
  port.counter(outcome == Outcome::kDecided ? PortCounter::kEgressHits : PortCounter::kEgressMisses).add(1);
  if (packet.fate.kind == Fate::Kind::kDrop) return drop(packet, port, PortCounter::kDroppedByRule);
  if (switch_.application_rules.load(std::memory_order_acquire) > 0) {
    std::memset(packet.metadata().tag, 0, sizeof(packet.metadata().tag));
    set_origin(packet.metadata(), Origin::kApplication, port.vport());
    const Outcome transfer = run(switch_.transfer, packet);
    if (transfer == Outcome::kBroken) return drop(packet, port, PortCounter::kDroppedBroken);
    if (transfer == Outcome::kLoop) return drop(packet, port, PortCounter::kDroppedLoop);
  }
  if (packet.fate.kind == Fate::Kind::kNone) packet.fate = {Fate::Kind::kWire, port.vport(), nullptr};
  finish(port, packet);
}

/// Does what the rules decided for a packet that entered at `port`.
void Datapath::finish(Port& port, Packet& packet) {
  switch (packet.fate.kind) {
    case Fate::Kind::kWire:
      if (Port& to = *switch_.ports[packet.fate.number]; to.removed())
        return drop(packet, to, PortCounter::kDroppedRemoved);
      return switch_.wires[packet.fate.number]->send(packet.mbuf());
    case Fate::Kind::kApplication: {
      Port& to = *switch_.ports[packet.fate.number];
      if (to.removed()) return drop(packet, to, PortCounter::kDroppedRemoved);
      if (!to.started()) return drop(packet, to, PortCounter::kDroppedStopped);
      return deliver(to, packet, &to.default_rss(), 0);
    }
    case Fate::Kind::kQueue:
      return deliver(port, packet, nullptr, packet.fate.number);
    case Fate::Kind::kRss:
      return deliver(port, packet, packet.fate.rss, 0);
    default:
      return drop(packet, port, PortCounter::kDroppedByRule);
  }
}

void Datapath::deliver(Port& port, Packet& packet, const RssSpec* rss, uint16_t queue) {
  rte_mbuf* mbuf = packet.mbuf();
  mbuf->ol_flags &= ~(RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID | RTE_MBUF_F_RX_RSS_HASH);
  if (rss != nullptr) {
    mbuf->hash.rss = rss_hash(packet.key(), *rss);
    mbuf->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
    queue = rss->queues[mbuf->hash.rss % rss->queues.size()];
  }
  if (packet.marked) {
    mbuf->hash.fdir.hi = get_be32(packet.metadata().mark);
    mbuf->ol_flags |= RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID;
  }
  if (rte_flow_dynf_metadata_avail() != 0) {
    mbuf->ol_flags &= ~rte_flow_dynf_metadata_mask;
    if (packet.has_meta) {
      rte_flow_dynf_metadata_set(mbuf, get_be32(packet.metadata().meta));
      mbuf->ol_flags |= rte_flow_dynf_metadata_mask;
    }
  }
  do_rx_offloads(packet, port.data().dev_conf.rxmode.offloads);
  mbuf->port = port.data().port_id;
  if (RxQueue* to = port.rx_queue(queue))
    to->deliver(mbuf);
  else
    port.counter(PortCounter::kDroppedStopped).add(1);
  rte_pktmbuf_free(mbuf);
}

}  // namespace eswitch
