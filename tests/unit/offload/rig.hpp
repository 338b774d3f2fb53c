// One embedded switch in software (drivers/net/eswitch) on wires of this process, and a rule queue on its
// uplink.
#pragma once

#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/c_handle.hpp"
#include "harness.hpp"
#include "offload/rule_queue.hpp"
#include "offload/shapes.hpp"
#include "offload/template_queue.hpp"

namespace culvert::offload::testing {

using eswitch_test::Bytes;
using eswitch_test::TestSwitch;

struct Kind {
  std::string arguments;  // of the device: "profile=mlx5"
  bool async = false;

  friend void PrintTo(const Kind& kind, std::ostream* out) {
    *out << (kind.arguments.empty() ? "plain" : kind.arguments) << (kind.async ? " async" : " classic");
  }
};

// The application sends `frame` on the first port with Tx metadata; what left on its wire within a while.
// `pool` is made when it is needed; let it go after the switch.
using SendPool = CHandle<rte_mempool, rte_mempool_free>;
std::vector<Bytes> send_with_meta(TestSwitch& wires, SendPool& pool, const Bytes& frame, uint32_t meta);

class Rig {
 public:
  // `wires` 1: a plain NIC; more: uplink and representors.
  Rig(unsigned wires, const Kind& kind, const std::string& arguments = "");
  ~Rig();

  uint16_t uplink() const { return wires.port(0); }
  uint16_t tenant() const { return wires.port(1); }
  Spot spot(uint32_t priority = 0) const { return {uplink(), priority, tags_, any_source_}; }

  // Posts the rule and waits for its completion.
  Completion make(const Rule& rule);
  Completion unmake(rte_flow* handle);
  // Posts what `fill` fills, expects it to be taken and remembers it for the end.
  template <typename Shape, typename... Args>
  rte_flow* take(Shape shape, const Spot& at, const Args&... args) {
    Rule rule;
    shape(rule, at, args...);
    const Completion done = make(rule);
    EXPECT_FALSE(done.refusal) << done.refusal->to_string() << "\n" << fmt::format("{}", rule);
    if (done.handle != nullptr) handles_.push_back(done.handle);
    return done.handle;
  }
  void clear();  // destroys what take() made

  // The application sends `frame` on the uplink with Tx metadata; what left on its wire.
  std::vector<Bytes> sent(const Bytes& frame, uint32_t meta);
  // Lets a frame arrive on a wire; what left on another.
  std::vector<Bytes> through(unsigned in, const Bytes& frame, unsigned out);

  SendPool pool;  // of sent(); goes after the switch
  TestSwitch wires;
  std::unique_ptr<RuleQueue> queue;

 private:
  Completion wait(void* cookie);
  TagWriter tags_ = TagWriter::set_tag;
  AnySource any_source_ = AnySource::item;
  std::vector<rte_flow*> handles_;
  std::vector<Completion> completions_;
};

// A name for a parametrised test.
std::string name_of(const ::testing::TestParamInfo<Kind>& info);

// Frames: a tenant's IPv4/UDP, and headers of a tunnel.
Bytes inner_frame(const net::Mac& src, const net::Mac& dst, uint16_t udp_dst = 2000);
Bytes outer_header(uint32_t vni = 100, std::optional<uint16_t> vlan = {});
Bytes joined(const Bytes& header, const Bytes& frame);

inline const net::Mac kA = *net::Mac::parse("02:00:00:00:07:01"), kB = *net::Mac::parse("02:00:00:00:07:02");
inline const Underlay kUnderlay{*net::IpAddr::parse("192.0.2.2"), *net::IpAddr::parse("192.0.2.1"), 4789,
                                100};

}  // namespace culvert::offload::testing
