#include "fib/fib.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "eal.hpp"
#include "fib/families.hpp"

namespace culvert::fib {
namespace {

template <size_t kBytes>
Address<kBytes> masked(Address<kBytes> address, unsigned length) {
  for (size_t i = 0; i < kBytes; ++i) {
    const unsigned bits = length > i * 8 ? std::min<unsigned>(length - static_cast<unsigned>(i) * 8, 8) : 0;
    address[i] &= static_cast<uint8_t>(0xff00 >> bits);
  }
  return address;
}

// What a table should say, found the slow way.
template <size_t kBytes>
struct Oracle {
  std::map<std::pair<Address<kBytes>, unsigned>, Hop> routes;

  Hop find(const Address<kBytes>& address) const {
    for (unsigned length = kBytes * 8 + 1; length-- > 0;)
      if (const auto found = routes.find({masked(address, length), length}); found != routes.end())
        return found->second;
    return kNoRoute;
  }
  std::vector<Route<kBytes>> sorted() const {
    std::vector<Route<kBytes>> all;
    for (const auto& [prefix, hop] : routes)
      all.push_back({prefix.first, static_cast<uint8_t>(prefix.second), hop});
    return all;
  }
};

template <typename Width>
class Fib : public ::testing::Test {
 protected:
  static constexpr size_t kBytes = Width::value;
  using Address = fib::Address<kBytes>;

  Fib() { culvert::testing::start_eal(); }

  unsigned below(unsigned limit) { return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_); }
  // Few values a byte, so that routes lie in each other.
  Address some_address() {
    Address address{};
    for (uint8_t& byte : address) byte = static_cast<uint8_t>(below(8) == 0 ? below(256) : below(3) * 0x55);
    return address;
  }
  Route<kBytes> some_route() {
    const unsigned length = below(kBytes * 8 + 1);
    return {masked(some_address(), length), static_cast<uint8_t>(length), 1 + below(50)};
  }
  void expect_same(const Table<kBytes>& table, const Oracle<kBytes>& oracle, unsigned looks) {
    for (unsigned i = 0; i < looks; ++i) {
      const Address address = some_address();
      ASSERT_EQ(table.find(address), oracle.find(address));
    }
    ASSERT_EQ(table.size(), oracle.routes.size());
  }

