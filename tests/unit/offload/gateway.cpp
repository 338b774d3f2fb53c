#include "gateway.hpp"

namespace culvert::offload::testing {

using namespace std::chrono_literals;

namespace {

unsigned with_eal(unsigned wires) {
  eswitch_test::start_eal("offload");
  return wires;
}

}  // namespace

Gateway::Gateway(const Options& options) : wires(with_eal(options.wires), options.arguments) {
  domain_ = std::move(*rcu::Domain::create());
  Setup setup;
  for (unsigned i = 0; i < options.wires; ++i) {
    PortSetup& port = setup.ports.emplace_back();
    port.name = i == 0 ? "uplink" : "tenant" + std::to_string(i);
    port.port_id = wires.port(i);
    port.wire = i < options.uplinks;
    if (!port.wire || options.uplinks == 1) continue;
    rte_eth_dev_stop(port.port_id);
    port.prepared = prepare(port.port_id, true, options.async);
    rte_eth_dev_start(port.port_id);
  }
  if (options.async && options.uplinks == 1) {
    rte_eth_dev_stop(wires.port(0));
    setup.ports[0].prepared = prepare(wires.port(0), false, true);
    EXPECT_NE(setup.ports[0].prepared.operations, 0u);
    rte_eth_dev_start(wires.port(0));
  }
  setup.layout = options.layout;
  setup.mode = options.mode;
  setup.domain = domain_.get();
  setup.before_init_done = options.before_init_done;
  auto made = Offload::create(setup);
  if (!made) throw std::runtime_error(made.error().message);
  offload = std::move(*made);
  client = std::move(*offload->client());
}

Gateway::~Gateway() {
  client.reset();
  offload.reset();
}

EncapUpdate Gateway::update_of(EncapId id, uint8_t mac) {
  EncapUpdate update;
  update.id = id;
  update.generation = ++generation_;
  update.tunnel.name = "vx" + std::to_string(id);
  update.tunnel.vni = 100 + id;
  update.tunnel.local = kUnderlay.dst;
  update.tunnel.remote = kUnderlay.src;
  update.terminated = true;
  update.since = Clock::now();
  tunnel::EncapRule& rule = update.rule.emplace();
  rule.port = 0;
  rule.dst_mac = net::Mac{{0x02, 0, 0, 0, 0x99, mac}};
  rule.src_mac = *net::Mac::parse("02:00:00:00:03:00");
  rule.via = update.tunnel.remote;
  rule.header = tunnel::make_header(update.tunnel, rule.dst_mac, rule.src_mac, std::nullopt);
  return update;
}

void Gateway::resolve(EncapId id, uint8_t mac, bool terminated) {
  EncapUpdate update = update_of(id, mac);
  update.terminated = terminated;
  offload->set_encap(update);
}

void Gateway::unresolve(EncapId id, const std::string& reason) {
  EncapUpdate update = update_of(id, 0);
  update.rule.reset();
  update.reason = reason;
  offload->set_encap(update);
}

Status Gateway::add(const std::string& name, EncapId id, const tunnel::Match& match, uint16_t priority,
                    PortIndex port) {
  return client->add({name, Source::shell, Explicit{port, match, priority, ++sequence_, id}});
}

void Gateway::settle() {
  auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  offload->barrier([done] { done->set_value(); });
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (future.wait_for(1ms) != std::future_status::ready) {
    offload->run_answers();
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error(fmt::format("not settled within 20 s:\n{}", fmt::join(verify(), "\n")));
  }
}

std::vector<std::string> Gateway::verify() {
  std::optional<std::vector<std::string>> found;
  offload->verify([&](std::vector<std::string> lines) { found = std::move(lines); });
  while (!found) {
    std::this_thread::sleep_for(1ms);
    offload->run_answers();
  }
  return *found;
}

std::vector<std::string> Gateway::explain(const std::string& name) {
  std::optional<Result<std::vector<std::string>>> said;
  offload->explain(name, [&](Result<std::vector<std::string>> lines) { said = std::move(lines); });
  while (!said) {
    std::this_thread::sleep_for(1ms);
    offload->run_answers();
  }
  return said->value_or(std::vector<std::string>{"no such flow"});
}

void Gateway::forget_frames() {
  for (unsigned i = 0; i < wires.size(); ++i) {
    wires.left(i);
    wires.received(i);
  }
}

size_t Gateway::decapsulated(const Bytes& frame) {
  forget_frames();
  wires.arrive(0, frame);
  wires.settle();
  return wires.left(1).size();
}

int Gateway::way_of(const Bytes& frame, unsigned port) {
  forget_frames();
  wires.arrive(port, frame);
  wires.settle();
  const auto left = wires.left(0);
  if (left.size() == 1 && left[0].size() > frame.size()) return left[0][5];
  return wires.received(port).size() == 1 ? -1 : -2;
}

int Gateway::way_of_marked(const Bytes& frame, uint32_t mark) {
  const auto left = send_with_meta(wires, pool, frame, mark);
  if (left.empty()) return -2;
  return left[0].size() > frame.size() ? left[0][5] : 0;
}

tunnel::Match to_net(const std::string& prefix) {
  tunnel::Match match;
  match.dst = net::Prefix::parse(prefix);
  return match;
}

Bytes from_peer(const Bytes& inner, uint32_t vni) {
  Bytes header = outer_header(vni);
  std::swap_ranges(header.begin() + 26, header.begin() + 30, header.begin() + 30);
  return joined(header, inner);
}

}  // namespace culvert::offload::testing
