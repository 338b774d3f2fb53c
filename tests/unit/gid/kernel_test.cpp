// A thousand random address and link events: the tables equal those computed from `ip -j address`, whether
// their providers are quick, sleep, or fail; readers look on meanwhile. CULVERT_SEED chooses another course.
#include <nlohmann/json.hpp>
#include <random>

#include "../mirror_lab.hpp"
#include "gid/follower.hpp"
#include "lab.hpp"

namespace culvert::gid {
namespace {

using Json = nlohmann::json;
using Lines = std::set<std::string>;

constexpr int kEvents = 1000;
constexpr int kBurst = 50;

// The tables as they should be, from what the kernel says at this moment.
class Oracle {
 public:
  Oracle() {
    FILE* pipe = ::popen("ip -j -d address", "r");
    std::string text;
    char buffer[65536];
    for (size_t size; (size = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) text.append(buffer, size);
    ::pclose(pipe);
    for (const Json& link : Json::parse(text))
      if (link.contains("ifname")) links_[link["ifname"]] = link;
  }
  Lines table(const std::string& port) const {
    Lines lines;
    if (!links_.contains(port)) return lines;
    const std::string own = Gid::link_local_of(mac(links_.at(port)["address"])).to_string();
    for (const char* type : {"RoCE v1", "RoCE v2"})
      lines.insert(fmt::format("{} {} {} default", own, type, port));
    for (const std::string& name : uppers(port)) {
      const Json& link = links_.at(name);
      if (!has(link["flags"], "UP")) continue;
      for (const Json& address : link["addr_info"])
        for (const char* type : {"RoCE v1", "RoCE v2"})
          lines.insert(fmt::format("{} {} {}", Gid::of(ip(address["local"])), type, name));
    }
    return lines;
  }

 private:
  static bool has(const Json& list, const char* word) { return std::ranges::find(list, word) != list.end(); }
  Lines uppers(const std::string& port) const {
    Lines found{port};
    for (size_t before = 0; before != found.size();) {
      before = found.size();
      for (const auto& [name, link] : links_) {
        const std::string kind = link.contains("linkinfo") ? link["linkinfo"].value("info_kind", "") : "";
        if (kind == "macvlan" && found.contains(link.value("link", ""))) found.insert(name);
        if (found.contains(name) && link.contains("master")) found.insert(link["master"].get<std::string>());
      }
    }
    return found;
  }

  std::map<std::string, Json> links_;
};

// Lines for `ip -batch`; many are refused, as the state has it.
class Events {
 public:
  explicit Events(unsigned seed) : random_(seed) {}

  std::string next() {
    const std::string link = links_[below(links_.size())];
    switch (below(16)) {
      case 0:
        return fmt::format("link set {} down", link);
      case 1:
      case 2:
        return fmt::format("link set {} up", link);
      case 3:
        return fmt::format("link set {} address 02:00:00:00:00:{:02x}", link, below(256));
      case 4:
        return "link del mv0";
      case 5:
        return fmt::format("link add mv0 link {} type macvlan mode bridge", below(3) == 0 ? "br0" : "v0");
      case 6:
        return fmt::format("link set v{} {}", below(2), below(2) == 0 ? "master br0" : "nomaster");
      case 7:
        return below(3) == 0 ? "link del br0" : "link add br0 type bridge";
      case 8:
        return below(2) == 0 ? "link set mv1 name mvx" : "link set mvx name mv1";
      default: {
        const bool v4 = below(2) == 0;
        return fmt::format(
            "address {} {}{} dev {}{}", below(3) == 0 ? "del" : "add",
            v4 ? "10.0.0." : "fd00::", v4 ? fmt::format("{}/24", below(9)) : fmt::format("{}/64", below(9)),
            link, v4 ? "" : " nodad");
      }
    }
  }

 private:
  size_t below(size_t limit) { return random_() % limit; }

  std::mt19937 random_;
  const std::vector<std::string> links_{"v0", "v0", "v1", "mv0", "mv1", "mvx", "br0", "p0"};
};

class GidKernel : public mirror::Lab {
 protected:
  void SetUp() override {
    testing::start_eal();
    Lab::SetUp();
    ip("link add v0 type veth peer name p0\nlink add v1 type veth peer name p1\n"
       "link add mv1 link v0 type macvlan mode bridge\n"
       "link set v0 up\nlink set p0 up\nlink set v1 up\nlink set p1 up\nlink set mv1 up");
    domain = std::move(*rcu::Domain::create());
  }

  Lines lines(const Table& table) {
    const rcu::ReaderId reader = *domain->lend_name();
    domain->add(reader);
    domain->online(reader);
    Lines all;
    for (const Entry& entry : table.entries()) {
      if (entry.state == State::invalid) continue;  // a default GID that was refused
      EXPECT_EQ(entry.state, State::valid);
      EXPECT_TRUE(all.insert(line(entry.attributes)).second) << "twice: " << line(entry.attributes);
    }
    domain->offline(reader);
    domain->remove(reader);
    domain->give_back(reader);
    return all;
  }

