#include "dataplane/path_table.hpp"
#include "rig.hpp"

namespace culvert::testing {
namespace {

using dataplane::NetworkSpec;
using dataplane::PathTable;
using dataplane::StationKey;

const Bytes kBroadcast(6, 0xff);

class Learning : public ::testing::Test {
 protected:
  Learning() : rig({.workers = 2}) {}

  // A frame of `station` to somebody unknown, from its place; then both workers know. Ports a and u are
  // worker 0's, port b is worker 1's.
  void hear(unsigned station, Where from) {
    rig.now += milliseconds(20);
    rig.control();
    if (from.is_tunnel()) {
      const OuterFields outer{.src = kRemote + from.index(), .vni = 100 * (from.index() + 1)};
      ASSERT_TRUE(rig.ports[Rig::kUplink]->arrive(arriving(udp_frame(0x7777, station, 60), outer)));
    } else {
      ASSERT_TRUE(rig.ports[from.index()]->arrive(udp_frame(0x7777, station, 60)));
    }
    rig.turn(from == Where::port(1) ? 1 : 0);
    for (auto& port : rig.ports) port->sent();
  }

  // Where frames from the other tenant port to `station` go now: "a", "b", "0" or "1" (tunnels), several if
  // flooded.
  std::string reached(unsigned station, unsigned from_port) {
    EXPECT_TRUE(rig.ports[from_port]->arrive(udp_frame(station, 0x100 + from_port, 60)));
    rig.turn(from_port == 1 ? 1 : 0);
    std::string places;
    if (!rig.ports[0]->sent().empty()) places += 'a';
    if (!rig.ports[1]->sent().empty()) places += 'b';
    for (const Bytes& frame : rig.ports[Rig::kUplink]->sent()) places += frame[33] == 2 ? '0' : '1';
    return places;
  }

  std::optional<dataplane::PathRow> row(unsigned station) {
    for (const auto& path : rig.path->paths(rig.now))
      if (path.mac == to_mac(station)) return path;
    return std::nullopt;
  }

  Rig rig;
};

TEST_F(Learning, UnknownIsFloodedOnceLearnedIsNot) {
  EXPECT_EQ(reached(9, 0), "b01");
  EXPECT_EQ(reached(9, 1), "a01");
  hear(9, Where::tunnel(1));
  const uint64_t flooded = rig.path->stats().flooded;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(reached(9, 0), "1");
    EXPECT_EQ(reached(9, 1), "1");
  }
  EXPECT_EQ(rig.path->stats().flooded, flooded);
}

TEST_F(Learning, BothWorkersFollowAMove) {
  hear(9, Where::tunnel(0));
  EXPECT_EQ(reached(9, 0) + reached(9, 1), "00");
  hear(9, Where::tunnel(1));
  EXPECT_EQ(reached(9, 0) + reached(9, 1), "11");
  hear(9, Where::port(1));
  EXPECT_EQ(reached(9, 0), "b");
  EXPECT_EQ(reached(9, 1), "");  // from where it is itself
  EXPECT_EQ(rig.drops(DropReason::same_port), 1u);
  EXPECT_EQ(rig.path->stats().moved, 2u);
  EXPECT_EQ(row(9)->where, Where::port(1));
}

TEST_F(Learning, FloodingFromATunnelStaysOutOfTunnels) {
  ASSERT_TRUE(rig.ports[Rig::kUplink]->arrive(arriving(ethernet(kBroadcast, mac(9), 0x0806, Bytes(46)))));
  rig.turn(0);
  EXPECT_EQ(rig.ports[0]->sent().size(), 1u);
  EXPECT_EQ(rig.ports[1]->sent().size(), 1u);
  EXPECT_EQ(rig.ports[Rig::kUplink]->sent().size(), 0u);
  hear(8, Where::tunnel(1));
  ASSERT_TRUE(rig.ports[Rig::kUplink]->arrive(arriving(udp_frame(8, 9, 60))));
  rig.turn(0);
  EXPECT_EQ(rig.drops(DropReason::split_horizon), 1u);
}

TEST_F(Learning, FloodedCopiesAreWhole) {
  const Bytes frame = ethernet(kBroadcast, mac(3), 0x0806, Bytes(46, 5));
  ASSERT_TRUE(rig.ports[0]->arrive(frame));
  rig.turn(0);
  EXPECT_EQ(rig.ports[1]->sent(), std::vector<Bytes>{frame});
  const auto sent = rig.ports[Rig::kUplink]->sent();
  ASSERT_EQ(sent.size(), 2u);
  for (unsigned encap : {0, 1}) {
    const OuterFields outer{
        .src = kLocal, .dst = kRemote + encap, .vni = 100 * (encap + 1), .src_port = get16(sent[encap], 34)};
    EXPECT_EQ(sent[encap], vxlan(frame, outer, mac(kGatewayMac), mac(kOurMac)));
  }
}

TEST_F(Learning, FloodOffAndNobodyElse) {
  auto networks = rig.networks();
  networks[0].flood = false;
  ASSERT_TRUE(rig.path->set_networks(networks));
  EXPECT_EQ(reached(9, 0), "");
  EXPECT_EQ(rig.drops(DropReason::flood_off), 1u);
  ASSERT_TRUE(rig.path->set_networks({{.id = 0, .ports = {0}}}));
  EXPECT_EQ(reached(9, 0), "");
  EXPECT_EQ(rig.drops(DropReason::no_member), 1u);
}

TEST_F(Learning, LearningOff) {
  auto networks = rig.networks();
  networks[0].learning = false;
  ASSERT_TRUE(rig.path->set_networks(networks));
  hear(9, Where::tunnel(1));
  EXPECT_FALSE(row(9));
}

TEST_F(Learning, LimitOfTheNetwork) {
  auto networks = rig.networks();
  networks[0].max_macs = 3;
  ASSERT_TRUE(rig.path->set_networks(networks));
  for (unsigned station = 1; station <= 5; ++station) hear(station, Where::port(0));
  EXPECT_EQ(rig.path->paths(rig.now).size(), 3u);
  EXPECT_EQ(rig.path->stats().learn_over_limit, 2u);
  hear(2, Where::port(1));  // who is known may move
  EXPECT_EQ(row(2)->where, Where::port(1));
}

TEST_F(Learning, LimitOfTheFdb) {
  Rig small({.fdb_capacity = 64});
  for (unsigned station = 1; station <= 100; ++station) {
    ASSERT_TRUE(small.ports[0]->arrive(udp_frame(0x7777, station, 60)));
    small.turn();
  }
  EXPECT_EQ(small.path->paths(small.now).size(), 64u);
  EXPECT_EQ(small.path->stats().learn_over_limit, 36u);
}

TEST_F(Learning, ABurstIsOneRequest) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(rig.ports[0]->arrive(udp_frame(0x7777, 5, 60)));
  rig.domain->online(1);
  rig.path->worker(0).turn();
  rig.domain->offline(1);
  EXPECT_TRUE(rig.path->worker(0).learning().pop());
  EXPECT_FALSE(rig.path->worker(0).learning().pop());
}

