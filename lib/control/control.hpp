// The control lcore: it owns the mirror, the resolver, the FDB and the ports, and joins them: what the kernel
// says climbs from mirror to resolver to the packet path. Implements what the shell may ask (Api). One
// thread.
#pragma once

#include <deque>
#include <functional>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/c_handle.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "control/api.hpp"
#include "control/event_loop.hpp"
#include "control/flow_store.hpp"
#include "control/gids.hpp"
#include "control/hardware.hpp"
#include "control/kernel_paths.hpp"
#include "control/l3_networks.hpp"
#include "control/port_holder.hpp"
#include "control/suppression.hpp"
#include "control/waiters.hpp"
#include "dataplane/dataplane.hpp"
#include "mirror/mirror.hpp"
#include "mirror/neighbour_ageing.hpp"
#include "port/port.hpp"
#include "rcu/domain.hpp"
#include "resolver/keepalive.hpp"
#include "resolver/resolver.hpp"

namespace culvert::control {

class Control final : public Api, private mirror::Listener {
 public:
  // Opens the ports, makes the first sync with the kernel, resolves the configured tunnels and starts the
  // workers on `worker_lcores`. `config_file` is what reload() reads again, `kernel` opens the mirror's
  // channels. EAL must run; `loop` outlives the object and is turned meanwhile. Error: a device or a kernel
  // that fails, or a configuration that does not fit them, and what would be right.
  static Result<std::unique_ptr<Control>> create(EventLoop& loop, const config::Config& config,
                                                 const std::string& config_file,
                                                 const std::vector<unsigned>& worker_lcores,
                                                 const netlink::Open& kernel = netlink::Socket::open_channel);
  ~Control() override;

  std::vector<PortView> ports() override;
  std::vector<NeighbourView> neighbours() override;
  Result<std::vector<RouteView>> routes(const RouteQuery& query) override;
  std::vector<TunnelView> tunnels() override;
  std::vector<EncapView> encaps() override;
  std::vector<PathView> paths() override;
  std::vector<GidView> gids() override;
  StatsView stats() override;
  MirrorView mirror() override;
  Status add_tunnel(const tunnel::Tunnel& tunnel) override;
  Status delete_tunnel(const std::string& name) override;
  std::vector<FlowView> flows() override;
  std::vector<std::string> networks() override;
  Status add_path(const std::string& network, const config::StaticPath& path) override;
  Status delete_path(const std::string& network, const net::Mac& mac) override;
  Status flush_paths(const std::string& network) override;
  Status add_flow(const tunnel::Flow& flow) override;
  Status delete_flow(const std::string& name) override;
  void flush_flows() override;
  void explain_flow(const std::string& name, std::function<void(Result<std::string>)> done) override;
  void verify(std::function<void(Result<std::vector<std::string>>)> done) override;
  void reload(std::function<void(Status)> done) override;
  void wait(TimePoint deadline, std::optional<std::string> tunnel, std::function<void(Status)> done) override;
  Result<std::unique_ptr<Stream>> monitor() override;
  void resync() override;
  void set_forwarding(bool on) override;
  void shutdown() override;

 private:
  struct Reload;
  using PathKey = std::pair<std::string, net::Mac>;  // network and MAC
  struct StaticPathRow {
    config::StaticPath path;
    bool of_shell = false;
  };
  // A port whose device is gone: closed when nobody uses it.
  struct Leaving {
    size_t port = 0;
    uint64_t grace = 0;          // RCU token: then no worker uses it
    bool without_rules = false;  // the offload thread has done with it
  };

  Control(EventLoop& loop, const config::Config& config, const std::string& config_file);

  // The steps of create(), in order.
  Status open_ports(const std::vector<unsigned>& worker_lcores);
  Status sync_with_kernel(const netlink::Open& kernel);
  Status check_netdevs() const;
  Status start_dataplane(const std::vector<unsigned>& worker_lcores);
  Status start_gids();
  Status apply_config();

  // One turn: what time and the kernel's events have made due. Bounded, called every kTick and after events.
  void turn();
  void on_link(const mirror::Link* before, const mirror::Link* after) override;
  void on_adjacency(const resolver::Adjacency& adjacency);
  void on_local(const net::IpAddr& local);
  // Ports whose devices are removed: control_ports.cpp.
  Status watch_ports();
  void on_ports_removed();
  void close_removed_ports();
  void publish_own_macs();
  std::vector<dataplane::Termination> terminations();
  void publish_terminations();
  uint64_t sent_by(resolver::EncapId id) const;
  void neighbour_used(const resolver::NeighbourKey& key, resolver::EncapId id);
  void measure_load(TimePoint now);
  // The path tables' N and M, as the kernel has them: control_paths.cpp.
  void follow_neighbour_cache();

