#include "switch_rig.hpp"

#include <algorithm>

namespace culvert::bench {

namespace {

using namespace std::chrono_literals;

constexpr auto kSettleLimit = 60s;
constexpr unsigned kMbufs = 8192;
constexpr const char* kSwitch = "net_eswitch_bench";
constexpr offload::PortIndex kUplink = 0, kTenant = 1;
constexpr net::Mac kUplinkMac{{2, 0, 0, 0, 3, 0}};

std::string name_of_flow(unsigned number) { return fmt::format("flow{}", number); }

}  // namespace

std::vector<offload::FlowSpec> flow_specs(unsigned flows, unsigned tunnels) {
  std::vector<offload::FlowSpec> specs;
  specs.reserve(flows);
  for (unsigned i = 0; i < flows; ++i) {
    offload::Explicit what{.port = kTenant, .sequence = i, .encap = i % tunnels};
    what.match.src = net::Prefix::of(net::IpAddr::v4(net::be32{0x0a000000 + i}), 32);
    what.match.ip_proto = net::kProtoUdp;
    specs.push_back({name_of_flow(i), offload::Source::shell, what});
  }
  return specs;
}

Result<std::unique_ptr<SwitchRig>> SwitchRig::make(const SwitchSetup& setup) {
  std::unique_ptr<SwitchRig> rig(new SwitchRig);
  if (auto status = rig->open(setup); !status) return tl::make_unexpected(status.error());
  return rig;
}

Status SwitchRig::open(const SwitchSetup& setup) {
  auto pool = port::create_mempool("bench", kMbufs);
  if (!pool) return tl::make_unexpected(pool.error());
  pool_ = std::move(*pool);
  auto domain = rcu::Domain::create();
  if (!domain) return tl::make_unexpected(domain.error());
  domain_ = std::move(*domain);
  std::vector<std::string> names = setup.device.ports;
  if (names.empty()) {
    if (auto status = make_switch(setup.device.arguments); !status) return status;
    names = {kSwitch, fmt::format("{}_rep0", kSwitch)};
  }
  offload::Setup offload_setup;
  if (auto status = open_ports(names, offload_setup); !status) return status;
  offload_setup.mode = offload::Mode::required;
  offload_setup.layout = setup.layout;
  offload_setup.domain = domain_.get();
  offload_setup.wake = [this] {
    const std::lock_guard lock(wake_mutex_);
    woken_ = true;
    wake_.notify_one();
  };
  auto made = offload::Offload::create(offload_setup);
  if (!made) return tl::make_unexpected(made.error());
  offload = std::move(*made);
  auto client = offload->client();
  if (!client) return tl::make_unexpected(client.error());
  client_ = std::move(*client);
  return {};
}

Status SwitchRig::make_switch(const std::string& arguments) {
  uplink_wire_.emplace("net_null_bench_uplink", "no-rx=1");
  tenant_wire_.emplace("net_null_bench_tenant", "no-rx=1");
  switch_.emplace(kSwitch, fmt::format("uplink=net_null_bench_uplink,rep=net_null_bench_tenant{}{}",
                                       arguments.empty() ? "" : ",", arguments));
  for (const auto* vdev : {&uplink_wire_, &tenant_wire_, &switch_})
    if (!(*vdev)->status) return (*vdev)->status;
  return {};
}

// The uplink stands first, so that they start in the right order.
Status SwitchRig::open_ports(const std::vector<std::string>& names, offload::Setup& setup) {
  for (const std::string& name : names) {
    auto port = port::Port::open({.name = name, .ethdev = name, .pool = pool_.get()});
    if (!port) return tl::make_unexpected(port.error());
    ports_.push_back(std::move(*port));
    offload::PortSetup& one = setup.ports.emplace_back();
    one.name = name;
    one.port_id = ports_.back()->id();
    one.wire = setup.ports.size() == kUplink + 1;
    one.prepared = offload::prepare(one.port_id, false);
    if (auto status = ports_.back()->start(); !status) return status;
  }
  return {};
}

SwitchRig::~SwitchRig() {
  client_.reset();
  offload.reset();
  port::close_all(ports_);
}

Status SwitchRig::resolve(unsigned tunnels, uint8_t mac) {
  ++generation_;
  for (unsigned i = 0; i < tunnels; ++i) {
    offload::EncapUpdate update;
    update.id = i;
    update.generation = generation_;
    update.tunnel.name = fmt::format("vx{}", i);
    update.tunnel.vni = 100 + i;
    update.tunnel.local = net::IpAddr::v4(net::be32{kOuterDst});
    update.tunnel.remote = net::IpAddr::v4(net::be32{kOuterSrc});
    tunnel::EncapRule& rule = update.rule.emplace();
    rule.port = kUplink;
    rule.dst_mac = {{2, 0, 0, 0, 0x99, mac}};
    rule.src_mac = kUplinkMac;
    rule.via = update.tunnel.remote;
    rule.header = tunnel::make_header(update.tunnel, rule.dst_mac, rule.src_mac, std::nullopt);
    if (i == 0) header_ = rule.header;
    offload->set_encap(std::move(update));
  }
  return settle();
}

Status SwitchRig::add(std::vector<offload::FlowSpec> specs) {
  for (offload::FlowSpec& spec : specs)
    if (auto status = client_->add(std::move(spec)); !status) return status;
  return settle();
}

Status SwitchRig::remove(unsigned flows) {
  for (unsigned i = 0; i < flows; ++i)
    if (auto status = client_->remove(name_of_flow(i)); !status) return status;
  return settle();
}

Status SwitchRig::settle() {
  bool done = false;
  const TimePoint deadline = Clock::now() + kSettleLimit;
  offload->barrier([&done] { done = true; });
  while (!done) {
    {
      std::unique_lock lock(wake_mutex_);
      // What comes too late has nowhere to go: the offload ends with the rig, and calls nobody then.
      if (!wake_.wait_until(lock, deadline, [this] { return std::exchange(woken_, false); }))
        return error("not settled within {} s", kSettleLimit.count());
    }
    offload->run_answers();
  }
  return {};
}

}  // namespace culvert::bench
