// The FDB beside the packet path: who decides where a MAC is, how many may be learned, and how it grows.
#include "dataplane/fdb.hpp"

#include <rte_malloc.h>

#include <random>
#include <thread>
#include <unordered_map>

#include "rig.hpp"

namespace culvert::testing {
namespace {

using dataplane::Fdb;
using dataplane::Origin;
using dataplane::StationKey;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned kMany = 100'000;
#else
constexpr unsigned kMany = 1'000'000;
#endif
constexpr unsigned kSomebody = 0xffff;

// Of more stations than mac() tells apart, and none of those.
net::Mac to_station(unsigned number) {
  net::Mac result = to_mac(number);
  result.bytes[1] = 1;
  result.bytes[2] = static_cast<uint8_t>(number >> 24);
  result.bytes[3] = static_cast<uint8_t>(number >> 16);
  return result;
}

Bytes frame_of(unsigned number) {
  Bytes frame = udp_frame(kSomebody, number, 60);
  std::ranges::copy(to_station(number).bytes, frame.begin() + 6);
  return frame;
}

class FdbTest : public ::testing::Test {
 protected:
  FdbTest() : rig({.fdb_capacity = 1 << 20}) { rig.teach(kSomebody, Where::port(1)); }

  void set_limits(uint32_t network, uint32_t member = UINT32_MAX) {
    auto networks = rig.networks();
    networks[0].max_macs = network;
    networks[0].max_macs_per_member = member;
    ASSERT_TRUE(rig.path->set_networks(networks));
  }
  // A frame of each of these stations from a tenant, to one that is known.
  void hear(unsigned first, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      ASSERT_TRUE(rig.ports[0]->arrive(frame_of(first + i)));
      if (i % 32 != 31 && i + 1 != count) continue;
      rig.turn();
      if (i % 512 == 511 || i + 1 == count) rig.ports[1]->sent();
    }
  }
  size_t count() const { return rig.path->paths(rig.now).size(); }
  std::optional<dataplane::PathRow> row(unsigned station) {
    for (const auto& path : rig.path->paths(rig.now))
      if (path.mac == to_station(station)) return path;
    return std::nullopt;
  }
  void pass(unsigned seconds_count) {
    for (unsigned i = 0; i < seconds_count; ++i) {
      rig.now += seconds(1);
      rig.control();
    }
  }

