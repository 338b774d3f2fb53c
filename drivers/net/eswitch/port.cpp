#include "port.hpp"

#include <rte_ether.h>

#include "log.hpp"
#include "registry.hpp"
#include "switch.hpp"
#include "templates.hpp"

namespace eswitch {
namespace {

constexpr uint64_t kRxOffloads = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
                                 RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_VLAN_STRIP |
                                 RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_RSS_HASH;
constexpr uint64_t kTxOffloads = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
                                 RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_VLAN_INSERT |
                                 RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
constexpr uint16_t kMinDescriptors = 16, kMaxDescriptors = 8192, kDefaultDescriptors = 512, kBurstSize = 32;

int mtu_set(rte_eth_dev* dev, uint16_t mtu) {
  const int result = rte_eth_dev_set_mtu(port_of(dev).sw().wires[port_of(dev).vport()]->ethdev(), mtu);
  return result == -ENOTSUP ? 0 : result;  // a wire that has no MTU takes any
}

/// ethdev takes a configuration without an MTU for one of 1500; then the wire's stays.
int configure_mtu(rte_eth_dev* dev) {
  const uint32_t wanted = dev->data->dev_conf.rxmode.mtu;
  if (wanted != RTE_ETHER_MTU) return mtu_set(dev, static_cast<uint16_t>(wanted));
  return rte_eth_dev_get_mtu(port_of(dev).sw().wires[port_of(dev).vport()]->ethdev(), &dev->data->mtu);
}

int configure(rte_eth_dev* dev) {
  Port& port = port_of(dev);
  const rte_eth_conf& conf = dev->data->dev_conf;
  port.rss.key = default_rss_key();
  port.rss.types = 0;
  if ((conf.rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG) != 0) {
    rte_eth_rss_conf rss = conf.rx_adv_conf.rss_conf;
    if (const int result = rss_hash_update(dev, &rss); result != 0) return result;
  }
  if (const int result = configure_mtu(dev); result != 0) return result;
  const uint16_t queues = std::max<uint16_t>(dev->data->nb_rx_queues, 1);
  port.rss.queues.resize(Port::kRetaSize);
  for (uint16_t i = 0; i < Port::kRetaSize; ++i) port.rss.queues[i] = static_cast<uint16_t>(i % queues);
  port.publish_rss();
  return 0;
}

void set_queue_states(rte_eth_dev_data& data, uint8_t state) {
  std::fill_n(data.rx_queue_state, data.nb_rx_queues, state);
  std::fill_n(data.tx_queue_state, data.nb_tx_queues, state);
}

int start(rte_eth_dev* dev) {
  port_of(dev).start();
  set_queue_states(*dev->data, RTE_ETH_QUEUE_STATE_STARTED);
  return 0;
}

int stop(rte_eth_dev* dev) {
  Port& port = port_of(dev);
  port.stop();
  set_queue_states(*dev->data, RTE_ETH_QUEUE_STATE_STOPPED);
  const std::lock_guard guard(port.sw().lock);
  if (port.sw().profile == Profile::kMlx5) flush_rules(port);  // as net_mlx5 does
  return 0;
}

int close(rte_eth_dev* dev) {
  Port& port = port_of(dev);
  Switch& sw = port.sw();
  port.stop();
  for (uint16_t i = 0; i < dev->data->nb_rx_queues; ++i)
    delete static_cast<RxQueue*>(std::exchange(dev->data->rx_queues[i], nullptr));
  for (uint16_t i = 0; i < dev->data->nb_tx_queues; ++i)
    delete static_cast<TxQueue*>(std::exchange(dev->data->tx_queues[i], nullptr));
  dev->data->mac_addrs = nullptr;  // ours, not ethdev's to free
  dev->data->dev_private = nullptr;
  bool last;
  {
    const std::lock_guard guard(sw.lock);
    flush_port(port);
    port.closed = true;
    last = --sw.open_ports == 0;
  }
  if (last) forget_switch(sw);
  return 0;
}

int link_update(rte_eth_dev* dev, int) {
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(port_of(dev).sw().wires[port_of(dev).vport()]->ethdev(), &link) != 0) return -1;
  return rte_eth_linkstatus_set(dev, &link);
}

int promiscuous(rte_eth_dev* dev, bool on) {
  port_of(dev).promiscuous.store(on, std::memory_order_relaxed);
  return 0;
}
int all_multicast(rte_eth_dev* dev, bool on) {
  port_of(dev).all_multicast.store(on, std::memory_order_relaxed);
  return 0;
}

int mac_set(rte_eth_dev* dev, rte_ether_addr* mac) {
  port_of(dev).macs[0].store(mac_number(mac->addr_bytes), std::memory_order_relaxed);
  return 0;
}
int mac_add(rte_eth_dev* dev, rte_ether_addr* mac, uint32_t index, uint32_t) {
  port_of(dev).macs[index].store(mac_number(mac->addr_bytes), std::memory_order_relaxed);
  return 0;
}
void mac_remove(rte_eth_dev* dev, uint32_t index) {
  port_of(dev).macs[index].store(0, std::memory_order_relaxed);
}

int info_get(rte_eth_dev* dev, rte_eth_dev_info* info) {
  const Port& port = port_of(dev);
  info->max_rx_queues = info->max_tx_queues = Port::kMaxQueues;
  info->max_rx_pktlen = UINT16_MAX;
  info->max_mac_addrs = Port::kMaxMacs;
  info->min_rx_bufsize = 64;
  info->max_mtu = UINT16_MAX - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN;
  info->min_mtu = RTE_ETHER_MIN_MTU;
  info->rx_offload_capa = kRxOffloads;
  info->tx_offload_capa = kTxOffloads;
  info->hash_key_size = kRssKeyBytes;
  info->reta_size = Port::kRetaSize;
  info->flow_type_rss_offloads = kRssTypes;
  info->rx_desc_lim = {.nb_max = kMaxDescriptors, .nb_min = kMinDescriptors, .nb_align = 1};
  info->tx_desc_lim = {.nb_max = kMaxDescriptors, .nb_min = kMinDescriptors, .nb_align = 1};
  info->default_rxportconf = {.burst_size = kBurstSize, .ring_size = kDefaultDescriptors, .nb_queues = 1};
  info->default_txportconf = {.burst_size = kBurstSize, .ring_size = kDefaultDescriptors, .nb_queues = 1};
  info->dev_capa |= RTE_ETH_DEV_CAPA_FLOW_SHARED_OBJECT_KEEP;
  if (port.sw().profile != Profile::kMlx5) info->dev_capa |= RTE_ETH_DEV_CAPA_FLOW_RULE_KEEP;
  if (port.sw().has_transfer()) {
    info->switch_info.name = port.sw().name.c_str();
    info->switch_info.domain_id = port.sw().domain_id;
    info->switch_info.port_id = port.vport();
  }
  return 0;
}

int representor_info_get(rte_eth_dev* dev, rte_eth_representor_info* info) {
  const Port& port = port_of(dev);
  const auto count = static_cast<uint16_t>(port.sw().wires.size() - 1);
  if (info == nullptr || count == 0) return count == 0 ? 0 : 1;
  info->controller = 0;
  info->pf = 0;
  if (info->nb_ranges_alloc < 1) return 1;
  info->nb_ranges = 1;
  rte_eth_representor_range& range = info->ranges[0];
  range.type = RTE_ETH_REPRESENTOR_VF;
  range.controller = 0;
  range.pf = 0;
  range.vf = 0;
  range.id_base = 0;
  range.id_end = count - 1u;
  std::snprintf(range.name, sizeof(range.name), "rep");
  return 1;
}

/// From 24.03 on ethdev asks for their number too.
template <typename... Count>
const uint32_t* packet_types_get(rte_eth_dev*, Count... count) {
  static const uint32_t types[] = {RTE_PTYPE_L2_ETHER,
                                   RTE_PTYPE_L2_ETHER_VLAN,
                                   RTE_PTYPE_L3_IPV4_EXT_UNKNOWN,
                                   RTE_PTYPE_L3_IPV6_EXT_UNKNOWN,
                                   RTE_PTYPE_L4_UDP,
                                   RTE_PTYPE_L4_TCP,
                                   RTE_PTYPE_L4_ICMP,
                                   RTE_PTYPE_UNKNOWN};
  ((*count = std::size(types) - 1), ...);
  return types;
}

int udp_tunnel_port(rte_eth_dev* dev, const rte_eth_udp_tunnel* tunnel, bool add) {
  if (tunnel->prot_type != RTE_ETH_TUNNEL_TYPE_VXLAN) return -ENOTSUP;
  Switch& sw = port_of(dev).sw();
  const std::lock_guard guard(sw.lock);
  if (add)
    sw.vxlan_ports.add(tunnel->udp_port);
  else if (sw.vxlan_ports.contains(tunnel->udp_port))
    sw.vxlan_ports.remove(tunnel->udp_port);
  return 0;
}

}  // namespace