  // The course, with one provider for both ports; null: none.
  void run_course(Provider* with) {
    const char* const chosen = std::getenv("CULVERT_SEED");
    const unsigned seed =
        chosen != nullptr ? static_cast<unsigned>(std::stoul(chosen)) : std::random_device{}();
    SCOPED_TRACE(fmt::format("CULVERT_SEED={}", seed));
    Table one("one", 256, *domain, with), two("two", 256, *domain, with);
    auto updater = std::move(*Updater::create([] {}));
    Follower follower({{"v0", &one}, {"v1", &two}}, [&](Update update) { updater->post(std::move(update)); });
    auto mirror = make();
    mirror->subscribe(follower);
    std::atomic<bool> stop = false;
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i) readers.emplace_back([&] { look_on(one, stop); });

    Events events(seed);
    for (int done = 0; done < kEvents && !HasFailure(); done += kBurst) {
      std::string burst;
      for (int i = 0; i < kBurst; ++i) burst += events.next() + "\n";
      FILE* pipe = ::popen("ip -force -batch - 2>/dev/null", "w");
      std::fwrite(burst.data(), 1, burst.size(), pipe);
      ::pclose(pipe);
      compare(*mirror, follower, *updater, one, two);
    }
    stop = true;
    for (std::thread& reader : readers) reader.join();
    mirror->unsubscribe(follower);
    updater->stop();
    one.clear();
    two.clear();
  }

  // The kernel may be about to change something by itself (link watch, IPv6 addresses), and what was refused
  // is tried again after a second: a difference counts if it stays.
  void compare(mirror::Mirror& mirror, Follower& follower, Updater& updater, const Table& one,
               const Table& two) {
    Lines have_one, have_two, want_one, want_two;
    for (int attempt = 0; attempt < 100; ++attempt) {
      sync(mirror);
      follower.flush();
      while (updater.pending() != 0) ::poll(nullptr, 0, 1);
      const Oracle oracle;
      have_one = lines(one);
      have_two = lines(two);
      want_one = oracle.table("v0");
      want_two = oracle.table("v1");
      if (have_one == want_one && have_two == want_two && !HasFailure()) return;
      ::poll(nullptr, 0, 50);
    }
    EXPECT_EQ(have_one, want_one);
    EXPECT_EQ(have_two, want_two);
  }

  void look_on(const Table& table, const std::atomic<bool>& stop) {
    const rcu::ReaderId reader = *domain->lend_name();
    domain->add(reader);
    while (!stop) {
      domain->online(reader);
      for (const Entry& entry : table.entries()) {
        const Attributes& what = entry.attributes;
        const auto found = table.find(what.gid, what.type, what.netdev);
        if (!found) continue;
        EXPECT_EQ(found->state, State::valid);
        EXPECT_EQ(found->attributes.gid, what.gid);
        EXPECT_EQ(found->attributes.type, what.type);
        EXPECT_EQ(found->attributes.netdev, what.netdev);
      }
      domain->offline(reader);
      std::this_thread::yield();
    }
    domain->remove(reader);
    domain->give_back(reader);
  }

  std::unique_ptr<rcu::Domain> domain;
};

// One for both ports: their entries have the same indexes.
class FaultyProvider : public Provider {
 public:
  Status add_gid(const Entry& entry) override {
    const unsigned turn = turns_++;
    if (sleep_every != 0 && turn % sleep_every == 0) std::this_thread::sleep_for(50ms);
    if (fail_every != 0 && turn % fail_every == 0) return error("refused for the test");
    const std::lock_guard lock(mutex_);
    has_.insert(entry.attributes);
    return {};
  }
  Status del_gid(const Entry& entry) override {
    const unsigned turn = turns_++;
    if (sleep_every != 0 && turn % sleep_every == 0) std::this_thread::sleep_for(50ms);
    const std::lock_guard lock(mutex_);
    const auto found = has_.find(entry.attributes);
    EXPECT_NE(found, has_.end()) << "never added, or deleted twice: " << line(entry.attributes);
    if (found != has_.end()) has_.erase(found);
    if (fail_every != 0 && turn % fail_every == 0) return error("did not want to");
    return {};
  }
  bool is_empty() const { return has_.empty(); }

  unsigned sleep_every = 0, fail_every = 0;

 private:
  std::atomic<unsigned> turns_ = 0;
  std::mutex mutex_;
  std::multiset<Attributes> has_;
};

TEST_F(GidKernel, TablesEqualTheKernelsAddresses) { run_course(nullptr); }

TEST_F(GidKernel, WithAProviderThatSleepsNowAndThen) {
  FaultyProvider provider;
  provider.sleep_every = 20;
  run_course(&provider);
  EXPECT_TRUE(provider.is_empty());
}

TEST_F(GidKernel, WithAProviderThatFailsNowAndThen) {
  FaultyProvider provider;
  provider.fail_every = 7;
  run_course(&provider);
  EXPECT_TRUE(provider.is_empty());
}

}  // namespace
}  // namespace culvert::gid
