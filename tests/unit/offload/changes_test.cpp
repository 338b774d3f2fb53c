// What changes while it runs: a flow, the layout, the mode; and what a driver that fails leaves behind.
#include <atomic>

#include "gateway.hpp"

namespace culvert::offload::testing {
namespace {

using namespace std::chrono_literals;

// Until the barrier answers, looks where the frame goes.
template <typename Look>
void while_it_changes(Gateway& gateway, Look look) {
  bool settled = false;
  gateway.offload->barrier([&] { settled = true; });
  while (!settled) {
    gateway.offload->run_answers();
    look();
  }
}

TEST(Replace, AFlowThatChangesLosesNoPacketToOneOfLowerPrecedence) {
  for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
    Gateway gateway({.arguments = "profile=mlx5,latency_us=3000", .layout = layout});
    for (EncapId id = 0; id < 3; ++id) gateway.resolve(id, static_cast<uint8_t>(1 + id));
    const auto narrow = [](EncapId id) {
      return FlowSpec{"narrow", Source::config, Explicit{1, to_net("10.7.0.0/16"), 100, 1, id}};
    };
    ASSERT_TRUE(gateway.client->add({"wide", Source::config, Explicit{1, to_net("10.0.0.0/8"), 200, 2, 0}}));
    ASSERT_TRUE(gateway.client->add(narrow(1)));
    gateway.settle();
    for (int i = 0; i < 6; ++i) {
      const EncapId to = i % 2 == 0 ? 2 : 1;
      ASSERT_TRUE(gateway.client->replace(narrow(to)));
      while_it_changes(gateway, [&] { EXPECT_NE(gateway.way_of(inner_frame(kA, kB)), 1); });
      EXPECT_EQ(gateway.flow("narrow").state, FlowState::offloaded) << gateway.flow("narrow").reason;
      EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1 + static_cast<int>(to));
    }
    EXPECT_EQ(gateway.verify(), std::vector<std::string>());
    // Into a tunnel that has no next hop: held, not lost to the other one.
    gateway.unresolve(2);
    ASSERT_TRUE(gateway.client->replace(narrow(2)));
    while_it_changes(gateway, [&] { EXPECT_NE(gateway.way_of(inner_frame(kA, kB)), 1); });
    EXPECT_EQ(gateway.flow("narrow").state, FlowState::pending);
    EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), -1);
    // And one that is removed while it takes another's place takes it along.
    ASSERT_TRUE(gateway.client->replace(narrow(1)));
    ASSERT_TRUE(gateway.client->replace(narrow(2)));
    ASSERT_TRUE(gateway.client->remove("narrow"));
    gateway.settle();
    EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1);
    EXPECT_EQ(gateway.client->flows().size(), 1u);
    EXPECT_EQ(gateway.verify(), std::vector<std::string>());
    EXPECT_FALSE(gateway.client->replace(narrow(2)));
  }
}

TEST(Replace, AFlowWhoseMatchAndPriorityChange) {
  Gateway gateway({.arguments = "profile=mlx5,latency_us=1000"});
  for (EncapId id = 0; id < 3; ++id) gateway.resolve(id, static_cast<uint8_t>(1 + id));
  const auto spec = [](const char* name, const char* to, uint16_t priority, uint64_t sequence, EncapId id) {
    return FlowSpec{name, Source::config, Explicit{1, to_net(to), priority, sequence, id}};
  };
  ASSERT_TRUE(gateway.client->add(spec("middle", "10.0.0.0/12", 100, 1, 0)));
  ASSERT_TRUE(gateway.client->add(spec("one", "10.7.0.0/16", 50, 2, 1)));
  gateway.settle();
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 2);
  ASSERT_TRUE(gateway.client->replace(spec("one", "10.0.0.0/8", 150, 2, 2)));  // behind now
  gateway.settle();
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 1);
  ASSERT_TRUE(gateway.client->replace(spec("one", "10.4.0.0/14", 20, 2, 2)));  // ahead again
  gateway.settle();
  EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 3);
  EXPECT_EQ(gateway.flow("one").state, FlowState::offloaded) << gateway.flow("one").reason;
  EXPECT_EQ(gateway.flow("middle").state, FlowState::offloaded) << gateway.flow("middle").reason;
  EXPECT_EQ(gateway.verify(), std::vector<std::string>());
}

TEST(Encaps, WhatIsSaidAgainTouchesNothing) {
  for (const unsigned wires : {3u, 1u}) {
    Gateway gateway({.wires = wires, .arguments = "profile=mlx5"});
    const EncapUpdate update = gateway.update_of(0, 1);
    gateway.offload->set_encap(update);
    ASSERT_TRUE(gateway.add("one", 0, {}, 100, wires == 1 ? 0 : 1));
    gateway.settle();
    gateway.offload->take_events();
    const Operations before = gateway.offload->operations();
    gateway.offload->set_encap(update);
    gateway.settle();
    EXPECT_EQ(gateway.offload->operations().created, before.created);
    EXPECT_TRUE(gateway.offload->take_events().empty());
    EXPECT_EQ(gateway.flow("one").state, FlowState::offloaded);
  }
}