Port::Port(Switch& sw, uint16_t vport, rte_eth_dev& dev)
    : ingress(Direction::kIngress, sw.rcu),
      egress(Direction::kEgress, sw.rcu),
      sw_(sw),
      vport_(vport),
      dev_(dev) {
  for (auto& mac : macs) mac.store(0, std::memory_order_relaxed);
  rss.key = default_rss_key();
  rss.queues.assign(kRetaSize, 0);
  publish_rss();
}

Port::~Port() = default;

void Port::publish_rss() {
  const RssHolder* old = rss_.current.exchange(new RssHolder(rss), std::memory_order_acq_rel);
  if (old == nullptr) return;
  const std::lock_guard guard(sw_.lock);
  sw_.rcu.retire(std::unique_ptr<Retirable>(const_cast<RssHolder*>(old)));
}

void Port::start() {
  rx_.clear();
  tx_.clear();
  for (uint16_t i = 0; i < data().nb_rx_queues; ++i)
    rx_.push_back(static_cast<RxQueue*>(data().rx_queues[i]));
  for (uint16_t i = 0; i < data().nb_tx_queues; ++i)
    tx_.push_back(static_cast<TxQueue*>(data().tx_queues[i]));
  // Release: the thread that sees the port started sees its queues.
  started_.store(true, std::memory_order_release);
  sw_.wake();
}

