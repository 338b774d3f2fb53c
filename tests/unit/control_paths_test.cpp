// Static paths, of the configuration and of the shell, and those of kernel bridges, on a whole control lcore.
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/c_handle.hpp"
#include "control_fixture.hpp"

namespace culvert::control {
namespace {

net::Mac mac(unsigned last) { return *net::Mac::parse(fmt::format("02:00:00:00:00:{:02x}", last)); }

const std::string kBlue =
    "networks:\n  - {name: blue, type: l2, ports: [tenant], tunnels: [vx100], paths: "
    "[{mac: '02:00:00:00:00:01', tunnel: vx100}, {mac: '02:00:00:00:00:02', port: tenant}]}\n";

class ControlPaths : public ControlFixture {
 protected:
  // "blue 01 vx100 static, ..."
  std::string rows() {
    std::vector<std::string> rows;
    for (const PathView& path : control_->paths())
      rows.push_back(fmt::format("{} {} {} {}", path.network, path.mac.to_string().substr(15),
                                 path.tunnel.value_or(path.port.value_or("")), path.origin));
    std::ranges::sort(rows);
    return fmt::format("{}", fmt::join(rows, ", "));
  }
  std::string add(unsigned last, const std::string& tunnel, const std::string& port,
                  const std::string& network = "blue") {
    return message(control_->add_path(network, {mac(last), tunnel, port}));
  }
  std::string remove(unsigned last, const std::string& network = "blue") {
    return message(control_->delete_path(network, mac(last)));
  }
};

TEST_F(ControlPaths, OfTheConfigurationAndOfTheShell) {
  start(kPorts + kTunnels + kBlue);
  EXPECT_EQ(rows(), "blue 01 vx100 static, blue 02 tenant static");
  EXPECT_EQ(add(3, "vx100", ""), "no error");
  EXPECT_EQ(rows(), "blue 01 vx100 static, blue 02 tenant static, blue 03 vx100 static");
  EXPECT_EQ(add(3, "", "tenant"),
            "02:00:00:00:00:03 of network blue has a static path already, by tunnel vx100; `path del blue "
            "02:00:00:00:00:03` first");
  EXPECT_EQ(add(4, "vx200", ""), "tunnel vx200 is not in network blue; its tunnels: vx100");
  EXPECT_EQ(add(4, "", "uplink"), "port uplink is not in network blue; its ports: tenant");
  EXPECT_EQ(add(4, "vx100", "", "bleu"),
            "there is no network 'bleu'; did you mean 'blue'? known networks: blue");
  EXPECT_EQ(remove(4), "there is no path 02:00:00:00:00:04 in network blue; show paths lists them");
  EXPECT_TRUE(control_->flush_paths("blue"));
  EXPECT_EQ(rows(), "blue 01 vx100 static, blue 02 tenant static, blue 03 vx100 static");
  EXPECT_EQ(remove(3) + ", " + remove(1), "no error, no error");
  EXPECT_EQ(rows(), "blue 02 tenant static");
  EXPECT_EQ(reload(), "");  // what the shell took out of the configuration is in it still
  EXPECT_EQ(rows(), "blue 01 vx100 static, blue 02 tenant static");
}

TEST_F(ControlPaths, TheirFlowsAreExplained) {
  start(kPorts + kTunnels + kBlue);
  EXPECT_EQ(explain("path:blue:02:00:00:00:00:01"),
            "match      frames of network blue to 02:00:00:00:00:01\n" + kStepsIntoVx100);
  EXPECT_TRUE(
      explain("decap:blue:02:00:00:00:00:02")
          .starts_with("match      frames out of tunnels of network blue to 02:00:00:00:00:02, which is at "
                       "port tenant\nstate      software\n"))
      << explain("decap:blue:02:00:00:00:00:02");
  EXPECT_NE(explain("path:blue:02:00:00:00:00:02").find("there is no flow"), std::string::npos);
}

TEST_F(ControlPaths, ReloadAppliesTheDifference) {
  start(kPorts + kTunnels + kBlue);
  ASSERT_EQ(add(3, "vx100", ""), "no error");
  EXPECT_EQ(
      reload(kPorts + kTunnels +
             "networks:\n  - {name: blue, type: l2, ports: [tenant], tunnels: [vx100], paths: "
             "[{mac: '02:00:00:00:00:01', port: tenant}, {mac: '02:00:00:00:00:05', tunnel: vx100}]}\n"),
      "");
  EXPECT_EQ(rows(), "blue 01 tenant static, blue 03 vx100 static, blue 05 vx100 static");
}

TEST_F(ControlPaths, ReloadKeepsTheShells) {
  start(kPorts + kTunnels + kBlue);
  ASSERT_EQ(add(3, "vx100", ""), "no error");
  const std::string before = rows();
  const std::string gone =
      reload(kPorts + kTunnels + "networks:\n  - {name: blue, type: l2, ports: [tenant]}\n");
  EXPECT_NE(gone.find("the shell's path for 02:00:00:00:00:03 leads to tunnel vx100, which is no longer in "
                      "network blue; `path del blue 02:00:00:00:00:03` first"),
            std::string::npos)
      << gone;
  const std::string twice = reload(kPorts + kTunnels +
                                   "networks:\n  - {name: blue, type: l2, ports: [tenant], tunnels: [vx100], "
                                   "paths: [{mac: '02:00:00:00:00:03', tunnel: vx100}]}\n");
  EXPECT_NE(twice.find("network blue: the shell has made a path for 02:00:00:00:00:03"), std::string::npos)
      << twice;
  EXPECT_EQ(rows(), before);
  EXPECT_EQ(remove(3), "no error");
  EXPECT_EQ(reload(), "");
  EXPECT_EQ(rows(), "blue 03 vx100 static");
  EXPECT_EQ(reload(kPorts + kTunnels), "");
  EXPECT_EQ(rows(), "");
}

// A real bridge with the netdev of a port, another port and a vxlan device.
class KernelBridge : public ControlPaths {
 protected:
  void SetUp() override {
    ControlPaths::SetUp();
    // Nobody speaks but who is told to: the bridge would learn it.
    run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    run("ip link add tn0 type veth peer name tn1");
    run("ip link add other0 type veth peer name other1");
    run("ip link add vxlan100 type vxlan id 100 dstport 8472 local 192.0.2.1");
    add_bridge();
  }
  void add_bridge() {
    run("ip link add br100 type bridge");
    for (const char* link : {"tn0", "other0", "vxlan100"})
      run(fmt::format("ip link set {} master br100 up", link).c_str());
    run("ip link set tn1 up && ip link set other1 up && ip link set br100 up");
  }
  void start_bridged(const std::string& more = "") {
    start(
        "ports:\n  - {name: uplink, ethdev: net_null_up, netdev: up0}\n"
        "  - {name: tenant, ethdev: net_null_in, netdev: tn0}\n" +
        kTunnels + "networks:\n  - {name: blue, type: l2, ports: [tenant], tunnels: [vx100], bridge: br100" +
        more + "}\n");
  }
  // After what the kernel says.
  std::string rows() {
    settle();
    return ControlPaths::rows();
  }
  static void fdb(const std::string& words) { run(("bridge fdb " + words).c_str()); }
  // Stations behind the tunnel: at most 65,536.
  static void add_many(unsigned stations) {
    const std::string path = ::testing::TempDir() + "fdb_batch";
    std::ofstream batch(path);
    for (unsigned i = 0; i < stations; ++i)
      batch << fmt::format("fdb add 02:01:00:00:{:02x}:{:02x} dev vxlan100 dst 192.0.2.2 self static\n",
                           i >> 8, i & 255);
    batch.close();
    run(("bridge -b " + path).c_str());
  }
  // A broadcast into the link, of a station.
  static void send_from(unsigned last, const char* link) {
    const UniqueFd fd(::socket(AF_PACKET, SOCK_RAW, 0));
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(if_nametoindex(link));
    std::array<uint8_t, 60> frame{};
    std::fill_n(frame.begin(), 6, 0xff);
    std::ranges::copy(mac(last).bytes, frame.begin() + 6);
    frame[12] = 0x88;
    frame[13] = 0xb5;
    ASSERT_EQ(
        ::sendto(fd.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to)),
        static_cast<ssize_t>(frame.size()));
  }
};

TEST_F(KernelBridge, EntriesAreFollowed) {
  fdb("add 02:00:00:00:00:11 dev tn0 master static");
  fdb("add 02:00:00:00:00:12 dev vxlan100 dst 192.0.2.2 self static");
  fdb("add 02:00:00:00:00:13 dev other0 master static");
  fdb("add 02:00:00:00:00:14 dev vxlan100 dst 192.0.2.77 self static");
  fdb("append 00:00:00:00:00:00 dev vxlan100 dst 192.0.2.2");
  start_bridged();
  EXPECT_EQ(rows(), "blue 11 tenant kernel, blue 12 vx100 kernel") << "of the dump";
  fdb("add 02:00:00:00:00:15 dev vxlan100 dst 192.0.2.2 self extern_learn");
  fdb("add 02:00:00:00:00:15 dev vxlan100 master extern_learn");
  fdb("add 02:00:00:00:00:16 dev vxlan100 dst 192.0.2.2 vni 200 self");
  fdb("del 02:00:00:00:00:12 dev vxlan100 self");
  EXPECT_EQ(rows(), "blue 11 tenant kernel, blue 15 vx100 kernel") << "of events";
  // They move: the kernel says nothing of the old place.
  fdb("replace 02:00:00:00:00:11 dev other0 master static");
  fdb("replace 02:00:00:00:00:13 dev tn0 master static");
  fdb("replace 02:00:00:00:00:14 dev vxlan100 dst 192.0.2.2 self static");
  fdb("replace 02:00:00:00:00:15 dev tn0 master extern_learn");
  EXPECT_EQ(rows(), "blue 13 tenant kernel, blue 14 vx100 kernel, blue 15 tenant kernel");
}

TEST_F(KernelBridge, WhatItLearnedByItselfToo) {
  start_bridged();
  EXPECT_EQ(rows(), "") << "its own addresses are nobody's";
  send_from(0x21, "tn1");
  turn_until([&] { return ControlPaths::rows() == "blue 21 tenant kernel"; });
  send_from(0x21, "other1");
  turn_until([&] { return ControlPaths::rows().empty(); });
  send_from(0x21, "tn1");
  turn_until([&] { return ControlPaths::rows() == "blue 21 tenant kernel"; });
  run("ip link set tn0 type bridge_slave fdb_flush");
  turn_until([&] { return ControlPaths::rows().empty(); });
}

TEST_F(KernelBridge, StandsBelowStaticPaths) {
  fdb("add 02:00:00:00:00:01 dev tn0 master static");
  start_bridged(", paths: [{mac: '02:00:00:00:00:01', tunnel: vx100}]");
  EXPECT_EQ(rows(), "blue 01 vx100 static");
  EXPECT_NE(remove(2).find("there is no path"), std::string::npos);
  EXPECT_EQ(remove(1), "no error");
  EXPECT_EQ(rows(), "blue 01 tenant kernel");
  EXPECT_EQ(remove(1), "02:00:00:00:00:01 is the kernel's; `bridge fdb del` removes it, from bridge br100");
  EXPECT_EQ(add(1, "vx100", ""), "no error");
  fdb("del 02:00:00:00:00:01 dev tn0 master");
  EXPECT_EQ(rows(), "blue 01 vx100 static");
  EXPECT_EQ(remove(1), "no error");
  EXPECT_EQ(rows(), "");
}

TEST_F(KernelBridge, ComesGoesAndIsReadAgain) {
  start_bridged();
  run("ip link del br100");
  EXPECT_EQ(rows(), "");
  add_bridge();
  fdb("add 02:00:00:00:00:11 dev tn0 master static");
  fdb("add 02:00:00:00:00:12 dev vxlan100 dst 192.0.2.2 self static");
  turn_until([&] { return rows() == "blue 11 tenant kernel, blue 12 vx100 kernel"; });
  control_->resync();
  EXPECT_EQ(rows(), "blue 11 tenant kernel, blue 12 vx100 kernel");
  run("ip link set vxlan100 nomaster");
  turn_until([&] { return rows() == "blue 11 tenant kernel"; });
  run("ip link del br100");
  turn_until([&] { return rows().empty(); });
}

// A bridge learns without a limit what tenants send.
TEST_F(KernelBridge, WhatItLearnedByItselfIsLimited) {
  start_bridged(", max_macs: 10");
  fdb("add 02:00:00:00:00:81 dev tn0 master static");
  for (unsigned i = 0; i < 30; ++i) send_from(0x20 + i, "tn1");
  turn_until(
      [&] { return ControlPaths::rows().find("81") != std::string::npos && control_->paths().size() == 11; });
  settle();
  EXPECT_EQ(control_->paths().size(), 11u) << "the operator's beside them";
  run("ip link set tn0 type bridge_slave fdb_flush");
  turn_until([&] { return control_->paths().size() <= 1; });
  send_from(0x55, "tn1");
  turn_until([&] { return ControlPaths::rows().find("blue 55 tenant kernel") != std::string::npos; });
}

TEST_F(KernelBridge, ManyThatWereThereBefore) {
  add_many(40'000);
  start_bridged();
  settle();
  EXPECT_EQ(control_->paths().size(), 40'000u);
}

TEST_F(KernelBridge, ReloadAndMany) {
  fdb("add 02:00:00:00:00:12 dev vxlan100 dst 192.0.2.2 self static");
  start_bridged();
  EXPECT_EQ(rows(), "blue 12 vx100 kernel");
  add_many(20'000);
  settle();
  EXPECT_EQ(control_->paths().size(), 20'001u);
  EXPECT_EQ(reload("ports:\n  - {name: uplink, ethdev: net_null_up, netdev: up0}\n"
                   "  - {name: tenant, ethdev: net_null_in, netdev: tn0}\n" +
                   kTunnels + "networks:\n  - {name: blue, type: l2, ports: [tenant], tunnels: [vx100]}\n"),
            "");
  EXPECT_EQ(rows(), "");
}

}  // namespace
}  // namespace culvert::control