TEST(Modes, LayoutAndModeChangeUnderTraffic) {
  for (const bool async : {false, true}) {
    Gateway gateway(
        {.arguments = "profile=mlx5,latency_us=200", .layout = LayoutWish::tagged, .async = async});
    for (EncapId id = 0; id < 2; ++id) gateway.resolve(id, static_cast<uint8_t>(1 + id));
    gateway.offload->set_networks({{.id = 0, .learning = true, .ports = {2}, .encaps = {0}}});
    ASSERT_TRUE(gateway.add("wide", 1, to_net("10.0.0.0/8"), 200));
    ASSERT_TRUE(gateway.add("narrow", 0, to_net("10.7.0.0/16"), 100));
    ASSERT_TRUE(gateway.client->add({"path", Source::path, PathTo{0, kB, 0}}));
    ASSERT_TRUE(gateway.client->add({"decap", Source::decap, StationAt{0, kA, 2}}));
    gateway.settle();
    const Bytes frame = inner_frame(kA, kB);
    const auto change = [&](Mode mode, LayoutWish layout, int then) {
      gateway.offload->set_mode(mode, layout);
      while_it_changes(gateway, [&] {
        for (const unsigned port : {1u, 2u}) {
          const int way = gateway.way_of(frame, port);
          EXPECT_TRUE(way == 1 || way == -1) << way;
        }
      });
      EXPECT_EQ(gateway.verify(), std::vector<std::string>());
      for (const unsigned port : {1u, 2u}) EXPECT_EQ(gateway.way_of(frame, port), then) << port;
    };
    const uint64_t tagged = gateway.offload->operations().rules;
    change(Mode::automatic, LayoutWish::flat, 1);
    EXPECT_EQ(gateway.offload->operations().rules, tagged - 2);  // no slots
    change(Mode::automatic, LayoutWish::tagged, 1);
    EXPECT_EQ(gateway.offload->operations().rules, tagged);
    change(Mode::off, LayoutWish::tagged, -1);
    EXPECT_EQ(gateway.flow("narrow").reason, "offload.mode is off");
    EXPECT_EQ(gateway.offload->operations().rules, 0u);
    change(Mode::automatic, LayoutWish::flat, 1);
    // Each packet is counted once, whichever layout carries it.
    for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
      change(Mode::automatic, layout, 1);
      std::this_thread::sleep_for(1s);  // all that was counted is read: each 100 ms, or when there is a core
      const uint64_t before = gateway.offload->encap(0).hardware.packets;
      for (int i = 0; i < 5; ++i) EXPECT_EQ(gateway.way_of(frame, 1 + i % 2), 1);
      EXPECT_TRUE(within(2s, [&] { return gateway.offload->encap(0).hardware.packets == before + 5; }))
          << gateway.offload->encap(0).hardware.packets - before;
    }
  }
}

TEST(Modes, AMarkIsTakenBackWhenThePlainNicIsSwitchedOff) {
  Gateway gateway({.wires = 1, .arguments = "profile=mlx5"});
  const auto ready = [&] {
    std::optional<MarkReady> mark;
    for (const Event& event : gateway.offload->take_events())
      if (const auto* one = std::get_if<MarkReady>(&event)) mark = *one;
    return mark;
  };
  gateway.resolve(0, 1);
  gateway.settle();
  const auto first = ready();
  ASSERT_TRUE(first);
  gateway.offload->set_mode(Mode::off, LayoutWish::automatic);
  gateway.resolve(0, 1);  // workers write the header again
  gateway.settle();
  EXPECT_FALSE(ready());
  EXPECT_EQ(gateway.way_of_marked(inner_frame(kA, kB), first->mark), 1);  // of what is in their queues
  gateway.offload->drained(0, UINT64_MAX);
  gateway.settle();
  EXPECT_EQ(gateway.way_of_marked(inner_frame(kA, kB), first->mark), -2);
  gateway.offload->set_mode(Mode::automatic, LayoutWish::automatic);
  gateway.settle();
  const auto second = ready();
  ASSERT_TRUE(second);
  EXPECT_EQ(gateway.way_of_marked(inner_frame(kA, kB), second->mark), 1);
}

TEST(Leftovers, StandBelowTheNewestRule) {
  for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
    for (const unsigned failing : {1u, 2u}) {
      Gateway gateway({.arguments = "profile=mlx5", .layout = layout});
      gateway.resolve(0, 1);
      ASSERT_TRUE(gateway.add("one", 0));
      gateway.resolve(0, 2);
      gateway.settle();
      uint8_t mac = 3;
      const auto change = [&] {
        gateway.resolve(0, mac);
        gateway.settle();
        EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), int{mac}) << "with " << failing << " leftovers";
        ++mac;
      };
      gateway.wires.set_fault("fail", "destroy:every:1");
      for (unsigned i = 0; i < failing; ++i) change();
      gateway.wires.set_fault("fail", "");  // they are asked for again after a second
      for (unsigned i = 0; i < 10; ++i) change();
    }
  }
}