void Port::stop() {
  if (!started_.exchange(false, std::memory_order_acq_rel)) return;
  sw_.rcu.synchronize();  // the switch thread has left the queues
}

void Port::remove() {
  if (removed_.exchange(true, std::memory_order_relaxed)) return;
  if (data().dev_conf.intr_conf.rmv != 0)
    rte_eth_dev_callback_process(&dev_, RTE_ETH_EVENT_INTR_RMV, nullptr);
}

int Port::fault(Faults::Op op) { return removed() ? EIO : sw_.faults.next(op); }

bool Port::accepts(const uint8_t* mac) const {
  if (promiscuous.load(std::memory_order_relaxed)) return true;
  const uint64_t number = mac_number(mac);
  if (number == 0xffffffffffff) return true;
  if ((mac[0] & 1) != 0) {
    const bool ipv6 = mac[0] == 0x33 && mac[1] == 0x33;
    if (ipv6 || all_multicast.load(std::memory_order_relaxed)) return true;
  }
  for (const auto& own : macs)
    if (own.load(std::memory_order_relaxed) == number) return true;
  return false;
}

const eth_dev_ops port_ops = [] {
  eth_dev_ops ops{};
  ops.dev_configure = configure;
  ops.dev_start = start;
  ops.dev_stop = stop;
  ops.dev_close = close;
  ops.is_removed = [](rte_eth_dev* dev) { return port_of(dev).removed() ? 1 : 0; };
  ops.link_update = link_update;
  ops.promiscuous_enable = [](rte_eth_dev* dev) { return promiscuous(dev, true); };
  ops.promiscuous_disable = [](rte_eth_dev* dev) { return promiscuous(dev, false); };
  ops.allmulticast_enable = [](rte_eth_dev* dev) { return all_multicast(dev, true); };
  ops.allmulticast_disable = [](rte_eth_dev* dev) { return all_multicast(dev, false); };
  ops.mac_addr_set = mac_set;
  ops.mac_addr_add = mac_add;
  ops.mac_addr_remove = mac_remove;
  ops.mtu_set = mtu_set;
  ops.dev_infos_get = info_get;
  ops.representor_info_get = representor_info_get;
  ops.dev_supported_ptypes_get = packet_types_get;
  set_queue_setup_ops(ops);
  ops.udp_tunnel_port_add = [](rte_eth_dev* dev, rte_eth_udp_tunnel* tunnel) {
    return udp_tunnel_port(dev, tunnel, true);
  };
  ops.udp_tunnel_port_del = [](rte_eth_dev* dev, rte_eth_udp_tunnel* tunnel) {
    return udp_tunnel_port(dev, tunnel, false);
  };
  ops.rx_metadata_negotiate = [](rte_eth_dev*, uint64_t* features) {
    *features &= RTE_ETH_RX_METADATA_USER_FLAG | RTE_ETH_RX_METADATA_USER_MARK;
    return 0;
  };
  ops.rss_hash_update = rss_hash_update;
  ops.rss_hash_conf_get = rss_hash_conf_get;
  ops.reta_update = reta_update;
  ops.reta_query = reta_query;
  ops.stats_get = stats_get;
  ops.stats_reset = stats_reset;
  ops.xstats_get = xstats_get;
  ops.xstats_get_names = xstats_get_names;
  ops.xstats_reset = xstats_reset;
  ops.flow_ops_get = flow_ops_get;
  return ops;
}();

}  // namespace eswitch
