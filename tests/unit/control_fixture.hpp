// A whole control lcore: a kernel of its own (a network namespace), ports that lead nowhere, one worker. The
// test's thread is the control lcore.
#pragma once

#include <gtest/gtest.h>
#include <rte_bus_vdev.h>
#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "control/control.hpp"
#include "eal.hpp"

namespace culvert::control {

using namespace std::chrono_literals;

inline const std::string kPorts = R"(
ports:
  - {name: uplink, ethdev: net_null_up, netdev: up0}
  - {name: tenant, ethdev: net_null_in}
)";
inline const std::string kTunnels = R"(
tunnels:
  - {name: vx100, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.2}
  - {name: vx200, type: vxlan, vni: 200, local: 192.0.2.1, remote: 198.51.100.2}
)";
inline const std::string kNetworks =
    "networks:\n  - {name: blue, type: l2, ports: [tenant], tunnels: [vx100]}\n";
// What `flow explain` says behind the match of what goes into vx100: net_null has no rte_flow.
inline const std::string kStepsIntoVx100 =
    "tunnel     vx100: vxlan VNI 100 from 192.0.2.1 to 192.0.2.2, UDP port 4789\n"
    "route      192.0.2.0/24 in table main, unicast, of kernel\n"
    "nexthop    192.0.2.2 out of port uplink\n"
    "neighbour  192.0.2.2 on up0: 02:00:00:00:00:02, permanent\n"
    "state      software\n"
    "layout     none: its port takes no rules\n"
    "reason     port uplink: its driver takes no rules: Function not implemented\n";

class ControlFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    culvert::testing::start_eal();
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root";
    run("ip link set lo up");
    run("ip link add up0 type veth peer name up1");
    run("ip link set up0 up");
    run("ip link set up1 up");
    run("ip address add 192.0.2.1/24 dev up0");
    run("ip neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev up0 nud permanent");
    ASSERT_EQ(rte_vdev_init("net_null_up", "no-rx=1"), 0);
    ASSERT_EQ(rte_vdev_init("net_null_in", "no-rx=1"), 0);
    file_ = ::testing::TempDir() + fmt::format("culvert_control_{}.yaml", getpid());
  }
  void TearDown() override {
    control_.reset();
    rte_vdev_uninit("net_null_up");
    rte_vdev_uninit("net_null_in");
    std::filesystem::remove(file_);
  }
  static void run(const char* command) { ASSERT_EQ(std::system(command), 0) << command; }

  void write(const std::string& text) { std::ofstream(file_) << text; }
  void start(const std::string& text) {
    write(text);
    const config::Parsed parsed = config::load(file_);
    ASSERT_TRUE(parsed.errors.empty()) << parsed.errors[0].to_string();
    auto control = Control::create(loop_, parsed.config, file_, {1});
    ASSERT_TRUE(control) << control.error().message;
    control_ = *std::move(control);
    settle();
  }
  std::string reload() {
    std::optional<Status> status;
    control_->reload([&](const Status& outcome) { status = outcome; });
    turn_until([&] { return status.has_value(); });
    return *status ? "" : status->error().message;
  }
  std::string reload(const std::string& text) {
    write(text);
    return reload();
  }
  // Until all that was said is where it belongs.
  void settle() {
    bool done = false;
    control_->wait(Clock::now() + 10s, std::nullopt, [&](const Status& status) {
      EXPECT_TRUE(status) << status.error().message;
      done = true;
    });
    while (!done) loop_.turn(10ms);
  }
  template <typename Ready>
  void turn_until(Ready ready) {
    const TimePoint deadline = Clock::now() + 10s;
    while (!ready() && Clock::now() < deadline) loop_.turn(10ms);
    EXPECT_TRUE(ready());
  }
  // What `flow explain` answers.
  std::string explain(const std::string& name) {
    std::string steps;
    control_->explain_flow(
        name, [&](const Result<std::string>& text) { steps = text ? *text : text.error().message; });
    turn_until([&] { return !steps.empty(); });
    return steps;
  }
  static std::string message(const Status& status) { return status ? "no error" : status.error().message; }

  EventLoop loop_;
  std::unique_ptr<Control> control_;
  std::string file_;
};

}  // namespace culvert::control
