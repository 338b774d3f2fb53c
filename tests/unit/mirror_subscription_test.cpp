// Listeners of other threads: the state and then every change, in order, none lost and none twice, or after
// five retries the error and nothing at all.
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "base/clock.hpp"
#include "mirror/store.hpp"
#include "mirror/subscription.hpp"

namespace culvert::mirror {
namespace {

using namespace std::chrono_literals;

// Routes by destination, told by their MTU, which no two routes of a test share.
using Picture = std::map<net::Prefix, uint32_t>;

// Fails on any change that does not begin where the last one ended.
class Historian : public Listener {
 public:
  void on_route(const net::Prefix& dst, const Path* before, const Path* after) override {
    const auto known = picture.find(dst);
    const uint32_t was = known == picture.end() ? 0 : known->second;
    broken += was != (before == nullptr ? 0 : before->mtu);
    if (after == nullptr)
      picture.erase(dst);
    else
      picture[dst] = after->mtu;
    ++told;
  }
  void on_link(const Link* before, const Link* after) override {
    broken += (before == nullptr ? 0 : before->mtu) != link_mtu;
    link_mtu = after == nullptr ? 0 : after->mtu;
  }
  Picture picture;
  uint32_t link_mtu = 0;
  size_t told = 0, broken = 0;
};

class Subscribed : public ::testing::Test {
 protected:
  static constexpr uint32_t kRoutes = 500;

  void SetUp() override {
    domain = *rcu::Domain::create();
    store = std::make_unique<Store>(*domain);
    for (uint32_t i = 0; i < kRoutes; ++i) change_route(i, true);
  }

  static net::Prefix prefix(uint32_t i) {
    return net::Prefix::of(net::IpAddr::v4(net::be32(0x0a000000u | i << 8)), 24);
  }
  void change_route(uint32_t i, bool present) {
    Route route;
    route.table = RT_TABLE_MAIN;
    route.type = RTN_UNICAST;
    route.dst = prefix(i);
    route.mtu = ++serial;
    route.hops.push_back({.ifindex = static_cast<int>(serial % 3 + 1)});
    if (present) {
      store->put(store->prepare(route, 1), RouteTable::Place::replace, 0);
      picture[route.dst] = route.mtu;
    } else if (const auto gone = picture.find(route.dst); gone != picture.end()) {
      const auto last = *store->lookup(RT_TABLE_MAIN, route.dst.address);
      store->remove(last);
      picture.erase(gone);
    }
  }
  void change_something() {
    if (random() % 16 == 0) {
      Link link;
      link.ifindex = 1;
      link.mtu = ++serial;
      store->put(link, 1);
    } else {
      change_route(static_cast<uint32_t>(random() % kRoutes), random() % 3 != 0);
    }
    store->reclaim(16);
  }
  auto subscribe(SubscribeOptions options = {}) {
    return Subscription::create(*store, store->changes(), *domain, options);
  }

  // What 16 threads see that come and go until the writer stops; each leaves its last subscription to be
  // compared.
  struct Outcome {
    std::atomic<size_t> histories{0}, errors{0}, broken{0}, wrong_retries{0};
  };
  void come_and_go(Outcome& outcome) {
    while (!stopped) {
      unsigned retries = 0;
      SubscribeOptions options;
      options.before_retry = [&] { ++retries; };
      const auto subscription = subscribe(options);
      if (!subscription) {
        ++outcome.errors;
        outcome.wrong_retries += retries != Subscription::kRetries;
        continue;
      }
      outcome.wrong_retries += retries > Subscription::kRetries;
      Historian historian;
      const auto end = Clock::now() + 20ms;
      const auto going_on = [&] { return !(*subscription)->replayed() || Clock::now() < end; };
      while (going_on() && !stopped)
        if ((*subscription)->deliver(historian, 100) == 0) std::this_thread::sleep_for(1ms);
      if (stopped) {  // the writer has ended: what waits is all there will be
        while ((*subscription)->deliver(historian, 100) != 0) {
        }
        outcome.broken += historian.picture != picture;
      }
      outcome.broken += historian.broken + (*subscription)->is_cut();
      ++outcome.histories;
    }
  }
  // `turn` makes changes, and pauses if it wants to.
  void run(Outcome& outcome, const std::function<void()>& turn, Duration time) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; ++i) threads.emplace_back([&] { come_and_go(outcome); });
    for (const auto end = Clock::now() + time; Clock::now() < end;) turn();
    stopped = true;
    for (std::thread& thread : threads) thread.join();
  }