TEST(Leftovers, LeadIntoNoOtherTunnel) {
  Gateway gateway({.arguments = "profile=mlx5", .layout = LayoutWish::tagged});
  gateway.resolve(0, 1);
  ASSERT_TRUE(gateway.add("one", 0));
  gateway.settle();
  gateway.wires.set_fault("fail", "destroy:every:1");
  ASSERT_TRUE(gateway.client->remove("one"));
  gateway.offload->remove_encap(0);
  gateway.settle();
  gateway.wires.set_fault("fail", "");
  gateway.resolve(0, 9);  // another tunnel
  gateway.settle();
  EXPECT_NE(gateway.way_of(inner_frame(kA, kB)), 9);
}

TEST(Modes, InModeOffAFlowIsSoftwareWhateverItsNeighbour) {
  for (const unsigned wires : {3u, 1u}) {
    Gateway gateway({.wires = wires, .arguments = "profile=mlx5"});
    ASSERT_TRUE(gateway.add("one", 0, {}, 100, wires == 1 ? 0 : 1));
    gateway.resolve(0, 1);
    gateway.settle();
    gateway.unresolve(0);
    gateway.settle();
    gateway.offload->set_mode(Mode::off, LayoutWish::automatic);
    gateway.settle();
    EXPECT_EQ(gateway.flow("one").state, FlowState::software) << wires << ": " << gateway.flow("one").reason;
  }
  Gateway gateway({.arguments = "profile=mlx5", .mode = Mode::off});
  ASSERT_TRUE(gateway.add("one", 0));
  gateway.unresolve(0);
  gateway.settle();
  EXPECT_EQ(gateway.flow("one").state, FlowState::software) << "before: " << gateway.flow("one").reason;
  gateway.resolve(0, 1);
  gateway.settle();
  gateway.unresolve(0);
  gateway.settle();
  EXPECT_EQ(gateway.flow("one").state, FlowState::software) << "after: " << gateway.flow("one").reason;
}

TEST(Replace, AFlowThatIsReplacedIsAlwaysFound) {
  Gateway gateway({.arguments = "profile=mlx5", .mode = Mode::off});
  const auto spec = [] { return FlowSpec{"one", Source::shell, Explicit{1, {}, 100, 1, 0}}; };
  ASSERT_TRUE(gateway.client->add(spec()));
  std::atomic<bool> running{true};
  std::atomic<unsigned> missed{0}, looked{0};
  std::thread reader([&] {
    const auto client = std::move(*gateway.offload->client());
    while (running) {
      ++looked;
      missed += !client->find("one").has_value();
    }
  });
  const auto end = std::chrono::steady_clock::now() + 4s;
  while (std::chrono::steady_clock::now() < end) ASSERT_TRUE(gateway.client->replace(spec()));
  running = false;
  reader.join();
  EXPECT_EQ(missed, 0u) << "of " << looked;
}

TEST(Modes, AModeThatStaysWhatItIsTouchesNothing) {
  for (const unsigned uplinks : {1u, 2u}) {
    Gateway gateway({.wires = 3, .uplinks = uplinks, .arguments = "profile=mlx5"});
    gateway.resolve(0, 1);
    gateway.settle();
    const Operations before = gateway.offload->operations();
    gateway.offload->set_mode(Mode::automatic, LayoutWish::tagged);
    gateway.settle();
    EXPECT_EQ(gateway.offload->operations().created, before.created) << uplinks;
  }
  Gateway gateway({.wires = 1, .arguments = "profile=mlx5"});
  gateway.resolve(0, 1);
  gateway.settle();
  const Operations before = gateway.offload->operations();
  gateway.offload->set_mode(Mode::automatic, LayoutWish::tagged);
  gateway.settle();
  EXPECT_EQ(gateway.offload->operations().created, before.created) << "plain NIC";
}

TEST(Leftovers, WhatAReplacedFlowLeavesBehindStandsBelowTheNewOne) {
  for (const LayoutWish layout : {LayoutWish::flat, LayoutWish::tagged}) {
    for (const int changes : {0, 1}) {
      Gateway gateway({.arguments = "profile=mlx5", .layout = layout});
      for (EncapId id = 0; id < 2; ++id) gateway.resolve(id, static_cast<uint8_t>(1 + id));
      const auto narrow = [](EncapId id) {
        return FlowSpec{"narrow", Source::config, Explicit{1, to_net("10.7.0.0/16"), 100, 1000, id}};
      };
      ASSERT_TRUE(gateway.client->add(narrow(0)));
      gateway.settle();
      if (changes != 0) gateway.resolve(0, 3);
      gateway.settle();
      gateway.wires.set_fault("fail", "destroy:every:1");
      ASSERT_TRUE(gateway.client->replace(narrow(1)));
      gateway.settle();
      EXPECT_EQ(gateway.way_of(inner_frame(kA, kB)), 2)
          << (layout == LayoutWish::flat ? "flat " : "tagged ") << changes;
      gateway.wires.set_fault("fail", "");
    }
  }
}

}  // namespace
}  // namespace culvert::offload::testing