TEST_F(Learning, StaticRowsStay) {
  rig.teach(9, Where::tunnel(0));
  hear(9, Where::port(1));
  EXPECT_EQ(row(9)->where, Where::tunnel(0));
  EXPECT_EQ(row(9)->origin, dataplane::Origin::configured);
  rig.now += seconds(200);
  for (int i = 0; i < 3; ++i) rig.control();
  EXPECT_TRUE(row(9));
  EXPECT_FALSE(rig.path->add_path(0, to_mac(9), Where::port(Rig::kUplink)));
  EXPECT_FALSE(rig.path->add_path(5, to_mac(9), Where::port(0)));
}

// Idle for 2*M, looked for every M: gone after 60 to 90 s, whenever it was used last.
TEST_F(Learning, IdleRowsGoUsedOnesStay) {
  for (unsigned offset = 0; offset < 30; offset += 7) {
    rig.now += seconds(offset);
    rig.control();
    const unsigned idle = 0x200 + offset, source = 0x300 + offset, target = 0x400 + offset;
    for (const unsigned station : {idle, source, target}) hear(station, Where::port(1));
    const TimePoint last_used = rig.now;
    unsigned gone_s = 0;
    for (unsigned second = 1; second <= 200; ++second) {
      rig.now = last_used + seconds(second);
      rig.control();
      if (second % 20 == 0) {
        ASSERT_TRUE(rig.ports[1]->arrive(udp_frame(0x7777, source, 60)));  // as a source, on worker 1
        rig.turn(1);
        reached(target, 0);  // as a destination, on worker 0
      }
      if (gone_s == 0 && !row(idle)) gone_s = second;
    }
    EXPECT_GE(gone_s, 60u);
    EXPECT_LE(gone_s, 91u);
    EXPECT_TRUE(row(source));
    EXPECT_TRUE(row(target));
    EXPECT_LE(row(target)->idle_s, 1u);
  }
}