  std::unique_ptr<rcu::Domain> domain;
  std::unique_ptr<Store> store;
  Picture picture;
  uint32_t serial = 0;
  std::minstd_rand random{7};
  std::atomic<bool> stopped{false};
};

TEST_F(Subscribed, WhileAWriterWorksWithoutAPause) {
  Outcome outcome;
  run(
      outcome, [&] { change_something(); }, 3s);
  EXPECT_EQ(outcome.broken, 0u);
  EXPECT_EQ(outcome.wrong_retries, 0u);
  EXPECT_GT(outcome.histories + outcome.errors, 16u);
}

TEST_F(Subscribed, WhileAWriterPausesAllSucceed) {
  Outcome outcome;
  const auto turn = [&] {
    for (const auto end = Clock::now() + 2ms; Clock::now() < end;) change_something();
    std::this_thread::sleep_for(100ms);
  };
  run(outcome, turn, 3s);
  EXPECT_EQ(outcome.errors, 0u);
  EXPECT_EQ(outcome.broken, 0u);
  EXPECT_EQ(outcome.wrong_retries, 0u);
  EXPECT_GE(outcome.histories, 16u);
}

// The tables change between the reading and the registration, each time.
TEST_F(Subscribed, FiveRetriesAndThenTheError) {
  unsigned retries = 0;
  SubscribeOptions options;
  options.before_retry = [&] { ++retries; };
  const Changes::Writing writing(store->changes());  // never still
  EXPECT_FALSE(subscribe(options));
  EXPECT_EQ(retries, 5u);
}

TEST_F(Subscribed, RetriesUntilTheTablesAreStill) {
  unsigned retries = 0;
  auto writing = std::make_unique<Changes::Writing>(store->changes());
  SubscribeOptions options;
  options.before_retry = [&] {
    if (++retries == 5) writing.reset();
  };
  const auto subscription = subscribe(options);
  ASSERT_TRUE(subscription);
  EXPECT_EQ(retries, 5u);
  Historian historian;
  (*subscription)->deliver(historian, SIZE_MAX);
  EXPECT_EQ(historian.picture, picture);
}

TEST_F(Subscribed, WhatWaitsStaysAsItWas) {
  const auto subscription = subscribe();
  ASSERT_TRUE(subscription);
  for (int i = 0; i < 1000; ++i) change_something();
  store->reclaim(SIZE_MAX);
  Historian historian;
  while ((*subscription)->deliver(historian, 7) != 0) {
  }
  EXPECT_EQ(historian.broken, 0u);
  EXPECT_EQ(historian.picture, picture);
}

TEST_F(Subscribed, ItsDescriptorIsReadableWhileThereIsSomething) {
  const auto subscription = subscribe();
  ASSERT_TRUE(subscription);
  const auto readable = [&] {
    pollfd fd{(*subscription)->fd(), POLLIN, 0};
    return ::poll(&fd, 1, 0) == 1;
  };
  Historian historian;
  EXPECT_TRUE(readable());
  EXPECT_EQ((*subscription)->deliver(historian, kRoutes), kRoutes);
  EXPECT_TRUE(readable()) << "there may be more";
  EXPECT_EQ((*subscription)->deliver(historian, 10), 0u);
  EXPECT_FALSE(readable());
  change_route(1, true);
  EXPECT_TRUE(readable());
}

TEST_F(Subscribed, AListenerThatDoesNotReadIsCut) {
  SubscribeOptions options;
  options.queue_limit = 10;
  const auto subscription = subscribe(options);
  ASSERT_TRUE(subscription);
  for (uint32_t i = 0; i < 10; ++i) change_route(i, true);
  EXPECT_FALSE((*subscription)->is_cut());
  change_route(0, true);
  EXPECT_TRUE((*subscription)->is_cut());
  Historian historian;
  EXPECT_EQ((*subscription)->deliver(historian, SIZE_MAX), kRoutes) << "the state";
  EXPECT_EQ((*subscription)->deliver(historian, SIZE_MAX), 0u) << "no changes with a hole";
  EXPECT_EQ(historian.broken, 0u);
}

}  // namespace
}  // namespace culvert::mirror
