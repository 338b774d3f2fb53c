// Flows come, change and go from several threads while neighbours flap. Now and then everybody pauses, and
// what is in the NIC must be what was said. CULVERT_STRESS_SECONDS makes it longer.
#include <atomic>
#include <barrier>
#include <random>
#include <thread>

#include "gateway.hpp"

namespace culvert::offload::testing {
namespace {

using namespace std::chrono_literals;

constexpr EncapId kEncaps = 8;
constexpr unsigned kThreads = 4, kNames = 400, kNets = 200;
constexpr auto kRound = 1s;

struct Way {
  const char* name;
  LayoutWish layout;
  bool async;

  friend void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }
};
constexpr std::array kWays{Way{"tagged", LayoutWish::tagged, false},
                           Way{"flat_async", LayoutWish::flat, true}};

// For each of the ways.
std::chrono::seconds stress_time() {
  const char* const seconds = std::getenv("CULVERT_STRESS_SECONDS");
  return std::chrono::seconds(seconds != nullptr ? std::atoi(seconds) / static_cast<int>(kWays.size()) : 1);
}

Bytes frame_to(unsigned net) {
  Bytes frame = inner_frame(kA, kB);
  frame[31] = static_cast<uint8_t>(net);  // 10.net.0.2
  return frame;
}

class Stress : public ::testing::TestWithParam<Way> {
 protected:
  // One round of everybody.
  void churn() {
    running_ = true;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back([this, seed = random_()] { user(seed); });
    const auto end = std::chrono::steady_clock::now() + kRound;
    while (std::chrono::steady_clock::now() < end) {
      flap();
      gateway_.wires.arrive(1 + random_() % 2, frame_to(random_() % kNets));
      gateway_.offload->run_answers();
      std::this_thread::sleep_for(200us);
    }
    running_ = false;
    for (std::thread& thread : threads) thread.join();
    gateway_.wires.settle();
    for (unsigned wire = 0; wire < gateway_.wires.size(); ++wire) {
      gateway_.wires.left(wire);
      gateway_.wires.received(wire);
    }
  }

  // A user of flows, from a thread of its own.
  void user(unsigned seed) {
    std::minstd_rand random(seed);
    const auto client = std::move(*gateway_.offload->client());
    while (running_) {
      const std::string name = fmt::format("flow{}", random() % kNames);
      switch (random() % 8) {
        case 0:
        case 1:
          (void)client->remove(name);
          break;
        case 2:
          (void)client->find(name);
          break;
        case 3:
          look_closer(*client, name, random());
          break;
        case 4:
          (void)client->replace(some_flow(name, random));
          break;
        default:
          (void)client->add(some_flow(name, random));
      }
      std::this_thread::sleep_for(20us);
    }
  }

  FlowSpec some_flow(const std::string& name, std::minstd_rand& random) {
    return {
        name, Source::shell,
        Explicit{static_cast<PortIndex>(1 + random() % 2),
                 to_net(fmt::format("10.{}.0.0/16", random() % kNets)), static_cast<uint16_t>(random() % 3),
                 sequence_.fetch_add(1), static_cast<EncapId>(random() % kEncaps)}};
  }

  // What costs more, and less often.
  void look_closer(Offload::Client& client, const std::string& name, unsigned random) {
    if (random % 64 == 0) (void)client.flows();
    if (random % 64 == 1) gateway_.offload->verify([this](const auto&) { ++answers_; });
    if (random % 16 == 2) gateway_.offload->explain(name, [this](const auto&) { ++answers_; });
  }

  // A neighbour goes, comes or has another MAC: never one that any encap had of late.
  void flap() {
    const EncapId id = random_() % kEncaps;
    if (random_() % 5 == 0) {
      gateway_.unresolve(id);
      mac_[id] = 0;
    } else {
      next_mac_ = static_cast<uint8_t>(next_mac_ == 255 ? 1 : next_mac_ + 1);
      gateway_.resolve(id, next_mac_);
      mac_[id] = next_mac_;
    }
  }

  void check() {
    gateway_.settle();
    for (const FlowView& flow : gateway_.client->flows()) {
      const bool valid = mac_.at(flow.encap.value()) != 0;
      const bool carried =
          flow.state == FlowState::offloaded || (flow.state == FlowState::software && !flow.reason.empty());
      EXPECT_TRUE(valid ? carried : flow.state != FlowState::offloaded)
          << flow.name << " " << static_cast<int>(flow.state) << " " << flow.reason;
    }
    for (const std::string& line : gateway_.verify())  // a full NIC refuses
      EXPECT_NE(line.find("refused its rule"), std::string::npos) << line;
    for (unsigned port : {1, 2})
      for (unsigned net = 0; net < kNets; net += 7) {
        const int way = gateway_.way_of(frame_to(net), port);
        EXPECT_TRUE(way == -1 || std::ranges::count(mac_, way) == 1)
            << "10." << net << " leaves with " << way;
      }
  }

  Gateway gateway_{
      {.arguments = "profile=mlx5,rules=300", .layout = GetParam().layout, .async = GetParam().async}};
  std::mt19937 random_{1};
  std::atomic<bool> running_{false};
  std::atomic<uint64_t> sequence_{0}, answers_{0};
  std::array<int, kEncaps> mac_{};  // of each neighbour; 0: not valid
  uint8_t next_mac_ = 0;
};

TEST_P(Stress, FlowsComeAndGoWhileNeighboursFlap) {
  for (EncapId id = 0; id < kEncaps; ++id) gateway_.unresolve(id);
  const auto end = std::chrono::steady_clock::now() + stress_time();
  do {
    churn();
    check();
  } while (!HasFailure() && std::chrono::steady_clock::now() < end);
  EXPECT_GT(sequence_, 100u);
  EXPECT_GT(answers_, 0u);

  for (const FlowView& flow : gateway_.client->flows()) EXPECT_TRUE(gateway_.client->remove(flow.name));
  for (EncapId id = 0; id < kEncaps; ++id) gateway_.offload->remove_encap(id);
  gateway_.settle();
  EXPECT_EQ(gateway_.offload->operations().rules, 0u);
  EXPECT_EQ(gateway_.verify(), std::vector<std::string>());
  EXPECT_TRUE(gateway_.client->flows().empty());
}

INSTANTIATE_TEST_SUITE_P(Ways, Stress, ::testing::ValuesIn(kWays),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace culvert::offload::testing
