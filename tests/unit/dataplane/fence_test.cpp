// Fences: when has everything that workers did by the old left the NIC? The uplink is a ring whose driver
// knows nothing of descriptors; here it is given a function that does.
#include <rte_ethdev.h>

#include <thread>

#include "rig.hpp"

namespace culvert::testing {
namespace {

using dataplane::Fence;

// Packets that the NIC has not sent yet, of the one queue that tells.
unsigned unsent = 0;
unsigned asked = 0;
constexpr uint16_t kDescriptors = 512;

// As ethdev's documentation has it: offset 0 is where the next packet goes.
int from_the_next(void*, uint16_t offset) {
  ++asked;
  if (offset >= kDescriptors) return -EINVAL;
  return offset >= kDescriptors - unsent ? RTE_ETH_TX_DESC_FULL : RTE_ETH_TX_DESC_DONE;
}

// As net_mlx5 answers: by the number of those in work.
int as_many(void*, uint16_t offset) { return offset < unsent ? RTE_ETH_TX_DESC_FULL : RTE_ETH_TX_DESC_DONE; }

class Fences : public ::testing::Test {
 protected:
  Fences() {
    rig.teach(9, Where::tunnel(0));
    unsent = asked = 0;
  }

  void tells(eth_tx_descriptor_status_t status) {
    rte_eth_fp_ops[rig.ports[Rig::kUplink]->port().id()].tx_descriptor_status = status;
  }
  void send(unsigned count, unsigned worker = 0, unsigned port = Rig::kTenant) {
    for (unsigned i = 0; i < count; ++i) EXPECT_TRUE(rig.ports[port]->arrive(udp_frame(9, 1, 60)));
    unsent += count;
    rig.turn(worker);
    rig.ports[Rig::kUplink]->sent();
  }

  Rig rig{{.workers = 2}};
};

TEST_F(Fences, WithoutTheDriversHelp) {
  tells(nullptr);
  const Fence idle = rig.path->fence();
  EXPECT_TRUE(rig.path->passed(idle));  // nobody ever sent
  send(3);
  const Fence fence = rig.path->fence();
  EXPECT_FALSE(rig.path->passed(fence));
  rig.turn(1);  // that worker has sent nothing
  EXPECT_FALSE(rig.path->passed(fence));
  rig.turn();
  EXPECT_TRUE(rig.path->passed(fence));
  EXPECT_TRUE(rig.path->passed(fence));
}

TEST_F(Fences, AWorkerInTheMiddleOfATurnHoldsItUp) {
  rig.domain->online(1);
  const Fence fence = rig.path->fence();
  EXPECT_FALSE(rig.path->passed(fence));
  rig.domain->quiescent(1);
  EXPECT_TRUE(rig.path->passed(fence));
  rig.domain->offline(1);
}

TEST_F(Fences, WaitForWhatWasPosted) {
  for (const auto status : {from_the_next, as_many}) {
    tells(status);
    unsent = 0;
    send(5);
    const Fence fence = rig.path->fence();
    for (int i = 0; i < 3; ++i) {
      rig.turn();
      EXPECT_FALSE(rig.path->passed(fence));
    }
    unsent = 1;
    rig.turn();
    EXPECT_FALSE(rig.path->passed(fence));
    unsent = 0;
    rig.turn();
    EXPECT_TRUE(rig.path->passed(fence));
  }
}

TEST_F(Fences, PassWhileTrafficGoesOn) {
  for (const auto status : {from_the_next, as_many}) {
    tells(status);
    unsent = 0;
    send(20);
    const Fence fence = rig.path->fence();
    rig.turn();
    // Ten are sent each turn and ten more posted: after two turns those in work are later ones.
    for (const bool expected : {false, true}) {
      unsent -= 10;
      send(10);
      rig.turn();
      EXPECT_EQ(rig.path->passed(fence), expected);
    }
    EXPECT_EQ(unsent, 20u);
  }
}

TEST_F(Fences, OneOfBeforeIsLeft) {
  tells(from_the_next);
  send(20);
  const Fence fence = rig.path->fence();
  rig.turn();
  send(7);
  unsent = 8;
  rig.turn();
  EXPECT_FALSE(rig.path->passed(fence));
  unsent = 7;
  rig.turn();
  EXPECT_TRUE(rig.path->passed(fence));
}

TEST_F(Fences, EachEndsThoughMoreAreAskedFor) {
  tells(from_the_next);
  send(4);
  const Fence first = rig.path->fence();
  rig.turn();
  send(4);
  const Fence second = rig.path->fence();
  rig.turn();
  unsent = 4;  // those of before the first are sent
  rig.turn();
  EXPECT_TRUE(rig.path->passed(first));
  rig.turn();
  EXPECT_FALSE(rig.path->passed(second));
  unsent = 0;
  rig.turn();
  EXPECT_TRUE(rig.path->passed(second));
}

// The ring has one send queue for both workers: what one posts counts for the other.
TEST_F(Fences, ASharedQueue) {
  tells(from_the_next);
  send(3);
  send(3, 1, Rig::kTenant2);
  const Fence fence = rig.path->fence();
  rig.turn(0);
  rig.turn(1);
  EXPECT_FALSE(rig.path->passed(fence));
  send(6, 1, Rig::kTenant2);
  unsent = 6;
  rig.turn(0);
  EXPECT_FALSE(rig.path->passed(fence));
  rig.turn(1);
  EXPECT_TRUE(rig.path->passed(fence));
}

TEST_F(Fences, NobodyAsksTheDriverWithoutOne) {
  tells(from_the_next);
  send(3);
  rig.turn();
  EXPECT_EQ(asked, 0u);
  rig.path->fence();
  rig.turn();
  EXPECT_GT(asked, 0u);
}

TEST_F(Fences, WorkersThatHaveEnded) {
  tells(from_the_next);
  ASSERT_TRUE(rig.path->launch());
  const auto wait_for = [](auto done) {
    const auto deadline = Clock::now() + seconds(20);
    while (!done() && Clock::now() < deadline) std::this_thread::sleep_for(milliseconds(1));
    return done();
  };
  const Fence idle = rig.path->fence();
  EXPECT_TRUE(wait_for([&] { return rig.path->passed(idle); }));
  rig.path->shutdown();
  EXPECT_TRUE(rig.path->passed(rig.path->fence()));
}

}  // namespace
}  // namespace culvert::testing
