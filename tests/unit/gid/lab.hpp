// Providers, threads and values for the tests of lib/gid.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "../eal.hpp"
#include "gid/table.hpp"
#include "gid/updater.hpp"

namespace culvert::gid {

using namespace std::chrono_literals;

inline net::IpAddr ip(const std::string& text) { return *net::IpAddr::parse(text); }
inline net::Mac mac(const std::string& text) { return *net::Mac::parse(text); }

inline Attributes address(const std::string& text, const NetdevRef& netdev, Type type = Type::roce_v2) {
  return {Gid::of(ip(text)), type, netdev, std::nullopt, false};
}
inline Attributes default_of(const std::string& text, const NetdevRef& netdev, Type type = Type::roce_v1) {
  return {Gid::link_local_of(mac(text)), type, netdev, std::nullopt, true};
}

// A line an entry, without its index.
inline std::string line(const Attributes& what) {
  return fmt::format("{} {} {}{}{}", what.gid, name_of(what.type), what.netdev->name(),
                     what.vlan ? fmt::format(" vlan {}", *what.vlan) : "", what.is_default ? " default" : "");
}

// Keeps what it was told; fails where it is told twice, or to delete what it does not have.
class RecordingProvider : public Provider {
 public:
  Status add_gid(const Entry& entry) override {
    if (before_add) before_add(entry);
    if (refuses && refuses(entry)) return error("refused for the test");
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(entry.state, State::updating);
    EXPECT_TRUE(has_.emplace(entry.index, line(entry.attributes)).second) << "told twice: " << entry.index;
    log_.push_back("add " + line(entry.attributes));
    return {};
  }
  Status del_gid(const Entry& entry) override {
    if (before_del) before_del(entry);
    const std::lock_guard lock(mutex_);
    const auto found = has_.find(entry.index);
    EXPECT_TRUE(found != has_.end() && found->second == line(entry.attributes))
        << "never added: " << entry.index;
    if (found != has_.end()) has_.erase(found);
    log_.push_back("del " + line(entry.attributes));
    if (fails_to_delete) return error("did not want to");
    return {};
  }
  std::vector<std::string> log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  std::map<uint16_t, std::string> has() {
    const std::lock_guard lock(mutex_);
    return has_;
  }

  // Set before use.
  std::function<void(const Entry&)> before_add, before_del;
  std::function<bool(const Entry&)> refuses;
  std::atomic<bool> fails_to_delete = false;

 private:
  std::mutex mutex_;
  std::map<uint16_t, std::string> has_;
  std::vector<std::string> log_;
};

class GidLab : public ::testing::Test {
 protected:
  GidLab() { testing::start_eal(); }

  // A reader of the domain while it lives, quiescent whenever asked.
  class Reader {
   public:
    explicit Reader(rcu::Domain& domain) : domain_(domain), id_(*domain.lend_name()) {
      domain_.add(id_);
      domain_.online(id_);
    }
    ~Reader() {
      domain_.offline(id_);
      domain_.remove(id_);
      domain_.give_back(id_);
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    void quiescent() { domain_.quiescent(id_); }

   private:
    rcu::Domain& domain_;
    const rcu::ReaderId id_;
  };

  std::vector<Entry> entries(const Table& table) {
    const Reader reader(*domain);
    return table.entries();
  }
  std::optional<Entry> at(const Table& table, uint16_t index) {
    const Reader reader(*domain);
    return table.at(index);
  }
  std::map<uint16_t, std::string> lines(const Table& table) {
    std::map<uint16_t, std::string> all;
    for (const Entry& entry : entries(table)) all[entry.index] = line(entry.attributes);
    return all;
  }
  static void wait_until(const std::function<bool()>& reached) {
    const TimePoint deadline = Clock::now() + 20s;
    while (!reached()) {
      ASSERT_LT(Clock::now(), deadline);
      std::this_thread::sleep_for(1ms);
    }
  }

  std::unique_ptr<rcu::Domain> domain = std::move(*rcu::Domain::create());
  RecordingProvider provider;
  const NetdevRef eth0 = std::make_shared<Netdev>(3, "eth0");
  const NetdevRef eth1 = std::make_shared<Netdev>(4, "eth1");
};

}  // namespace culvert::gid
