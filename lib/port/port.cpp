#include "port/port.hpp"

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_flow.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/log.hpp"

namespace culvert::port {

namespace {

const Log kLog("port");

// These share the traffic out over all queues they were made with, polled or not.
bool queues_are_fixed(std::string_view driver) {
  constexpr std::array<std::string_view, 4> kDrivers{"net_af_packet", "net_af_xdp", "net_pcap", "net_ring"};
  return std::ranges::find(kDrivers, driver) != kDrivers.end();
}

// A receive queue and the send queue of the same number are one file descriptor of the kernel's.
bool queues_are_pairs(std::string_view driver) { return driver == "net_tap"; }

}  // namespace

std::vector<std::string> ethdev_names() {
  std::vector<std::string> names;
  uint16_t id = 0;
  RTE_ETH_FOREACH_DEV(id) {
    char name[RTE_ETH_NAME_MAX_LEN];
    if (rte_eth_dev_get_name_by_port(id, name) == 0) names.emplace_back(name);
  }
  return names;
}

Result<std::unique_ptr<Port>> Port::open(const Options& options) {
  std::unique_ptr<Port> port(new Port);
  port->name_ = options.name;
  port->ethdev_ = options.ethdev;
  port->pool_ = options.pool;
  if (rte_eth_dev_get_port_by_name(options.ethdev.c_str(), &port->id_) != 0)
    return error("port '{}': there is no ethdev '{}' (EAL knows: {})", options.name, options.ethdev,
                 fmt::join(ethdev_names(), ", "));
  rte_eth_dev_info info{};
  if (const int rc = rte_eth_dev_info_get(port->id_, &info); rc != 0)
    return error("port '{}': ethdev '{}' tells nothing of itself: {}", options.name, options.ethdev,
                 errno_text(rc));
  port->driver_ = info.driver_name;
  port->if_index_ = info.if_index;
  if (info.max_rx_queues == 0 || info.max_tx_queues == 0)
    return error("port '{}': {} '{}' has {} receive and {} send queues; one of each is needed", options.name,
                 port->driver_, options.ethdev, info.max_rx_queues, info.max_tx_queues);
  port->choose_queues(info, std::max(options.workers, 1u));
  port->on_removed_ = options.on_removed;
  port->opened_ = true;  // from here on the device is ours to close
  if (auto status = port->configure(info, options); !status) return tl::make_unexpected(status.error());
  kLog.info("port '{}': {} '{}', {} receive and {} send queues for {} workers", options.name, port->driver_,
            options.ethdev, port->rx_queues_, port->tx_queues_, options.workers);
  return port;
}

void Port::choose_queues(const rte_eth_dev_info& info, unsigned workers) {
  const auto wanted = static_cast<uint16_t>(std::min(workers, unsigned{UINT16_MAX}));
  const bool spreads = info.flow_type_rss_offloads != 0;
  if (queues_are_fixed(driver_)) {
    rx_queues_ = info.max_rx_queues;
    tx_queues_ = info.max_tx_queues;
  } else {
    rx_queues_ = spreads ? std::min(wanted, info.max_rx_queues) : uint16_t{1};
    tx_queues_ = std::min(wanted, info.max_tx_queues);
  }
  if (queues_are_pairs(driver_)) rx_queues_ = tx_queues_ = std::min(wanted, info.max_tx_queues);
  tx_states_ = std::vector<TxState>(tx_queues_);
  tx_shared_ = tx_queues_ < workers;
}

Status Port::configure(const rte_eth_dev_info& info, const Options& options) {
  const auto failed = [&](const char* what, int code) {
    return error("port '{}': {} '{}' refused {}: {}", name_, driver_, ethdev_, what, errno_text(code));
  };
  // A driver without this operation delivers marks unasked, or has no flow rules; one that refuses is found
  // out when a rule asks for a mark.
  uint64_t features = RTE_ETH_RX_METADATA_USER_MARK;
  rte_eth_rx_metadata_negotiate(id_, &features);
  rte_eth_conf conf{};
  conf.intr_conf.rmv = (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0 ? 1 : 0;
  // Without this rte_eth_dev_configure() would set 1500.
  conf.rxmode.mtu = std::clamp<uint32_t>(mtu(), info.min_mtu, info.max_mtu);
  if (rx_queues_ > 1 && info.flow_type_rss_offloads != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf =
        (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP) & info.flow_type_rss_offloads;
  }
  const uint32_t frame_bytes = conf.rxmode.mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
  const uint32_t room_bytes = rte_pktmbuf_data_room_size(pool_) - RTE_PKTMBUF_HEADROOM;
  if (frame_bytes > room_bytes) conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
  conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  if (const int rc = rte_eth_dev_configure(id_, rx_queues_, tx_queues_, &conf); rc != 0)
    return failed(
        fmt::format("{} receive and {} send queues, MTU {}", rx_queues_, tx_queues_, conf.rxmode.mtu).c_str(),
        rc);
  if (const int rc = rte_eth_dev_callback_register(id_, RTE_ETH_EVENT_INTR_RMV, tell_removed, this); rc != 0)
    return failed("to tell when it is removed", rc);
  if (rte_eth_dev_is_removed(id_) == 1) tell_removed(id_, RTE_ETH_EVENT_INTR_RMV, this, nullptr);

  uint16_t rx_descriptors = options.ring_descriptors;
  uint16_t tx_descriptors = options.ring_descriptors;
  if (const int rc = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx_descriptors, &tx_descriptors); rc != 0)
    return failed("ring sizes", rc);
  tx_descriptors_ = tx_descriptors;
  rte_eth_rxconf rx_conf = info.default_rxconf;
  rx_conf.offloads = conf.rxmode.offloads;
  rte_eth_txconf tx_conf = info.default_txconf;
  tx_conf.offloads = conf.txmode.offloads;
  for (uint16_t queue = 0; queue < rx_queues_; ++queue)
    if (const int rc = rte_eth_rx_queue_setup(id_, queue, rx_descriptors, static_cast<unsigned>(socket()),
                                              &rx_conf, pool_);
        rc != 0)
      return failed(fmt::format("receive queue {}", queue).c_str(), rc);
  for (uint16_t queue = 0; queue < tx_queues_; ++queue)
    if (const int rc =
            rte_eth_tx_queue_setup(id_, queue, tx_descriptors, static_cast<unsigned>(socket()), &tx_conf);
        rc != 0)
      return failed(fmt::format("send queue {}", queue).c_str(), rc);
  return {};
}

Status Port::start() {
  if (rte_flow_dynf_metadata_avail() == 0 && rte_flow_dynf_metadata_register() != 0)
    return error("port '{}': mbufs have no room for Tx metadata: {}", name_, errno_text(rte_errno));
  if (const int rc = rte_eth_dev_start(id_); rc != 0)
    return error("port '{}': {} '{}' does not start: {}", name_, driver_, ethdev_, errno_text(rc));
  started_ = true;
  // Some vdevs know no modes: they take every frame anyway.
  if (const int rc = rte_eth_promiscuous_enable(id_); rc != 0 && rc != -ENOTSUP)
    return error("port '{}': {} '{}' cannot be made promiscuous: {}", name_, driver_, ethdev_,
                 errno_text(rc));
  return {};
}

void Port::close() {
  if (!opened_) return;
  opened_ = false;
  // Busy: the driver is telling it now.
  while (rte_eth_dev_callback_unregister(id_, RTE_ETH_EVENT_INTR_RMV, tell_removed, this) == -EAGAIN)
    rte_pause();
  if (started_) {
    if (const int rc = rte_eth_dev_stop(id_); rc != 0)
      kLog.warning("port '{}': {} '{}' does not stop: {}", name_, driver_, ethdev_, errno_text(rc));
  }
  if (const int rc = rte_eth_dev_close(id_); rc != 0)
    kLog.warning("port '{}': {} '{}' does not close: {}", name_, driver_, ethdev_, errno_text(rc));
}

Port::~Port() { close(); }

int Port::tell_removed(uint16_t, rte_eth_event_type, void* port, void*) {
  auto& self = *static_cast<Port*>(port);
  if (!self.removed_.exchange(true, std::memory_order_acq_rel) && self.on_removed_) self.on_removed_();
  return 0;
}

bool Port::kernel_frames() const { return driver_ == "net_af_packet" || driver_ == "net_af_xdp"; }

uint16_t Port::proxy_id() const {
  uint16_t proxy = id_;
  rte_flow_error error{};
  return rte_flow_pick_transfer_proxy(id_, &proxy, &error) == 0 ? proxy : id_;
}

std::vector<Port*> start_order(const std::vector<std::unique_ptr<Port>>& ports) {
  std::vector<Port*> order;
  for (const auto& port : ports) order.push_back(port.get());
  std::stable_partition(order.begin(), order.end(), [](const Port* port) { return port->is_proxy(); });
  return order;
}

void close_all(const std::vector<std::unique_ptr<Port>>& ports) {
  const std::vector<Port*> order = start_order(ports);
  for (auto port = order.rbegin(); port != order.rend(); ++port) (*port)->close();
}

bool may_close(const Port& port, const std::vector<std::unique_ptr<Port>>& ports) {
  return std::ranges::none_of(ports, [&](const auto& other) {
    return other.get() != &port && other->is_open() && other->proxy_id() == port.id();
  });
}

TxQueue Port::tx_queue(unsigned worker) {
  const auto queue = static_cast<uint16_t>(worker % tx_queues_);
  TxState& state = tx_states_[queue];
  return {queue, tx_descriptors_, tx_shared_ ? &state.lock : nullptr, &state.posted};
}

net::Mac Port::mac() const {
  rte_ether_addr address{};
  net::Mac mac;
  if (opened_ && rte_eth_macaddr_get(id_, &address) == 0)
    std::memcpy(mac.bytes.data(), address.addr_bytes, mac.bytes.size());
  return mac;
}

uint16_t Port::mtu() const {
  if (!opened_) return 0;
  uint16_t mtu = RTE_ETHER_MTU;
  rte_eth_dev_get_mtu(id_, &mtu);
  return mtu;
}

Link Port::link() const {
  rte_eth_link link{};
  if (!opened_ || rte_eth_link_get_nowait(id_, &link) != 0) return {};
  return {link.link_status == RTE_ETH_LINK_UP, link.link_speed};
}

rte_eth_stats Port::stats() const {
  rte_eth_stats stats{};
  if (!opened_ || rte_eth_stats_get(id_, &stats) != 0) return {};
  return stats;
}

}  // namespace culvert::port
