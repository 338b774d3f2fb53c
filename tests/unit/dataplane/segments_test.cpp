// Frames in chains of mbufs, as drivers with scattered receive hand them over.
#include "rig.hpp"

namespace culvert::testing {
namespace {

constexpr size_t kUdpAt = 34, kOuterBytes = 50;
constexpr size_t kInnerBytes = 300;

class Segments : public ::testing::Test {
 protected:
  Segments() : rig({.kernel_frames = true}) {
    rig.teach(1, Where::port(Rig::kTenant));
    rig.teach(9, Where::tunnel(0));
  }

  std::vector<Bytes> carry(unsigned in, const Bytes& frame, size_t segment_bytes, unsigned out) {
    EXPECT_TRUE(rig.ports[in]->arrive(frame, segment_bytes));
    rig.turn();
    return rig.ports[out]->sent();
  }

  // With a UDP checksum, so that every byte is looked at.
  static Bytes arriving_summed(const Bytes& inner) {
    Bytes outer = arriving(inner);
    const uint16_t udp_bytes = get16(outer, kUdpAt + 4);
    const uint16_t sum = sum16(outer, kUdpAt, udp_bytes, sum16(outer, 26, 8, 17u + udp_bytes));
    put16(outer, kUdpAt + 6, static_cast<uint16_t>(~sum));
    return outer;
  }

  Rig rig;
};

TEST_F(Segments, Encap) {
  const Bytes inner = udp_frame(9, 1, kInnerBytes);
  for (size_t segment = 14; segment <= kInnerBytes; ++segment) {
    const auto sent = carry(Rig::kTenant, inner, segment, Rig::kUplink);
    ASSERT_EQ(sent.size(), 1u) << segment;
    const OuterFields outer{.src = kLocal, .dst = kRemote, .src_port = get16(sent[0], kUdpAt)};
    EXPECT_EQ(sent[0], vxlan(inner, outer, mac(kGatewayMac), mac(kOurMac))) << segment;
  }
}

// The outer headers and the inner Ethernet header must be in the first segment; else the drop has a name.
TEST_F(Segments, Decap) {
  const Bytes inner = udp_frame(1, 9, kInnerBytes);
  const Bytes outer = arriving_summed(inner);
  for (size_t segment = 14; segment <= outer.size(); ++segment) {
    const uint64_t drops = rig.all_drops() + rig.path->stats().exceptions;
    const auto sent = carry(Rig::kUplink, outer, segment, Rig::kTenant);
    if (segment >= kOuterBytes + 14)
      EXPECT_EQ(sent, std::vector<Bytes>{inner}) << segment;
    else
      EXPECT_EQ(sent.size() + rig.all_drops() + rig.path->stats().exceptions, drops + 1) << segment;
  }
  Bytes wrong = outer;
  wrong.back() ^= 1;
  const uint64_t before = rig.drops(DropReason::udp_bad_checksum);
  EXPECT_TRUE(carry(Rig::kUplink, wrong, 100, Rig::kTenant).empty());
  EXPECT_EQ(rig.drops(DropReason::udp_bad_checksum), before + 1);
}

// What stands behind the UDP payload goes, wherever in the chain it begins.
TEST_F(Segments, PaddingIsCutOff) {
  const Bytes inner = udp_frame(1, 9, kInnerBytes);
  Bytes outer = arriving_summed(inner);
  outer.resize(outer.size() + 200, 0xaa);
  for (size_t segment = kOuterBytes + 14; segment <= outer.size(); ++segment)
    EXPECT_EQ(carry(Rig::kUplink, outer, segment, Rig::kTenant), std::vector<Bytes>{inner}) << segment;
}

TEST_F(Segments, FloodedCopiesAreWhole) {
  const Bytes frame = udp_frame(0x7777, 1, kInnerBytes);
  for (const size_t segment : {14u, 60u, 150u, 299u}) {
    EXPECT_EQ(carry(Rig::kTenant, frame, segment, Rig::kTenant2), std::vector<Bytes>{frame});
    const auto sent = rig.ports[Rig::kUplink]->sent();
    ASSERT_EQ(sent.size(), 2u);
    for (const Bytes& outer : sent) EXPECT_EQ(Bytes(outer.begin() + kOuterBytes, outer.end()), frame);
  }
}

// A kernel's unfinished checksum in the first segment covers all of them.
TEST_F(Segments, UnfinishedChecksum) {
  Bytes frame = udp_frame(9, 1, kInnerBytes);
  std::fill(frame.begin() + 42, frame.end(), uint8_t{0xfe});  // many carries
  const Bytes packet(frame.begin() + 14, frame.end());
  put16(frame, 14 + 26, pseudo_sum(packet));
  for (const size_t segment : {42u, 43u, 101u, 200u}) {
    const auto sent = carry(Rig::kTenant, frame, segment, Rig::kUplink);
    ASSERT_EQ(sent.size(), 1u);
    const Bytes inner(sent[0].begin() + kOuterBytes + 14, sent[0].end());
    EXPECT_EQ(sum16(inner, 20, inner.size() - 20, pseudo_sum(inner)), 0xffff) << segment;
  }
}

}  // namespace
}  // namespace culvert::testing
