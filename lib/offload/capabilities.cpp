#include "offload/capabilities.hpp"

#include <array>
#include <numeric>

#include "offload/rule_queue.hpp"
#include "offload/template_queue.hpp"
#include "tunnel/encap_rule.hpp"

namespace culvert::offload {

namespace {

const net::Mac kMac{{0x02, 0, 0, 0, 0, 1}};
constexpr uint32_t kNetwork = 0, kSlot = 0;

// As many priorities as a group may have, most first; CONTRACT's flows have 65536.
constexpr std::array<uint32_t, 12> kPriorityCounts{65536, 21844, 8192, 4096, 1024, 256, 64, 16, 8, 4, 2, 1};

class Prober {
 public:
  explicit Prober(const ProbeTarget& target)
      : target_(target), how_(target.async ? Asking::templates : Asking::validate) {
    tunnel::Tunnel tunnel;
    tunnel.vni = underlay_.vni = 1;
    tunnel.local = underlay_.dst = net::IpAddr::v4(net::be32{0xc0000201});  // RFC 5737: documentation
    tunnel.remote = underlay_.src = net::IpAddr::v4(net::be32{0xc0000202});
    header_ = tunnel::make_header(tunnel, kMac, kMac, std::nullopt);
    queues_.resize(std::min<size_t>(std::max<uint16_t>(target.rx_queues, 1), Rule::kMaxQueues));
    std::iota(queues_.begin(), queues_.end(), uint16_t{0});
  }

  Capabilities run() {
    found_.async = target_.async;
    if (target_.tenant)
      on_switch(*target_.tenant);
    else
      on_nic();
    steering();
    found_.any = found_.transfer || found_.egress || found_.steer || found_.decap;
    if (found_.any) counters();
    return std::move(found_);
  }

 private:
  Spot spot() const { return {target_.port_id, 0, found_.tags, any_source(target_.async)}; }
  Encap encap() const { return {header_.view(), target_.port_id}; }

  // Asks for the rule that was filled last.
  bool taken(const char* what) {
    const auto refusal = ask(rule_, how_);
    found_.answers.push_back({what, refusal ? refusal->to_string() : ""});
    return !refusal;
  }

  // Makes the rule that was filled last, and destroys it, where validate alone does not tell. That there is
  // no room for it now says nothing of the driver.
  bool made(const char* what) {
    if (target_.async || !traits_of(target_.port_id).validates_too_much) return true;
    const auto queue = make_classic_queue(target_.port_id);
    queue->create(rule_, nullptr);
    std::vector<Completion> done;
    queue->pull(done);
    const auto refusal = done.front().refusal;
    if (!refusal) queue->destroy(done.front().handle, nullptr);
    if (!refusal || (refusal->code != EINVAL && refusal->code != ENOTSUP)) return true;
    found_.answers.push_back({what, refusal->to_string()});
    return false;
  }

  void on_switch(uint16_t tenant) {
    const tunnel::Match match{.eth_dst = kMac};
    explicit_flat(rule_, spot(), tenant, match, encap());
    found_.flat = taken("flat layout: an explicit flow");
    levels(kEntry);
    slot_encap(rule_, spot(), kSlot, encap());
    const bool slots = taken("tagged layout: a slot") && made("tagged layout: a slot, made");
    levels(kEncap);
    for (const TagWriter writer : {TagWriter::set_tag, TagWriter::modify_field}) {
      found_.tags = writer;
      explicit_tagged(rule_, spot(), tenant, match, kSlot);
      found_.tagged = taken(writer == TagWriter::set_tag ? "tagged layout: an explicit flow, SET_TAG"
                                                         : "tagged layout: an explicit flow, MODIFY_FIELD");
      if (found_.tagged) break;
    }
    if (!found_.tagged) found_.tags = TagWriter::set_tag;
    found_.tagged = found_.tagged && slots;
    gates(tenant);
    hold(rule_, spot(), tenant, match);
    found_.hold = taken("a hold");
    found_.transfer = found_.flat || found_.tagged;
    miss_of(tenant);
  }

