// The update thread: order, sleep, what is refused.
#include "lab.hpp"

namespace culvert::gid {
namespace {

class GidUpdater : public GidLab {
 protected:
  void add(Table& table, const Attributes& what) { updater->post({Update::Kind::add, &table, what}); }
  void remove(Table& table, const Attributes& what) { updater->post({Update::Kind::remove, &table, what}); }
  void settle() {
    wait_until([this] { return updater->pending() == 0; });
  }

  std::atomic<unsigned> settled = 0;
  std::unique_ptr<Updater> updater = std::move(*Updater::create([this] { ++settled; }));
};

TEST_F(GidUpdater, AppliesTheUpdatesOfAllPortsInTheirOrder) {
  Table one("one", 64, *domain, &provider), two("two", 64, *domain, &provider);
  std::thread::id thread;
  unsigned threads = 0;
  provider.before_add = provider.before_del = [&](const Entry&) {
    threads += thread != std::this_thread::get_id();
    thread = std::this_thread::get_id();
  };
  std::vector<std::string> want;
  for (int i = 0; i < 20; ++i) {
    const Attributes what = address(fmt::format("10.0.0.{}", i), eth0);
    const Attributes other = address(fmt::format("10.0.1.{}", i), eth1);
    add(one, what);
    remove(one, what);
    add(two, other);
    remove(two, other);
    want.insert(want.end(),
                {"add " + line(what), "del " + line(what), "add " + line(other), "del " + line(other)});
  }
  settle();
  EXPECT_EQ(provider.log(), want);
  EXPECT_EQ(threads, 1u) << "one thread";
  wait_until([&] { return settled != 0; });
}

TEST_F(GidUpdater, WhoPostsDoesNotWaitForASleepingProvider) {
  Table table("p", 64, *domain, &provider);
  provider.before_add = [](const Entry&) { std::this_thread::sleep_for(50ms); };
  auto netdev = std::make_shared<Netdev>(7, "queued0");
  const std::weak_ptr<Netdev> watch = netdev;
  const TimePoint start = Clock::now();
  for (int i = 0; i < 6; ++i) add(table, address(fmt::format("10.0.0.{}", i), netdev));
  for (int i = 0; i < 6; ++i) remove(table, address(fmt::format("10.0.0.{}", i), netdev));
  EXPECT_LT(Clock::now() - start, 50ms * 6);
  netdev.reset();
  EXPECT_FALSE(watch.expired()) << "queued updates hold it";
  settle();
  EXPECT_GE(Clock::now() - start, 50ms * 6);
  EXPECT_TRUE(entries(table).empty());
  EXPECT_TRUE(watch.expired()) << "nothing names it any more";
}

// While the update thread sleeps for another port.
TEST_F(GidUpdater, ATableWithoutAProviderIsUpdatedAtOnce) {
  Table slow("slow", 64, *domain, &provider), plain("plain", 3, *domain);
  std::atomic<bool> go = false;
  provider.before_add = [&](const Entry&) {
    while (!go) std::this_thread::sleep_for(1ms);
  };
  add(slow, address("10.0.0.1", eth0));
  add(plain, address("10.0.0.2", eth0));
  EXPECT_EQ(lines(plain).at(2), "::ffff:10.0.0.2 RoCE v2 eth0");
  EXPECT_EQ(at(plain, 2)->state, State::valid);
  add(plain, address("10.0.0.3", eth0));
  EXPECT_EQ(entries(plain).size(), 1u) << "full";
  remove(plain, address("10.0.0.2", eth0));
  EXPECT_EQ(lines(plain).at(2), "::ffff:10.0.0.3 RoCE v2 eth0") << "the one that waited";
  EXPECT_EQ(updater->pending(), 1u);
  go = true;
  settle();
}

TEST_F(GidUpdater, WhatFoundTheTableFullGetsTheNextFreeEntry) {
  Table table("p", 4, *domain, &provider);
  for (int i = 1; i <= 4; ++i) add(table, address(fmt::format("10.0.0.{}", i), eth0));
  settle();
  EXPECT_EQ(entries(table).size(), 2u);
  remove(table, address("10.0.0.3", eth0));  // is not wanted any more before it is in
  remove(table, address("10.0.0.1", eth0));
  settle();
  const std::map<uint16_t, std::string> want{{2, "::ffff:10.0.0.4 RoCE v2 eth0"},
                                             {3, "::ffff:10.0.0.2 RoCE v2 eth0"}};
  EXPECT_EQ(lines(table), want);
  EXPECT_EQ(provider.has(), want);
}

TEST_F(GidUpdater, WhatAProviderRefusesIsTriedAgain) {
  Table table("p", 8, *domain, &provider);
  std::atomic<bool> refuses = true;
  std::atomic<unsigned> asked = 0;
  provider.refuses = [&](const Entry&) { return ++asked, refuses.load(); };
  add(table, address("10.0.0.1", eth0));
  add(table, default_of("02:00:00:00:00:01", eth0));
  settle();
  EXPECT_EQ(at(table, 0)->state, State::invalid);
  EXPECT_FALSE(at(table, 2));
  refuses = false;
  wait_until([&] { return entries(table).size() == 2 && at(table, 0)->state == State::valid; });
  EXPECT_EQ(asked, 4u) << "once more each";
  remove(table, default_of("02:00:00:00:00:01", eth0));
  remove(table, address("10.0.0.1", eth0));
  settle();
  EXPECT_TRUE(entries(table).empty());
}

TEST_F(GidUpdater, StopEndsTheUpdateUnderWayAndDropsTheRest) {
  Table table("p", 64, *domain, &provider);
  std::atomic<bool> inside = false;
  provider.before_add = [&](const Entry&) {
    inside = true;
    std::this_thread::sleep_for(50ms);
  };
  for (int i = 0; i < 10; ++i) add(table, address(fmt::format("10.0.0.{}", i), eth0));
  wait_until([&] { return inside.load(); });
  updater->stop();
  EXPECT_EQ(entries(table).size(), 1u);
  EXPECT_EQ(provider.log().size(), 1u);
}

}  // namespace
}  // namespace culvert::gid
