// What the control lcore is told of the FDB, and rows that the NIC uses.
#include "rig.hpp"

namespace culvert::testing {
namespace {

using dataplane::Origin;
using dataplane::PathEvent;
using Kind = PathEvent::Kind;

class PathEvents : public ::testing::Test {
 protected:
  PathEvents() {
    rig.path->set_path_listener([this](const PathEvent& event) { told.push_back(event); });
  }
  // What was told since the last call.
  std::vector<PathEvent> take() { return std::exchange(told, {}); }
  static PathEvent event(Kind kind, unsigned station, Where where, Origin origin = Origin::learned) {
    return {kind, 0, to_mac(station), where, origin};
  }
  void pass(seconds time) {
    for (seconds at{0}; at < time; at += seconds(1)) {
      rig.now += seconds(1);
      rig.control();
    }
  }

  Rig rig;
  std::vector<PathEvent> told;
};

TEST_F(PathEvents, RowsThatAreLearnedMoveAndAge) {
  rig.carry(Rig::kTenant, udp_frame(9, 1, 60), Rig::kUplink);
  EXPECT_EQ(take(), std::vector{event(Kind::appeared, 1, Where::port(Rig::kTenant))});
  rig.carry(Rig::kTenant, udp_frame(9, 1, 60), Rig::kUplink);
  EXPECT_TRUE(take().empty());
  rig.carry(Rig::kUplink, arriving(udp_frame(9, 1, 60)), Rig::kTenant);
  EXPECT_EQ(take(), std::vector{event(Kind::moved, 1, Where::tunnel(0))});
  pass(seconds(59));
  EXPECT_TRUE(take().empty());
  pass(seconds(32));
  EXPECT_EQ(take(), std::vector{event(Kind::gone, 1, Where::tunnel(0))});
}

TEST_F(PathEvents, StaticRows) {
  rig.teach(9, Where::tunnel(0));
  EXPECT_EQ(take(), std::vector{event(Kind::appeared, 9, Where::tunnel(0), Origin::configured)});
  rig.teach(9, Where::tunnel(0));
  EXPECT_TRUE(take().empty());
  rig.teach(9, Where::tunnel(1));
  EXPECT_EQ(take(), std::vector{event(Kind::moved, 9, Where::tunnel(1), Origin::configured)});
  rig.carry(Rig::kTenant, udp_frame(9, 1, 60), Rig::kUplink);
  take();
  rig.teach(1, Where::port(Rig::kTenant));  // learned there: from now on it stays
  EXPECT_EQ(take(), std::vector{event(Kind::moved, 1, Where::port(Rig::kTenant), Origin::configured)});
}

TEST_F(PathEvents, RowsThatGoWithTheirNetwork) {
  rig.teach(8, Where::tunnel(0));
  rig.teach(9, Where::tunnel(1));
  take();
  ASSERT_TRUE(rig.path->set_networks({{.id = 0, .ports = {0, 1}, .encaps = {1}}}));
  EXPECT_EQ(take(), std::vector{event(Kind::gone, 8, Where::tunnel(0), Origin::configured)});
  rig.path->set_path_listener({});
  ASSERT_TRUE(rig.path->set_networks({}));
  EXPECT_TRUE(take().empty());
}

TEST_F(PathEvents, ATouchedRowStays) {
  rig.carry(Rig::kTenant, udp_frame(9, 1, 60), Rig::kUplink);
  rig.carry(Rig::kTenant, udp_frame(9, 2, 60), Rig::kUplink);
  take();
  for (int i = 0; i < 10; ++i) {
    pass(seconds(20));
    rig.path->touch(0, to_mac(1));
    rig.path->touch(0, to_mac(77));  // nobody
    rig.path->touch(9, to_mac(1));
  }
  EXPECT_EQ(take(), std::vector{event(Kind::gone, 2, Where::port(Rig::kTenant))});
  ASSERT_EQ(rig.path->paths(rig.now).size(), 1u);
  EXPECT_EQ(rig.path->paths(rig.now)[0].idle_s, 0u);
  pass(seconds(91));
  EXPECT_EQ(take(), std::vector{event(Kind::gone, 1, Where::port(Rig::kTenant))});
}

}  // namespace
}  // namespace culvert::testing