  // The configuration's networks, as they are now.
  Status set_networks();
  std::vector<L3Spec> l3_specs() const;
  std::vector<SuppressSpec> suppress_specs() const;
  std::vector<BridgedNetwork> bridged_networks() const;
  // Static paths: control_paths.cpp. Those of the configuration as it is now are put in, and those that are
  // not in it any more taken out.
  void set_paths();
  Status check_reload_paths(const config::Config& wanted) const;
  Result<const config::Network*> l2_network(const std::string& name) const;
  dataplane::Where where_of(const config::StaticPath& path) const;
  void forget_path(const std::string& network, const net::Mac& mac);
  dataplane::PortIndex port_index(const std::string& name) const;
  // An encap that nothing uses any more.
  void forget_encap(resolver::EncapId id);

  // Flows: in the packet path and, by offload_flow() and withdraw_flow(), in the NIC.
  Status check_flow(const tunnel::Flow& flow) const;
  Status create_flow(const tunnel::Flow& flow, FlowStore::Source source);
  void erase_flow(const std::string& name);
  Status put_flow(const FlowStore::Row& row);

  // The seam to lib/offload: control_offload.cpp says what each is for.
  Status check_offload(const config::Offload& wanted) const;
  void offload_flow(const FlowStore::Row& row);
  void withdraw_flow(const std::string& name);
  Status start_hardware();
  void add_network_flows(std::vector<FlowView>& views);
  void place_flow(const std::string& name, FlowView& view) const;
  void explain_offload(const std::string& name, std::function<void(Result<std::string>)> done);

  // The steps of reload(), in order; only the last changes what runs.
  void read_configuration();
  void finish_reload();
  Status apply(config::Parsed parsed);
  Status check_reload(const Reload& reload) const;
  Status check_reload_tunnels(const Reload& reload) const;
  Status hold_ports(const Reload& reload);
  void apply_reload(const Reload& reload);
  void apply_flows(const Reload& reload);

  static bool same_packets(const tunnel::Tunnel& a, const tunnel::Tunnel& b);
  Status check_kernel_vxlan(const tunnel::Tunnel& tunnel) const;
  bool kernel_vxlan_on(uint16_t udp_port) const;
  std::vector<net::Mac> own_macs(const port::Port& port, const config::Port& config) const;
  const config::Network* network_of(const std::string& tunnel) const;
  const std::string& tunnel_name(resolver::EncapId id) const;
  std::string netdev_name(int ifindex) const;
  RouteView view(const mirror::Route& route) const;
  // The route that the kernel would use.
  std::optional<mirror::Route> route_to(const net::IpAddr& address, uint32_t table,
                                        std::optional<net::IpAddr> from = std::nullopt) const;
  std::string match_of_network(const offload::FlowView& flow) const;
  std::string explain_tunnel(const resolver::Adjacency& adjacency) const;
  std::string explain_neighbour(const resolver::NeighbourKey& key) const;

  EventLoop& loop_;
  config::Config config_;  // as it runs: without the tunnels that the shell has deleted
  const std::string config_file_;
  std::map<uint32_t, std::string> table_names_;
  mirror::NeighbourAgeing neighbour_ageing_;

  // Destroyed in reverse: workers end before the ports that they use.
  std::unique_ptr<rcu::Domain> domain_;
  port::Mempool pool_;
  UniqueFd removals_;  // an eventfd that ports write to; see watch_ports()
  std::vector<std::unique_ptr<port::Port>> ports_;
  std::unique_ptr<mirror::Mirror> mirror_;
  std::unique_ptr<dataplane::Dataplane> dataplane_;
  std::unique_ptr<L3Networks> l3_;
  std::unique_ptr<Suppression> suppression_;
  std::unique_ptr<KernelPaths> kernel_paths_;
  std::unique_ptr<resolver::Resolver> resolver_;
  std::unique_ptr<resolver::Keepalive> keepalive_;
  std::vector<offload::Prepared> prepared_;  // by port
  std::unique_ptr<Hardware> hardware_;
  std::unique_ptr<Gids> gids_;
  TimePoint event_at_{};  // when the kernel's latest event came
  PortHolder holder_;
  Waiters waiters_;

  std::map<std::string, resolver::EncapId> tunnels_;  // every tunnel, of the configuration and of the shell
  std::map<std::string, dataplane::NetworkId> network_ids_;
  std::map<PathKey, StaticPathRow> static_paths_;
  FlowStore flows_;
  std::deque<std::function<void(Status)>> reloads_;  // asked for: the first is under way
  std::future<config::Parsed> parsed_;               // for the first
  std::vector<std::function<void()>> after_reloads_;
  std::list<Leaving> leaving_;
  bool links_changed_ = false;
  std::set<resolver::EncapId> terminated_;  // whose packets are taken: their local address is the kernel's
  bool terminations_changed_ = false;

  TimePoint next_second_{};  // of measure_load()
  Duration cpu_time_{};
  TimePoint measured_at_{};
  double busy_pct_ = 0;
  EventLoop::TimerId tick_ = 0;
};

}  // namespace culvert::control
