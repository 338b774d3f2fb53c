// Every shape on the embedded switch: taken, and doing to packets what it says.
#include "rig.hpp"

namespace culvert::offload::testing {
namespace {

class Rules : public ::testing::TestWithParam<Kind> {};

const Bytes kHeader = outer_header();

// The bytes of an encapsulated frame that the NIC does not compute: all but checksums and the UDP source
// port.
void expect_encapsulated(const std::vector<Bytes>& frames, const Bytes& header, const Bytes& inner) {
  ASSERT_EQ(frames.size(), 1u);
  Bytes got = frames[0], wanted = joined(header, inner);
  ASSERT_EQ(got.size(), wanted.size());
  const size_t l3 = header.size() - 36;
  for (const size_t at : {l3 + 10, l3 + 11, l3 + 20, l3 + 21}) got[at] = wanted[at] = 0;
  EXPECT_EQ(got, wanted);
}

TEST_P(Rules, TaggedLayoutEncapsulatesAndDecapsulates) {
  Rig rig(2, GetParam());
  const tunnel::Match dns{.dst = net::Prefix::parse("10.7.0.0/16"), .ip_proto = 17, .l4_dst = uint16_t{53}};
  rig.take(slot_encap, rig.spot(), 0u, Encap{kHeader, rig.uplink()}, nullptr);
  rig.take(explicit_tagged, rig.spot(1), rig.tenant(), dns, 0u, nullptr);
  rig.take(tenant_source, rig.spot(2), rig.tenant(), std::optional(kA), 5u, nullptr);
  rig.take(path_tagged, rig.spot(), 5u, kB, 0u, nullptr);
  rig.take(tunnel_source, rig.spot(2), rig.uplink(), kUnderlay, std::optional(kB), 5u, nullptr);
  rig.take(decap, rig.spot(), rig.uplink(), 5u, uint16_t{4789}, kA, rig.tenant(), nullptr);

  // A known source to a known destination, both ways; an explicit flow whatever its MACs; a stranger misses.
  const Bytes frame = inner_frame(kA, kB);
  expect_encapsulated(rig.through(1, frame, 0), kHeader, frame);
  const Bytes query = inner_frame(kB, kB, 53);
  expect_encapsulated(rig.through(1, query, 0), kHeader, query);
  EXPECT_TRUE(rig.through(1, inner_frame(kB, kB), 0).empty());
  EXPECT_TRUE(rig.through(1, inner_frame(kA, kA), 0).empty());

  Bytes in_header = kHeader;
  for (unsigned i = 0; i < 4; ++i) std::swap(in_header[26 + i], in_header[30 + i]);
  const Bytes back = inner_frame(kB, kA);
  EXPECT_EQ(rig.through(0, joined(in_header, back), 1), std::vector<Bytes>{back});
  EXPECT_TRUE(rig.through(0, joined(in_header, inner_frame(kA, kA)), 1).empty());
}

// RFC 6040: the inner packet must be told of it, which a NIC does not do.
TEST_P(Rules, WhatMetCongestionTakesThePacketPath) {
  Rig rig(2, GetParam());
  rig.take(congested, rig.spot(0), rig.uplink());
  rig.take(tunnel_source, rig.spot(1), rig.uplink(), kUnderlay, std::optional<net::Mac>(), 5u, nullptr);
  rig.take(decap, rig.spot(), rig.uplink(), 5u, uint16_t{4789}, kA, rig.tenant(), nullptr);
  Bytes header = kHeader;
  for (unsigned i = 0; i < 4; ++i) std::swap(header[26 + i], header[30 + i]);
  const Bytes inner = inner_frame(kB, kA);
  for (const uint8_t ecn : {0, 1, 2}) {
    header[15] = ecn;
    EXPECT_EQ(rig.through(0, joined(header, inner), 1), std::vector<Bytes>{inner}) << unsigned{ecn};
  }
  header[15] = 0xbb;  // any DSCP
  EXPECT_TRUE(rig.through(0, joined(header, inner), 1).empty());
  EXPECT_EQ(rig.wires.received(0).size(), 1u);
}

TEST_P(Rules, FlatLayoutEncapsulates) {
  Rig rig(2, GetParam());
  const Encap encap{kHeader, rig.uplink()};
  rig.take(explicit_flat, rig.spot(1), rig.tenant(), tunnel::Match{.eth_dst = kA}, encap, nullptr);
  rig.take(tenant_source, rig.spot(2), rig.tenant(), std::nullopt, 0u, nullptr);
  rig.take(path_flat, rig.spot(), 0u, kB, encap, nullptr);
  for (const net::Mac& dst : {kA, kB}) {
    const Bytes frame = inner_frame(kB, dst);
    expect_encapsulated(rig.through(1, frame, 0), kHeader, frame);
  }
}

TEST_P(Rules, AHoldSendsUpWhatALowerRuleWouldTake) {
  Rig rig(2, GetParam());
  const Bytes frame = inner_frame(kA, kB);
  rig.take(explicit_flat, rig.spot(2), rig.tenant(), tunnel::Match{.eth_dst = kB},
           Encap{kHeader, rig.uplink()}, nullptr);
  EXPECT_EQ(rig.through(1, frame, 0).size(), 1u);
  rig.take(hold, rig.spot(1), rig.tenant(), tunnel::Match{.eth_src = kA});
  EXPECT_TRUE(rig.through(1, frame, 0).empty());
  EXPECT_EQ(rig.wires.received(1), std::vector<Bytes>{frame});
}

TEST_P(Rules, ReplacingAtAHigherPrecedenceChangesTheHeader) {
  Rig rig(2, GetParam());
  const Bytes other = outer_header(200, 7), frame = inner_frame(kA, kB);
  rig.take(explicit_tagged, rig.spot(), rig.tenant(), tunnel::Match{}, 3u, nullptr);
  Rule rule;
  slot_encap(rule, rig.spot(9), 3, {kHeader, rig.uplink()});
  const Completion old = rig.make(rule);
  ASSERT_FALSE(old.refusal);
  expect_encapsulated(rig.through(1, frame, 0), kHeader, frame);
  rig.take(slot_encap, rig.spot(8), 3u, Encap{other, rig.uplink()}, nullptr);
  expect_encapsulated(rig.through(1, frame, 0), other, frame);
  EXPECT_FALSE(rig.unmake(old.handle).refusal);
  expect_encapsulated(rig.through(1, frame, 0), other, frame);
}

TEST_P(Rules, EachSlotHasItsOwnHeader) {
  Rig rig(3, GetParam());
  const Bytes other = outer_header(200, 7), frame = inner_frame(kA, kB);
  for (const uint32_t slot : {0u, 1u}) {
    rig.take(explicit_tagged, rig.spot(), rig.wires.port(1 + slot), tunnel::Match{}, slot, nullptr);
    rig.take(slot_encap, rig.spot(), slot, Encap{slot == 0 ? kHeader : other, rig.uplink()}, nullptr);
  }
  expect_encapsulated(rig.through(1, frame, 0), kHeader, frame);
  expect_encapsulated(rig.through(2, frame, 0), other, frame);
}

TEST_P(Rules, CountersOfARuleAndSharedOnes) {
  Rig rig(2, GetParam());
  const auto counter = rig.queue->make_counter(Domain::transfer);
  ASSERT_TRUE(counter) << counter.error().message;
  const Bytes frame = inner_frame(kA, kB);
  rte_flow* flow = rig.take(explicit_tagged, rig.spot(), rig.tenant(), tunnel::Match{}, 0u, nullptr);
  rig.take(slot_encap, rig.spot(), 0u, Encap{kHeader, rig.uplink()}, *counter);
  rig.through(1, frame, 0);
  const auto own = rig.queue->query(flow), shared = rig.queue->query_counter(*counter);
  ASSERT_TRUE(own) << own.error().message;
  ASSERT_TRUE(shared) << shared.error().message;
  EXPECT_EQ(own->packets, 1u);
  EXPECT_EQ(own->bytes, frame.size());
  EXPECT_EQ(shared->packets, 1u);
  EXPECT_FALSE(rig.queue->destroy_counter(*counter));  // in use
  rig.clear();
  EXPECT_TRUE(rig.queue->destroy_counter(*counter));
}

// Each match and, beside what it takes, what it must leave.
TEST_P(Rules, AMatchTakesWhatSoftwareTakes) {
  Rig rig(2, GetParam());
  Bytes tagged = inner_frame(kA, kB);
  const uint8_t tag[] = {0x81, 0x00, 0x20, 0x05};  // priority 1, VID 5
  tagged.insert(tagged.begin() + 12, std::begin(tag), std::end(tag));
  Bytes fragment = inner_frame(kA, kB);
  fragment[21] = 1;  // an offset: no ports
  const Bytes udp = inner_frame(kA, kB), to_53 = inner_frame(kA, kB, 53);
  struct Case {
    tunnel::Match match;
    std::vector<Bytes> takes, leaves;
  };
  const std::vector<Case> cases{
      {{}, {udp, tagged, fragment}, {}},
      {{.eth_src = kA}, {udp, tagged}, {inner_frame(kB, kB)}},
      {{.vlan = uint16_t{5}}, {tagged}, {udp}},
      {{.vlan = uint16_t{4}}, {}, {udp, tagged}},
      {{.vlan = tunnel::Match::kUntagged}, {udp}, {tagged}},
      {{.src = net::Prefix::parse("10.7.0.1")}, {udp, tagged}, {}},
      {{.dst = net::Prefix::parse("10.0.0.0/8")}, {udp, fragment}, {}},
      {{.dst = net::Prefix::parse("10.8.0.0/16")}, {}, {udp}},
      {{.dst = net::Prefix::parse("2001:db8::/32")}, {}, {udp}},
      {{.dst = net::Prefix::parse("0.0.0.0/0")}, {udp}, {}},
      {{.ip_proto = uint8_t{17}}, {udp, tagged, fragment}, {}},
      {{.ip_proto = uint8_t{6}}, {}, {udp, tagged, fragment}},
      {{.l4_dst = uint16_t{53}}, {to_53}, {udp, fragment}},
      {{.vlan = uint16_t{5}, .l4_src = uint16_t{1000}}, {tagged}, {udp}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(tunnel::to_string(one.match));
    for (const tunnel::Match& match : rule_matches(one.match))
      rig.take(explicit_flat, rig.spot(), rig.tenant(), match, Encap{kHeader, rig.uplink()}, nullptr);
    for (const Bytes& frame : one.takes) EXPECT_EQ(rig.through(1, frame, 0).size(), 1u);
    for (const Bytes& frame : one.leaves) EXPECT_TRUE(rig.through(1, frame, 0).empty());
    rig.clear();
  }
}

TEST_P(Rules, PlainNicEgressWritesTheHeaderAndLeaksNothing) {
  Rig rig(1, GetParam());
  rig.take(egress_root, rig.spot());
  rig.take(no_leak, rig.spot(21000));
  rig.take(egress_slot, rig.spot(), mark_of(0), Encap{kHeader, 0}, nullptr);
  const Bytes frame = inner_frame(kA, kB);
  EXPECT_EQ(rig.sent(frame, 0), std::vector<Bytes>{frame});
  expect_encapsulated(rig.sent(frame, mark_of(0)), kHeader, frame);
  EXPECT_TRUE(rig.sent(frame, mark_of(1)).empty());
}

TEST_P(Rules, PlainNicIngressIsTaken) {
  Rig rig(1, GetParam());
  const std::vector<uint16_t> one{0}, two{0, 0};
  rig.take(ingress_decap, rig.spot(), kUnderlay, 7u, one);
  rig.clear();
  rig.take(ingress_decap, rig.spot(), kUnderlay, 7u, two);
  rig.take(steer, rig.spot(1), kUnderlay, one);
  rig.clear();

  rig.take(ingress_congested, rig.spot(), kUnderlay, two);
  rig.take(ingress_decap, rig.spot(1), kUnderlay, 7u, one);
  Bytes header = kHeader;
  for (unsigned i = 0; i < 4; ++i) std::swap(header[26 + i], header[30 + i]);
  const Bytes inner = inner_frame(kB, kA);
  rig.wires.arrive(0, joined(header, inner));
  rig.wires.settle();
  EXPECT_EQ(rig.wires.received(0), std::vector<Bytes>{inner});
  header[15] = 3;
  rig.wires.arrive(0, joined(header, inner));
  rig.wires.settle();
  EXPECT_EQ(rig.wires.received(0), std::vector<Bytes>{joined(header, inner)});
}

TEST_P(Rules, AnIsolatedUplinksSteeringIsTaken) {
  Rig rig(2, GetParam());
  const std::vector<uint16_t> queues{0};
  rig.take(steer, rig.spot(), kUnderlay, queues);
}

INSTANTIATE_TEST_SUITE_P(Classic, Rules, ::testing::Values(Kind{"", false}, Kind{"profile=mlx5", false}),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Async, Rules, ::testing::Values(Kind{"", true}, Kind{"profile=mlx5", true}),
                         name_of);

}  // namespace
}  // namespace culvert::offload::testing
