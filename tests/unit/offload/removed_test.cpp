// A port's device is removed while rules are on it, or on their way.
#include "gateway.hpp"
#include "registry.hpp"
#include "switch.hpp"

namespace culvert::offload::testing {
namespace {

const std::string kGone = "the device was removed";

template <typename Use>
void with_device(const Use& use) {
  for (const std::string& name : eswitch::switch_names()) eswitch::with_switch(name, use);
}

// What the driver holds beside rules; and how many rules it lets go.
size_t counters() {
  size_t count = 0;
  with_device([&](eswitch::Switch& sw) { count += sw.handles.size(); });
  return count;
}
void let_nothing_go(bool on) {
  with_device([&](eswitch::Switch& sw) { ASSERT_TRUE(sw.faults.set("fail", on ? "destroy:every:1" : "")); });
}

// The driver's port fails from now on, and the control lcore says so.
void remove(Gateway& gateway, PortIndex port) {
  with_device([&](eswitch::Switch& sw) {
    for (const auto& one : sw.ports)
      if (one->data().port_id == gateway.wires.port(port)) one->remove();
  });
  ASSERT_EQ(rte_eth_dev_is_removed(gateway.wires.port(port)), 1);
  gateway.offload->remove_port(port);
}

TEST(Removed, ASwitchIsForgottenWithItsUplink) {
  for (const bool async : {false, true})
    for (const LayoutWish layout : {LayoutWish::tagged, LayoutWish::flat}) {
      Gateway gateway({.arguments = "profile=mlx5,latency_us=500", .layout = layout, .async = async});
      for (EncapId id = 0; id < 2; ++id) gateway.resolve(id, static_cast<uint8_t>(1 + id));
      gateway.offload->set_networks({{.id = 0, .learning = true, .ports = {2}, .encaps = {0}}});
      for (int i = 0; i < 50; ++i)
        ASSERT_TRUE(gateway.add(fmt::format("f{}", i), i % 2, to_net(fmt::format("10.7.{}.0/24", i))));
      ASSERT_TRUE(gateway.client->add({"path", Source::path, PathTo{0, kB, 0}}));
      gateway.settle();
      ASSERT_GT(gateway.offload->operations().rules, 50u);
      // Rules are on their way in and out when it goes.
      gateway.resolve(0, 9);
      for (int i = 0; i < 50; i += 3) ASSERT_TRUE(gateway.client->remove(fmt::format("f{}", i)));
      ASSERT_TRUE(gateway.add("late", 1, to_net("10.8.0.0/16")));
      remove(gateway, 0);
      gateway.settle();
      EXPECT_EQ(gateway.offload->operations().rules, 0u);
      EXPECT_EQ(gateway.flow("late").state, FlowState::software);
      EXPECT_EQ(gateway.flow("late").reason, "switch of uplink: " + kGone);
      EXPECT_EQ(gateway.flow("path").reason, "switch of uplink: " + kGone);
      EXPECT_FALSE(gateway.offload->encap(0).in_hardware);
      EXPECT_EQ(gateway.verify(), std::vector<std::string>());
      // What the kernel, the user and the FDB say is heard as before.
      gateway.unresolve(1, "port removed: the device of uplink0 is gone");
      ASSERT_TRUE(gateway.add("later", 0, to_net("10.9.0.0/16")));
      gateway.offload->set_mode(Mode::automatic, LayoutWish::flat);
      ASSERT_TRUE(gateway.client->remove("path"));
      gateway.settle();
      EXPECT_EQ(gateway.flow("late").state, FlowState::pending);
      EXPECT_EQ(gateway.flow("later").state, FlowState::software);
      EXPECT_EQ(gateway.offload->operations().rules, 0u);
      EXPECT_FALSE(gateway.explain("later").empty());
    }
}

// Of two that overlap the higher one is decided first, while the lower one still wants its packets; and an
// older rule that the driver did not let go is there too.
TEST(Removed, TheDriverIsAskedNothingMore) {
  for (const bool async : {false, true}) {
    Gateway gateway({.arguments = "profile=mlx5", .layout = LayoutWish::flat, .async = async});
    gateway.resolve(0, 1);
    ASSERT_TRUE(gateway.add("higher", 0, to_net("10.7.1.0/24"), 100));
    ASSERT_TRUE(gateway.add("lower", 0, to_net("10.7.0.0/16"), 200));
    gateway.settle();
    if (!async) {
      let_nothing_go(true);
      gateway.resolve(0, 2);
      gateway.settle();
      let_nothing_go(false);
    }
    remove(gateway, 0);
    const size_t before = counters();
    const uint64_t refused = gateway.offload->operations().refused;
    gateway.settle();
    EXPECT_EQ(gateway.offload->operations().rules, 0u);
    EXPECT_EQ(gateway.flow("higher").state, FlowState::software);
    EXPECT_EQ(gateway.flow("lower").state, FlowState::software);
    ASSERT_TRUE(gateway.client->remove("higher"));
    gateway.settle();
    EXPECT_EQ(counters(), before);
    EXPECT_EQ(gateway.offload->operations().refused, refused);
    EXPECT_EQ(gateway.verify(), std::vector<std::string>());
  }
}

TEST(Removed, ATenantsRulesLeaveWithItsPort) {
  for (const bool async : {false, true}) {
    Gateway gateway({.arguments = "profile=mlx5", .layout = LayoutWish::flat, .async = async});
    gateway.resolve(0, 1);
    ASSERT_TRUE(gateway.add("gone", 0, to_net("10.7.0.0/16"), 100, 1));
    ASSERT_TRUE(gateway.add("stays", 0, to_net("10.7.0.0/16"), 100, 2));
    gateway.settle();
    const uint64_t both = gateway.offload->operations().rules;
    remove(gateway, 1);
    gateway.settle();
    EXPECT_EQ(gateway.flow("gone").state, FlowState::software);
    EXPECT_EQ(gateway.flow("gone").reason, kGone);
    EXPECT_EQ(gateway.offload->operations().rules, both - 1);
    EXPECT_EQ(gateway.way_of(inner_frame(kA, kB), 2), 1);
    EXPECT_EQ(gateway.verify(), std::vector<std::string>());
  }
}

TEST(Removed, APlainNicsMarksEnd) {
  for (const bool async : {false, true}) {
    Gateway gateway({.wires = 1, .arguments = "profile=mlx5", .async = async});
    gateway.resolve(0, 1);
    ASSERT_TRUE(gateway.add("one", 0, {}, 100, 0));
    gateway.settle();
    ASSERT_EQ(gateway.flow("one").state, FlowState::offloaded) << gateway.flow("one").reason;
    remove(gateway, 0);
    gateway.settle();
    EXPECT_EQ(gateway.offload->operations().rules, 0u);
    EXPECT_EQ(gateway.flow("one").state, FlowState::software);
    gateway.resolve(0, 2);
    gateway.settle();
    EXPECT_EQ(gateway.flow("one").state, FlowState::software);
    EXPECT_EQ(gateway.offload->operations().rules, 0u);
    EXPECT_EQ(gateway.verify(), std::vector<std::string>());
  }
}

// Two uplinks, isolated: each steers its own tunnel packets to the workers.
TEST(Removed, TheOtherUplinkKeepsItsSteering) {
  Gateway gateway({.wires = 3, .uplinks = 2, .arguments = "profile=mlx5", .layout = LayoutWish::flat});
  gateway.resolve(0, 1);
  gateway.settle();
  const uint64_t both = gateway.offload->operations().rules;
  remove(gateway, 1);
  gateway.settle();
  EXPECT_LT(gateway.offload->operations().rules, both);
  EXPECT_EQ(gateway.verify(), std::vector<std::string>());
  remove(gateway, 0);
  gateway.settle();
  EXPECT_EQ(gateway.offload->operations().rules, 0u);
}

}  // namespace
}  // namespace culvert::offload::testing