  Rig rig;
};

TEST_F(FdbTest, StaticBeforeKernelBeforeLearned) {
  hear(9, 1);
  EXPECT_EQ(row(9)->where, Where::port(0));
  ASSERT_TRUE(rig.path->add_path(0, to_station(9), Where::tunnel(0), Origin::kernel));
  hear(9, 1);
  EXPECT_EQ(row(9)->where, Where::tunnel(0));
  EXPECT_EQ(row(9)->origin, Origin::kernel);
  ASSERT_TRUE(rig.path->add_path(0, to_station(9), Where::tunnel(1)));
  ASSERT_TRUE(rig.path->add_path(0, to_station(9), Where::port(0), Origin::kernel));
  EXPECT_EQ(row(9)->where, Where::tunnel(1));
  EXPECT_EQ(row(9)->origin, Origin::configured);
  EXPECT_FALSE(rig.path->remove_path(0, to_station(9), Origin::kernel));
  EXPECT_EQ(rig.path->path_origin(0, to_station(9)), Origin::configured);
  EXPECT_TRUE(rig.path->remove_path(0, to_station(9), Origin::configured));
  EXPECT_FALSE(row(9));
}

TEST_F(FdbTest, FlushTakesWhatWasLearnedAndNoMore) {
  hear(1, 50);
  ASSERT_TRUE(rig.path->add_path(0, to_station(2), Where::tunnel(0), Origin::kernel));
  EXPECT_EQ(count(), 51u);
  EXPECT_EQ(rig.path->flush_paths(7), 0u);
  EXPECT_EQ(rig.path->flush_paths(0), 49u);
  EXPECT_EQ(count(), 2u);
  std::this_thread::sleep_for(milliseconds(2 * dataplane::kLearnAgainMs));
  hear(3, 1);
  EXPECT_EQ(row(3)->where, Where::port(0)) << "heard again, learned again";
}

// One member can fill what is its own, not what is the others'.
TEST_F(FdbTest, LimitOfAMember) {
  set_limits(100, 40);
  hear(1, 90);
  EXPECT_EQ(count(), 41u);
  EXPECT_EQ(rig.path->stats().learn_over_member_limit, 50u);
  EXPECT_EQ(rig.path->stats().learn_over_limit, 0u);
  ASSERT_TRUE(rig.ports[Rig::kUplink]->arrive(arriving(frame_of(200))));
  rig.turn();
  EXPECT_EQ(row(200)->where, Where::tunnel(0));
  // What is not learned does not count, and what goes makes room.
  ASSERT_TRUE(rig.path->add_path(0, to_station(1), Where::port(0)));
  hear(95, 1);
  EXPECT_TRUE(row(95));
  pass(91);
  EXPECT_EQ(count(), 2u);
  hear(300, 41);
  EXPECT_EQ(count(), 42u);
}

// Must hold whatever is sent: the default limit, and no row of it pushed out.
TEST_F(FdbTest, HeldAtTheLimitByDefault) {
  hear(1, 70'000);
  EXPECT_EQ(count(), 65'536u + 1);
  EXPECT_EQ(rig.path->stats().learned, 65'536u);
  EXPECT_EQ(rig.path->stats().learn_over_limit, 70'000u - 65'536);
  EXPECT_TRUE(row(1));
  EXPECT_TRUE(row(65'536));
  EXPECT_FALSE(row(65'537));
}

// A million, from a table for a few thousand; then a virtual clock: the idle ones go after 2*M to 3*M, the
// used ones never, whether a worker uses them or only the NIC.
TEST_F(FdbTest, AMillionComeAndTheIdleGo) {
  constexpr unsigned kUsed = 1000;  // by a worker; as many more by the NIC
  set_limits(kMany);
  hear(1, kMany);
  for (unsigned turns = 0; rig.path->stats().learned < kMany && turns < 10'000; ++turns) rig.control();
  ASSERT_EQ(rig.path->stats().learned, kMany);
  hear(kMany + 1, 10);
  EXPECT_EQ(count(), kMany + 1) << "and not one more";
  EXPECT_EQ(rig.path->stats().learn_over_limit, 10u);

  hear(1, 1);
  const TimePoint last = rig.now;
  unsigned left_at_2m = 0, seconds_taken = 0;
  while (rig.path->stats().aged < kMany - 2 * kUsed && seconds_taken < 100) {
    ++seconds_taken;
    rig.now = last + seconds(seconds_taken);
    if (seconds_taken % 20 == 0) {
      hear(1, kUsed);
      for (unsigned i = 0; i < kUsed; ++i) rig.path->touch(0, to_station(kUsed + 1 + i));
    }
    for (unsigned turn = 0; turn < kMany / 1000; ++turn) rig.control();
    if (seconds_taken == 59) left_at_2m = static_cast<unsigned>(count());
  }
  EXPECT_EQ(left_at_2m, kMany + 1) << "none goes early";
  EXPECT_LE(seconds_taken, 92u);
  for (unsigned i = 0; i < 100; ++i) {
    rig.now += seconds(1);
    if (i % 20 == 0) {
      hear(1, kUsed);
      for (unsigned j = 0; j < kUsed; ++j) rig.path->touch(0, to_station(kUsed + 1 + j));
    }
    for (unsigned turn = 0; turn < kMany / 1000; ++turn) rig.control();
  }
  EXPECT_EQ(count(), 2 * kUsed + 1);
  EXPECT_EQ(rig.path->stats().aged, kMany - 2 * kUsed);
}

// A station moves between a tunnel and a port a thousand times, while frames go to it from another port and
// come from it: after the control turn that learned a move nothing goes to the old place; each frame arrives
// once; what comes in by a tunnel goes into none.
TEST(FdbMoves, AThousandUnderTraffic) {
  constexpr unsigned kMoves = 1000, kMover = 7, kSender = 8;
  Rig rig({.workers = 2});
  rig.teach(kSender, Where::port(0));
  const auto frames_to_mover = [&](bool in_tunnel, unsigned move) {
    for (unsigned i = 0; i < 3; ++i) ASSERT_TRUE(rig.ports[0]->arrive(udp_frame(kMover, kSender, 60 + i)));
    rig.turn(0);
    const size_t at_port = rig.ports[1]->sent().size(), in_tunnels = rig.ports[Rig::kUplink]->sent().size();
    ASSERT_EQ(at_port, in_tunnel ? 0u : 3u) << "move " << move;
    ASSERT_EQ(in_tunnels, in_tunnel ? 3u : 0u) << "move " << move;
  };
  for (unsigned move = 0; move < kMoves; ++move) {
    const bool in_tunnel = move % 2 == 0;
    const Bytes frame = udp_frame(kSender, kMover, 60);
    if (in_tunnel)
      ASSERT_TRUE(rig.ports[Rig::kUplink]->arrive(arriving(frame)));
    else
      ASSERT_TRUE(rig.ports[1]->arrive(frame));
    rig.turn(in_tunnel ? 0 : 1);  // the one that sees it; then the control lcore's turn
    ASSERT_EQ(rig.ports[0]->sent().size(), 1u) << "move " << move;
    ASSERT_EQ(rig.ports[1]->sent().size() + rig.ports[Rig::kUplink]->sent().size(), 0u);
    frames_to_mover(in_tunnel, move);
  }
  const auto stats = rig.path->stats();
  EXPECT_EQ(stats.moved, kMoves - 1);
  EXPECT_EQ(stats.flooded, 0u);
  EXPECT_EQ(stats.rx, 4u * kMoves);
  EXPECT_EQ(stats.tx, 4u * kMoves);
  EXPECT_EQ(rig.all_drops(), 0u);
}

// New MACs with every burst, for longer than all limits last: what is static and what is live loses no frame,
// and the counters say what was refused.
TEST_F(FdbTest, AFloodOfMacsPushesNothingOut) {
  set_limits(2000, 1500);
  ASSERT_TRUE(rig.path->add_path(0, to_station(1), Where::tunnel(0)));
  ASSERT_TRUE(rig.ports[Rig::kUplink]->arrive(arriving(frame_of(2))));  // live, behind the tunnel
  rig.turn();
  rig.ports[1]->sent();
  constexpr unsigned kBursts = 3000;
  size_t arrived = 0;
  for (unsigned burst = 0; burst < kBursts; ++burst) {
    for (unsigned i = 0; i < 28; ++i) ASSERT_TRUE(rig.ports[0]->arrive(frame_of(1000 + burst * 28 + i)));
    for (const unsigned station : {1u, 2u}) {
      Bytes frame = udp_frame(0, 3, 60);
      std::ranges::copy(to_station(station).bytes, frame.begin());
      ASSERT_TRUE(rig.ports[0]->arrive(frame));
    }
    rig.turn();
    rig.ports[1]->sent();
    arrived += rig.ports[Rig::kUplink]->sent().size();
    rig.now += milliseconds(10);
  }
  EXPECT_EQ(arrived, 2u * kBursts) << "each of theirs once, and none of the others";
  EXPECT_EQ(row(1)->origin, Origin::configured);
  EXPECT_EQ(row(2)->where, Where::tunnel(0));
  const auto stats = rig.path->stats();
  EXPECT_EQ(stats.learn_over_member_limit, 28u * kBursts + 1 - 1500);
  EXPECT_EQ(count(), 1500u + 3);
  EXPECT_EQ(rig.all_drops(), 0u);
}

// An FDB without a packet path.
class FdbTable : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { start_eal(); }
  std::unique_ptr<Fdb> make(size_t capacity) {
    return std::move(*Fdb::create(table_, retired_, *domain_, capacity, {}));
  }

  const std::unique_ptr<rcu::Domain> domain_ = std::move(*rcu::Domain::create());
  rcu::Published<dataplane::FdbHash> table_;
  rcu::RetireQueue retired_{*domain_};
};

// The table grows while rows come, move and go, and is right at every size.
TEST_F(FdbTable, GrowsUnderChange) {
  constexpr size_t kCapacity = 100'000;
  const auto fdb = make(kCapacity);
  std::unordered_map<unsigned, Where> expected;
  std::mt19937 random(1);
  const Fdb::Limits unlimited;
  size_t largest = fdb->table_rows();
  for (unsigned step = 0; step < 400'000; ++step) {
    const unsigned station = 1 + random() % 120'000;
    const StationKey key(0, to_station(station));
    const Where where = Where::tunnel(random() % 100);
    if (random() % 4 == 0) {
      EXPECT_EQ(fdb->remove(key, Origin::learned), expected.erase(station) == 1);
    } else {
      const auto verdict = fdb->learn(key, where, unlimited, 1);
      if (verdict == Fdb::Verdict::full) {
        EXPECT_EQ(fdb->count(), fdb->table_rows());
      } else {
        expected[station] = where;
      }
    }
    if (step % 100 != 0) continue;
    fdb->grow(700, 1);
    retired_.reclaim(10);
    EXPECT_GE(fdb->table_rows(), largest);
    largest = fdb->table_rows();
  }
  EXPECT_EQ(largest, kCapacity);
  EXPECT_EQ(fdb->count(), expected.size());
  for (unsigned station = 1; station <= 120'000; ++station) {
    const auto value = table_.load()->find(StationKey(0, to_station(station)));
    const auto known = expected.find(station);
    ASSERT_EQ(value.has_value(), known != expected.end()) << station;
    if (value) {
      ASSERT_EQ(dataplane::FdbValue::unpack(*value).where, known->second);
    }
  }
}

// What the kernel and the user say is not said again: the table grows under it, up to its largest.
TEST_F(FdbTable, MakesRoomForWhatIsSaidOnce) {
  constexpr unsigned kCapacity = 50'000;
  const auto fdb = make(kCapacity);
  for (unsigned i = 1; i <= kCapacity; ++i)
    ASSERT_EQ(fdb->put(StationKey(0, to_station(i)), Where::tunnel(1), Origin::kernel, 1),
              Fdb::Verdict::added)
        << i;
  EXPECT_EQ(fdb->put(StationKey(0, to_station(kCapacity + 1)), Where::tunnel(1), Origin::kernel, 1),
            Fdb::Verdict::full);
  for (unsigned i = 1; i <= kCapacity; ++i)
    ASSERT_TRUE(table_.load()->find(StationKey(0, to_station(i)))) << i;
}

// What the documentation promises of memory: bytes a row, at the worst moment (the old table beside the new).
TEST_F(FdbTable, MemoryIsBounded) {
  const auto heap = [] {
    rte_malloc_socket_stats stats{};
    rte_malloc_get_socket_stats(0, &stats);
    return stats.heap_allocsz_bytes;
  };
  const size_t before = heap();
  const auto fdb = make(1 << 18);
  size_t most = 0;
  for (unsigned i = 0; i < 1 << 19; ++i) {
    fdb->learn(StationKey(0, to_station(i + 1)), Where::port(0), {}, 1);
    if (i % 100 == 0) fdb->grow(1000, 1);
    if (i % 1000 == 0) most = std::max(most, heap() - before);
    retired_.reclaim(1);
  }
  EXPECT_EQ(fdb->count(), size_t{1} << 18);
  EXPECT_LE(most, 128u << 18);
}

}  // namespace
}  // namespace culvert::testing