  void gates(uint16_t tenant) {
    tenant_source(rule_, spot(), tenant, kMac, kNetwork);
    const bool out = taken("a known source at a tenant");
    tunnel_source(rule_, spot(), target_.port_id, underlay_, kMac, kNetwork);
    const bool in = taken("a known source at a tunnel");
    found_.gates = out && in;
    path_flat(rule_, spot(), kNetwork, kMac, encap());
    taken("flat layout: a path");
    levels(kTxDest);
    decap(rule_, spot(), target_.port_id, kNetwork, underlay_.udp_dst, kMac, tenant);
    found_.decap = taken("decapsulation on the switch");
    levels(kRxDest);
  }

  void miss_of(uint16_t tenant) {
    const DriverTraits traits = traits_of(target_.port_id);
    found_.miss = target_.async ? traits.async_miss : traits.classic_miss;
    if (found_.miss != Miss::unknown) return;
    miss(rule_, spot(), tenant, kMiss);
    if (taken("a last rule for what misses")) found_.miss = Miss::by_explicit_rule;
  }

  void on_nic() {
    egress_root(rule_, spot());
    const bool root = taken("egress: the way to the slots");
    levels(kNicRoot);
    no_leak(rule_, spot());
    const bool closed = taken("egress: the no-leak rule");
    egress_slot(rule_, spot(), mark_of(kSlot), encap());
    found_.egress = taken("egress: a slot") && root && closed;
    levels(kNicSlots);
    const auto one = std::span(queues_).first(1);
    ingress_decap(rule_, spot(), underlay_, 1, one);
    found_.decap = taken("ingress: decapsulation");
  }

  void steering() {
    steer(rule_, spot(), underlay_, std::span(queues_).first(1));
    found_.steer = taken("ingress: a tunnel's packets to a queue");
    levels(kNicRoot);
    if (queues_.size() < 2) return;
    steer(rule_, spot(), underlay_, queues_);
    found_.rss = taken("ingress: a tunnel's packets to several queues");
    found_.steer = found_.steer || found_.rss;
  }

  // How many priorities the group of the last rule has: the largest number of which the last is taken.
  void levels(uint32_t group) {
    RuleParts parts = RuleParts::of(rule_);
    uint32_t count = 0;
    if (found_.answers.back().refusal.empty()) {
      for (const uint32_t candidate : kPriorityCounts) {
        parts.attr.priority = candidate - 1;
        count = candidate;
        if (!ask(parts, how_)) break;
      }
    }
    found_.levels.push_back({rule_.place().domain, group, count});
  }

  void counters() {
    const auto queue =
        target_.async ? make_template_queue(target_.port_id, 1) : make_classic_queue(target_.port_id);
    const Domain domain = found_.transfer ? Domain::transfer
                          : found_.egress ? Domain::egress
                                          : Domain::ingress;
    const auto counter = queue->make_counter(domain);
    if (!counter) return found_.answers.push_back({"a shared counter", counter.error().message});
    if (found_.transfer)
      slot_encap(rule_, spot(), kSlot, encap(), *counter);
    else if (found_.egress)
      egress_slot(rule_, spot(), mark_of(kSlot), encap(), *counter);
    else
      rule_.start({target_.port_id, Domain::ingress}).eth().count(*counter).queue(0);
    found_.shared_counters = taken("a shared counter");
    if (const auto gone = queue->destroy_counter(*counter); !gone) found_.shared_counters = false;
  }

  const ProbeTarget target_;
  const Asking how_;
  Underlay underlay_;
  tunnel::Header header_;
  std::vector<uint16_t> queues_;
  Rule rule_;
  Capabilities found_;
};

}  // namespace

uint32_t Capabilities::priorities(Domain domain, uint32_t group) const {
  for (const Levels& one : levels)
    if (one.domain == domain && one.group == group) return one.count;
  return 0;
}

Layout Capabilities::automatic_layout() const {
  if (tagged && miss != Miss::unknown) return Layout::tagged;
  if (flat) return Layout::flat;
  return Layout::none;
}

Capabilities probe(const ProbeTarget& target) { return Prober(target).run(); }

}  // namespace culvert::offload
