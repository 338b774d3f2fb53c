// One table: entries, indexes, readers, writers that race.
#include <barrier>
#include <random>

#include "lab.hpp"

namespace culvert::gid {
namespace {

TEST(Gid, OfAddressesAndMacs) {
  EXPECT_EQ(Gid::of(ip("192.0.2.1")).to_string(), "::ffff:192.0.2.1");
  EXPECT_EQ(Gid::of(ip("192.0.2.1")).address(), ip("192.0.2.1"));
  EXPECT_EQ(Gid::of(ip("2001:db8:0:0::1")).to_string(), "2001:db8::1");
  EXPECT_EQ(Gid::of(ip("2001:db8::1")).address(), ip("2001:db8::1"));
  EXPECT_EQ(Gid::link_local_of(mac("02:00:00:00:00:01")).to_string(), "fe80::ff:fe00:1");
  EXPECT_EQ(Gid::link_local_of(mac("52:54:00:12:34:56")).to_string(), "fe80::5054:ff:fe12:3456");
}

class GidTable : public GidLab {};

TEST_F(GidTable, DefaultsHoldTheFirstIndexesAndTheOthersKeepTheirs) {
  Table table("p", 8, *domain, &provider);
  ASSERT_TRUE(table.add(address("10.0.0.1", eth0)));
  ASSERT_TRUE(table.add(default_of("02:00:00:00:00:01", eth0, Type::roce_v2)));
  ASSERT_TRUE(table.add(address("10.0.0.2", eth0)));
  ASSERT_TRUE(table.add(default_of("02:00:00:00:00:01", eth0, Type::roce_v1)));
  // The very address of the default GID, configured on the link, has an entry of its own.
  ASSERT_TRUE(table.add(address("fe80::ff:fe00:1", eth0)));
  const std::map<uint16_t, std::string> want{{0, "fe80::ff:fe00:1 RoCE v1 eth0 default"},
                                             {1, "fe80::ff:fe00:1 RoCE v2 eth0 default"},
                                             {2, "::ffff:10.0.0.1 RoCE v2 eth0"},
                                             {3, "::ffff:10.0.0.2 RoCE v2 eth0"},
                                             {4, "fe80::ff:fe00:1 RoCE v2 eth0"}};
  EXPECT_EQ(lines(table), want);
  EXPECT_EQ(provider.has(), want);

  ASSERT_TRUE(table.remove(address("10.0.0.1", eth0)));
  ASSERT_TRUE(table.remove(default_of("02:00:00:00:00:01", eth0, Type::roce_v1)));
  ASSERT_TRUE(table.add(address("10.0.0.3", eth0)));
  EXPECT_EQ(lines(table).at(2), "::ffff:10.0.0.3 RoCE v2 eth0") << "the first free one behind the reserved";
  EXPECT_EQ(lines(table).at(3), "::ffff:10.0.0.2 RoCE v2 eth0");
  EXPECT_FALSE(lines(table).contains(0)) << "reserved";
}

TEST_F(GidTable, WhatIsThereIsAddedOnceAndWhatIsNotCannotGo) {
  Table table("p", 8, *domain, &provider);
  ASSERT_TRUE(table.add(address("10.0.0.1", eth0)));
  ASSERT_TRUE(table.add(address("10.0.0.1", eth0)));
  ASSERT_TRUE(table.add(address("10.0.0.1", eth1)));
  ASSERT_TRUE(table.add(address("10.0.0.1", eth0, Type::roce_v1)));
  EXPECT_EQ(entries(table).size(), 3u) << "one a link and type";
  const Status gone = table.remove(address("10.0.0.2", eth0));
  ASSERT_FALSE(gone);
  EXPECT_NE(gone.error().message.find("::ffff:10.0.0.2 is not in the table of p"), std::string::npos);
  EXPECT_EQ(provider.log().size(), 3u);
}

TEST_F(GidTable, FullIsSaidAndAFreedEntryServesAgain) {
  Table table("p", 4, *domain, &provider);
  ASSERT_TRUE(table.add(address("10.0.0.1", eth0)));
  ASSERT_TRUE(table.add(address("10.0.0.2", eth0)));
  const Status full = table.add(address("10.0.0.3", eth0));
  ASSERT_FALSE(full);
  EXPECT_NE(full.error().message.find("table of p is full: it has 4 entries"), std::string::npos);
  ASSERT_TRUE(table.add(default_of("02:00:00:00:00:01", eth0))) << "its entry is reserved";
  ASSERT_TRUE(table.remove(address("10.0.0.1", eth0)));
  ASSERT_TRUE(table.add(address("10.0.0.3", eth0)));
  EXPECT_EQ(lines(table).at(2), "::ffff:10.0.0.3 RoCE v2 eth0");
}

TEST_F(GidTable, ReadersFindValidEntriesByGidTypeAndLink) {
  Table table("p", 8, *domain);
  ASSERT_TRUE(table.add(address("10.0.0.1", eth0)));
  ASSERT_TRUE(table.add(address("10.0.0.1", eth1)));
  const Reader reader(*domain);
  const Gid gid = Gid::of(ip("10.0.0.1"));
  EXPECT_EQ(table.find(gid, Type::roce_v2)->index, 2);
  EXPECT_EQ(table.find(gid, Type::roce_v2, eth1)->index, 3);
  EXPECT_FALSE(table.find(gid, Type::roce_v1));
  EXPECT_FALSE(table.find(Gid::of(ip("10.0.0.2")), Type::roce_v2));
  EXPECT_EQ(table.at(3)->attributes.netdev, eth1);
  EXPECT_FALSE(table.at(4));
  EXPECT_FALSE(table.at(400));
}

// The provider may sleep: nobody else waits for it, nobody finds its entry.
TEST_F(GidTable, AnEntryIsNotFoundWhileItsProviderSleepsAndOthersGoOn) {
  Table table("p", 8, *domain, &provider);
  std::atomic<bool> inside = false, go = false;
  const auto sleep = [&](const Entry& entry) {
    if (entry.attributes.gid != Gid::of(ip("10.0.0.1"))) return;
    inside = true;
    while (!go) std::this_thread::sleep_for(1ms);
    inside = false;
  };
  provider.before_add = provider.before_del = sleep;
  const auto state = [&] { return at(table, 2)->state; };
  const auto found = [&] {
    const Reader reader(*domain);
    return table.find(Gid::of(ip("10.0.0.1")), Type::roce_v2).has_value();
  };

  std::thread adds([&] { EXPECT_TRUE(table.add(address("10.0.0.1", eth0))); });
  wait_until([&] { return inside.load(); });
  EXPECT_EQ(state(), State::updating);
  EXPECT_FALSE(found());
  ASSERT_TRUE(table.add(address("10.0.0.2", eth0))) << "another entry";
  // Who wants the same one waits, and then finds it done.
  std::atomic<bool> removed = false;
  std::thread removes([&] {
    EXPECT_TRUE(table.remove(address("10.0.0.1", eth0)));
    removed = true;
  });
  std::this_thread::sleep_for(20ms);
  EXPECT_FALSE(removed);
  go = true;
  adds.join();
  removes.join();
  EXPECT_EQ(provider.log(),
            (std::vector<std::string>{"add ::ffff:10.0.0.2 RoCE v2 eth0", "add ::ffff:10.0.0.1 RoCE v2 eth0",
                                      "del ::ffff:10.0.0.1 RoCE v2 eth0"}));

  go = true;
  ASSERT_TRUE(table.add(address("10.0.0.1", eth0)));
  EXPECT_EQ(state(), State::valid);
  EXPECT_TRUE(found());
  go = false;
  std::thread again([&] { EXPECT_TRUE(table.remove(address("10.0.0.1", eth0))); });
  wait_until([&] { return inside.load(); });
  EXPECT_EQ(state(), State::updating) << "its index is not free yet";
  EXPECT_FALSE(found());
  go = true;
  again.join();
  EXPECT_FALSE(at(table, 2));
}

TEST_F(GidTable, ARefusedEntryIsFreeAgain) {
  Table table("p", 8, *domain, &provider);
  provider.refuses = [](const Entry& entry) { return entry.attributes.gid == Gid::of(ip("10.0.0.1")); };
  const Status refused = table.add(address("10.0.0.1", eth0));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "refused for the test");
  EXPECT_TRUE(entries(table).empty());
  ASSERT_TRUE(table.add(address("10.0.0.2", eth0)));
  EXPECT_EQ(lines(table).at(2), "::ffff:10.0.0.2 RoCE v2 eth0");
}

// A reserved entry says that its default is missing.
TEST_F(GidTable, ARefusedDefaultIsInvalidUntilItIsTaken) {
  Table table("p", 8, *domain, &provider);
  bool refuses = true;
  provider.refuses = [&](const Entry&) { return refuses; };
  const Attributes wanted = default_of("02:00:00:00:00:01", eth0);
  EXPECT_FALSE(table.add(wanted));
  EXPECT_EQ(at(table, 0)->state, State::invalid);
  refuses = false;
  ASSERT_TRUE(table.add(wanted));
  EXPECT_EQ(at(table, 0)->state, State::valid);
  ASSERT_TRUE(table.remove(wanted));
  refuses = true;
  EXPECT_FALSE(table.add(wanted));
  ASSERT_TRUE(table.remove(wanted)) << "no provider is asked to delete what it never took";
  EXPECT_FALSE(at(table, 0));
}

TEST_F(GidTable, AnEntryGoesThoughItsProviderFailsToDeleteIt) {
  Table table("p", 8, *domain, &provider);
  ASSERT_TRUE(table.add(address("10.0.0.1", eth0)));
  provider.fails_to_delete = true;
  EXPECT_TRUE(table.remove(address("10.0.0.1", eth0)));
  EXPECT_TRUE(entries(table).empty());
}

TEST_F(GidTable, APortThatGoesTakesItsEntriesAlong) {
  Table table("p", 8, *domain, &provider);
  for (const char* text : {"10.0.0.1", "10.0.0.2", "fd00::1"}) ASSERT_TRUE(table.add(address(text, eth0)));
  table.clear();
  EXPECT_TRUE(entries(table).empty());
  EXPECT_TRUE(provider.has().empty());
}

TEST_F(GidTable, AnEntryHoldsItsNetdev) {
  Table table("p", 8, *domain);
  auto gone = std::make_shared<Netdev>(9, "gone0");
  const std::weak_ptr<Netdev> watch = gone;
  ASSERT_TRUE(table.add(address("10.0.0.1", gone)));
  gone->rename("gone1");
  gone.reset();
  EXPECT_EQ(lines(table).at(2), "::ffff:10.0.0.1 RoCE v2 gone1");
  std::optional<Entry> copy = at(table, 2);
  ASSERT_TRUE(table.remove(copy->attributes));
  EXPECT_FALSE(watch.expired()) << "handed out held";
  copy.reset();
  EXPECT_TRUE(watch.expired());
}

// Two race for the last free entry, a thousand times: one wins, the other is told that the table is full.
TEST_F(GidTable, OneOfTwoWinsTheLastFreeEntry) {
  provider.before_add = [](const Entry&) { std::this_thread::yield(); };
  for (Provider* const with : {static_cast<Provider*>(nullptr), static_cast<Provider*>(&provider)}) {
    Table table("p", 3, *domain, with);
    constexpr int kRounds = 500;
    const Attributes mine[] = {address("10.0.0.1", eth0), address("10.0.0.2", eth0)};
    Status outcome[2];
    std::barrier meet(2);
    const auto race = [&](int who) {
      for (int i = 0; i < kRounds; ++i) {
        meet.arrive_and_wait();
        outcome[who] = table.add(mine[who]);
        meet.arrive_and_wait();
        const int loser = outcome[0] ? 1 : 0;
        if (who == 0) {
          EXPECT_NE(outcome[0].has_value(), outcome[1].has_value()) << i;
          EXPECT_NE(outcome[loser].error().message.find("is full"), std::string::npos);
          EXPECT_TRUE(table.remove(mine[1 - loser]));
        }
        meet.arrive_and_wait();
      }
    };
    std::thread other([&] { race(1); });
    race(0);
    other.join();
  }
}

// Readers on two threads look while two writers add and remove by a provider that yields and fails: whatever
// they find is valid, whole, and what they asked for.
TEST_F(GidTable, ReadersNeverSeeAnInvalidOrHalfWrittenEntry) {
  std::atomic<unsigned> calls = 0;
  provider.before_add = provider.before_del = [](const Entry&) { std::this_thread::yield(); };
  provider.refuses = [&](const Entry&) { return calls++ % 5 == 0; };
  Table table("p", 16, *domain, &provider);
  // The link, the VLAN and the type follow from the address: a mixed entry would show.
  const auto nth = [&](unsigned n) {
    Attributes what = address(fmt::format("10.0.0.{}", n), n % 2 == 0 ? eth0 : eth1,
                              n % 3 == 0 ? Type::roce_v1 : Type::roce_v2);
    what.vlan = static_cast<uint16_t>(n);
    return what;
  };
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> hits = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&] {
      Reader reader(*domain);
      for (unsigned n = 0; !stop; n = (n + 1) % 12) {
        const Attributes want = nth(n);
        if (const auto found = table.find(want.gid, want.type)) {
          EXPECT_EQ(found->state, State::valid);
          EXPECT_EQ(found->attributes, want);
          ++hits;
        }
        for (const Entry& entry : table.entries()) {
          const auto last = entry.attributes.gid.bytes[15];
          EXPECT_EQ(entry.attributes, nth(last));
        }
        reader.quiescent();
      }
    });
  std::vector<std::thread> writers;
  for (unsigned w = 0; w < 2; ++w)
    writers.emplace_back([&, w] {
      std::mt19937 random(w);
      std::set<unsigned> in;
      for (int i = 0; i < 1000; ++i) {
        const unsigned n = 2 * (random() % 6) + w;
        if (in.contains(n)) {
          EXPECT_TRUE(table.remove(nth(n)));
          in.erase(n);
        } else if (table.add(nth(n))) {
          in.insert(n);
        }
      }
      for (const unsigned n : in) EXPECT_TRUE(table.remove(nth(n)));
    });
  for (std::thread& writer : writers) writer.join();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(hits, 0u);
  EXPECT_TRUE(entries(table).empty());
  EXPECT_TRUE(provider.has().empty());
}

}  // namespace
}  // namespace culvert::gid