TEST_F(Learning, TheKernelsPeriodDecides) {
  for (const unsigned period : {60u, 5u, 1u}) {  // a shorter one at once
    rig.path->set_collector_period(seconds(period));
    hear(period, Where::port(1));
    unsigned gone_s = 0;
    while (row(period) && gone_s < 200) {
      ++gone_s;
      rig.now += seconds(1);
      rig.control();
    }
    EXPECT_GE(gone_s, 2 * period);
    EXPECT_LE(gone_s, 3 * period + 1);
  }
}

// More or fewer of them, or a number that nobody can mean: paths are found anew in the FDB.
TEST_F(Learning, PathTablesChangeTheirSize) {
  hear(9, Where::tunnel(1));
  for (const size_t buckets : {size_t{1} << 16, size_t{3}, size_t{0}, SIZE_MAX, size_t{1024}}) {
    rig.path->set_path_buckets(buckets);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(reached(9, 0) + reached(9, 1), "11");
  }
}

TEST_F(Learning, RefsCountTheWorkersThatUseIt) {
  hear(9, Where::tunnel(0));
  EXPECT_EQ(row(9)->refs, 0u);
  reached(9, 0);
  EXPECT_EQ(row(9)->refs, 1u);
  reached(9, 1);
  EXPECT_EQ(row(9)->refs, 2u);
  rig.now += seconds(45);
  EXPECT_EQ(row(9)->idle_s, 45u);
}

TEST_F(Learning, WhoIsNoMemberAnyMoreIsForgotten) {
  hear(9, Where::tunnel(1));
  hear(8, Where::port(1));
  hear(7, Where::port(0));
  ASSERT_TRUE(rig.path->set_networks({{.id = 0, .ports = {0}, .encaps = {0}}}));
  EXPECT_FALSE(row(9));
  EXPECT_FALSE(row(8));
  EXPECT_TRUE(row(7));
  EXPECT_EQ(reached(9, 0), "0");  // flooded again
}

TEST_F(Learning, BadNetworksChangeNothing) {
  using List = std::vector<NetworkSpec>;
  hear(9, Where::tunnel(1));
  for (const List& bad :
       {List{{.id = 0, .ports = {7}}}, List{{.id = 0, .ports = {0}}, {.id = 1, .ports = {0}}},
        List{{.id = 0}, {.id = 0}}, List{{.id = 0, .encaps = {1 << 16}}}, List{{.id = 60000}},
        List{{.id = 0, .encaps = {1}}, {.id = 1, .encaps = {1}}}})
    EXPECT_FALSE(rig.path->set_networks(bad));
  auto terminations = rig.terminations();
  terminations.push_back(terminations[0]);
  EXPECT_FALSE(rig.path->set_terminations(terminations));
  EXPECT_EQ(reached(9, 0), "1");
}

TEST_F(Learning, FullSendQueue) {
  Rig small({.ring_size = 16});
  small.teach(9, Where::port(1));
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(small.ports[0]->arrive(udp_frame(9, 1, 60)));
    small.turn();
  }
  EXPECT_EQ(small.ports[1]->sent().size(), 15u);
  EXPECT_EQ(small.drops(DropReason::tx_full), 15u);
  EXPECT_EQ(small.path->port_drops(1), 15u);
}

TEST(PathTableTest, EntriesAreGoodForOneEpoch) {
  PathTable table(2);
  const StationKey key(3, to_mac(1));
  EXPECT_TRUE(table.find(key, 1).is_nowhere());
  table.insert(key, Where::port(4), 1);
  EXPECT_EQ(table.find(key, 1), Where::port(4));
  EXPECT_TRUE(table.find(key, 2).is_nowhere());
  table.insert(key, Where::tunnel(5), 2);
  EXPECT_EQ(table.find(key, 2), Where::tunnel(5));
  EXPECT_TRUE(table.find(StationKey(4, to_mac(1)), 2).is_nowhere());
  EXPECT_TRUE(table.find(StationKey(), 2).is_nowhere());
}

TEST(PathTableTest, OldEntriesGoFirst) {
  PathTable table(2);
  std::vector<StationKey> keys;
  for (unsigned i = 0; i < 64; ++i) keys.emplace_back(0, to_mac(i + 1));
  for (const StationKey key : keys) table.insert(key, Where::port(1), 1);
  const auto present = [&](uint32_t epoch) {
    return std::ranges::count_if(keys, [&](StationKey key) { return !table.find(key, epoch).is_nowhere(); });
  };
  EXPECT_EQ(present(1), 8);
  table.insert(keys[0], Where::port(1), 2);
  for (unsigned i = 0; i < 2; ++i) table.insert(StationKey(1, to_mac(i)), Where::port(1), 2);
  EXPECT_EQ(table.find(keys[0], 2), Where::port(1));
}

}  // namespace
}  // namespace culvert::testing