  std::mt19937 random_{1};
  std::unique_ptr<rcu::Domain> domain_ = std::move(*rcu::Domain::create());
  rcu::RetireQueue retired_{*domain_};
};

using Widths = ::testing::Types<std::integral_constant<size_t, 4>, std::integral_constant<size_t, 16>>;
TYPED_TEST_SUITE(Fib, Widths);

TYPED_TEST(Fib, SaysWhatTheLongestRouteSays) {
  constexpr size_t kBytes = TypeParam::value;
  Table<kBytes> table(this->retired_);
  Oracle<kBytes> oracle;
  for (unsigned step = 0; step < 30000; ++step) {
    // Grows past the size from which there is a front, and shrinks again.
    const bool add = this->below(100) < (step < 20000 ? 70u : 20u);
    if (add || oracle.routes.empty()) {
      const Route<kBytes> route = this->some_route();
      const Hop before = std::exchange(oracle.routes[{route.address, route.length}], route.hop);
      ASSERT_EQ(table.set(route), before);
    } else {
      auto gone = std::next(oracle.routes.begin(),
                            this->below(std::min<unsigned>(64, static_cast<unsigned>(oracle.routes.size()))));
      const auto [prefix, hop] = *gone;
      oracle.routes.erase(gone);
      ASSERT_EQ(table.erase(prefix.first, prefix.second), hop);
      ASSERT_EQ(table.erase(prefix.first, prefix.second), kNoRoute);
    }
    this->expect_same(table, oracle, 4);
    this->retired_.reclaim(1000);
    if (this->HasFatalFailure()) return;
  }
  this->expect_same(table, oracle, 10000);
  for (const auto& [prefix, hop] : oracle.routes) ASSERT_EQ(table.erase(prefix.first, prefix.second), hop);
  oracle.routes.clear();
  this->expect_same(table, oracle, 1000);
}

TYPED_TEST(Fib, AllAtOnceIsTheSameAsOneByOne) {
  constexpr size_t kBytes = TypeParam::value;
  for (const unsigned size : {0u, 1u, 100u, 3000u, 30000u}) {
    Oracle<kBytes> oracle;
    for (unsigned i = 0; i < size; ++i) {
      const Route<kBytes> route = this->some_route();
      oracle.routes[{route.address, route.length}] = route.hop;
    }
    Table<kBytes> at_once(this->retired_), one_by_one(this->retired_);
    at_once.set({{}, 0, 77});  // is replaced
    at_once.load(oracle.sorted());
    for (const Route<kBytes>& route : oracle.sorted()) one_by_one.set(route);
    this->expect_same(at_once, oracle, 5000);
    this->expect_same(one_by_one, oracle, 5000);
    EXPECT_EQ(at_once.memory_bytes(), one_by_one.memory_bytes());
    // And it changes as the other does.
    for (unsigned i = 0; i < 500; ++i) {
      const Route<kBytes> route = this->some_route();
      oracle.routes[{route.address, route.length}] = route.hop;
      at_once.set(route);
    }
    this->expect_same(at_once, oracle, 5000);
  }
}

TYPED_TEST(Fib, ASmallTableIsSmall) {
  constexpr size_t kBytes = TypeParam::value;
  Table<kBytes> table(this->retired_);
  table.set({{}, 0, 1});
  EXPECT_EQ(table.memory_bytes(), 0u);
  for (unsigned i = 0; i < 100; ++i) table.set(this->some_route());
  EXPECT_LT(table.memory_bytes(), 100u * kBytes * 400);
}

// Readers look up while a writer changes routes one by one and all at once: each answer is a route that has
// the address in it, and no shorter one than the longest that was there all the time.
TYPED_TEST(Fib, ReadersSeeAllOfAChangeOrNothing) {
  constexpr size_t kBytes = TypeParam::value;
  std::vector<Route<kBytes>> known{{}};  // by hop
  const auto name = [&](Route<kBytes> route) {
    route.hop = static_cast<Hop>(known.size());
    known.push_back(route);
    return route;
  };
  Oracle<kBytes> always;
  std::map<std::pair<Address<kBytes>, unsigned>, Route<kBytes>> sometimes;
  always.routes[{{}, 0}] = name({{}, 0, 0}).hop;
  for (unsigned i = 0; i < 3000; ++i) {
    const Route<kBytes> route = this->some_route();
    if (always.routes.contains({route.address, route.length})) continue;
    if (i % 2 == 0)
      always.routes[{route.address, route.length}] = name(route).hop;
    else if (!sometimes.contains({route.address, route.length}))
      sometimes[{route.address, route.length}] = name(route);
  }
  for (const auto& [prefix, hop] : always.routes) sometimes.erase(prefix);
  std::vector<Route<kBytes>> others;
  for (const auto& [prefix, route] : sometimes) others.push_back(route);

  // Enough for a front; they lie where no look-up of the test goes.
  Oracle<kBytes> all = always;
  for (unsigned i = 0; i < 5000; ++i) {
    Address<kBytes> far{};
    far[0] = 0xee;
    far[1] = static_cast<uint8_t>(i >> 8);
    far[2] = static_cast<uint8_t>(i);
    all.routes[{far, 24}] = 1;
  }
  Table<kBytes> table(this->retired_);
  table.load(always.sorted());
  std::atomic<bool> running{true};
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> readers;
  for (unsigned reader = 1; reader <= 2; ++reader)
    readers.emplace_back([&, reader] {
      this->domain_->add(reader);
      this->domain_->online(reader);
      std::mt19937 random(reader);
      while (running) {
        for (unsigned i = 0; i < 32; ++i) {
          Address<kBytes> address{};
          for (uint8_t& byte : address) byte = static_cast<uint8_t>(random() % 3 * 0x55);
          const Hop hop = table.find(address);
          const Route<kBytes>& route = known[hop < known.size() ? hop : 0];
          const bool right = hop != kNoRoute && masked(address, route.length) == route.address &&
                             route.length >= known[always.find(address)].length;
          wrong += right ? 0 : 1;
        }
        this->domain_->quiescent(reader);
      }
      this->domain_->remove(reader);
    });
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  for (unsigned step = 0; std::chrono::steady_clock::now() < end; ++step) {
    const Route<kBytes>& one = others[step % others.size()];
    if ((step / others.size()) % 2 == 0)
      table.set(one);
    else
      table.erase(one.address, one.length);
    if (step % 5000 == 4999) table.load(step % 10000 == 4999 ? all.sorted() : always.sorted());
    this->retired_.reclaim(64);
  }
  running = false;
  for (std::thread& thread : readers) thread.join();
  EXPECT_EQ(wrong, 0u);
}

TEST(Families, EachRouteIsInTheTableOfItsOwn) {
  culvert::testing::start_eal();
  const auto domain = std::move(*rcu::Domain::create());
  rcu::RetireQueue retired(*domain);
  Families tables(retired);
  EXPECT_EQ(tables.set(*net::Prefix::parse("10.0.0.0/8"), 1), kNoRoute);
  EXPECT_EQ(tables.set(*net::Prefix::parse("a00::/8"), 2), kNoRoute);  // the same first byte
  EXPECT_EQ(tables.set(*net::Prefix::parse("10.0.0.0/8"), 3), 1u);
  EXPECT_EQ(tables.find(*net::IpAddr::parse("10.1.2.3")), 3u);
  EXPECT_EQ(tables.find(*net::IpAddr::parse("a01::1")), 2u);
  EXPECT_EQ(tables.find(*net::IpAddr::parse("b01::1")), kNoRoute);
  EXPECT_EQ(tables.set(*net::Prefix::parse("10.0.0.0/8"), kNoRoute), 3u);
  EXPECT_EQ(tables.find(*net::IpAddr::parse("10.1.2.3")), kNoRoute);
  EXPECT_EQ(tables.v6.size(), 1u);
}

}  // namespace
}  // namespace culvert::fib
