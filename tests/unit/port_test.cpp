#include "port/port.hpp"

#include <gtest/gtest.h>
#include <rte_bus_vdev.h>

#include "eal.hpp"

namespace culvert::port {
namespace {

// A vdev for the length of a test.
class Vdev {
 public:
  Vdev(std::string name, const char* arguments) : name_(std::move(name)) {
    made = rte_vdev_init(name_.c_str(), arguments) == 0;
  }
  ~Vdev() {
    if (made) rte_vdev_uninit(name_.c_str());
  }
  bool made = false;

 private:
  std::string name_;
};

class Ports : public ::testing::Test {
 protected:
  Ports() {
    testing::start_eal();
    pool = std::move(*create_mempool("ports", 4095));
  }

  Result<std::unique_ptr<Port>> open(const std::string& ethdev, unsigned workers) {
    return Port::open({.name = "p", .ethdev = ethdev, .workers = workers, .pool = pool.get()});
  }

  Mempool pool;
};

TEST_F(Ports, UnknownEthdevIsNamedWithTheKnownOnes) {
  const Vdev vdev("net_null_known", "");
  const auto port = open("net_nobody0", 1);
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().message.find("'net_nobody0'"), std::string::npos) << port.error().message;
  EXPECT_NE(port.error().message.find("net_null_known"), std::string::npos) << port.error().message;
}

TEST_F(Ports, AQueueForEachWorkerAndOnceClosed) {
  const Vdev vdev("net_null_two", "");
  auto port = open("net_null_two", 2);
  ASSERT_TRUE(port) << port.error().message;
  ASSERT_TRUE((*port)->start());
  EXPECT_EQ((*port)->driver(), "net_null");
  EXPECT_EQ((*port)->rx_queue_count(), 2);
  EXPECT_EQ((*port)->tx_queue(1).id, 1);
  EXPECT_EQ((*port)->tx_queue(0).lock, nullptr);
  EXPECT_FALSE((*port)->kernel_frames());
  EXPECT_EQ((*port)->mtu(), 1500);
  (*port)->close();
  (*port)->close();
}

// af_packet over the loopback link: one queue pair, whatever the number of workers.
TEST_F(Ports, TooFewQueuesAreShared) {
  const Vdev vdev("net_af_packet_lo", "iface=lo,qpairs=1");
  if (!vdev.made) GTEST_SKIP() << "packet sockets are not allowed here";
  auto port = open("net_af_packet_lo", 3);
  ASSERT_TRUE(port) << port.error().message;
  ASSERT_TRUE((*port)->start());
  EXPECT_TRUE((*port)->kernel_frames());
  EXPECT_EQ((*port)->if_index(), 1u);
  EXPECT_EQ((*port)->rx_queue_count(), 1);
  EXPECT_EQ((*port)->tx_queue(2).id, 0);
  EXPECT_NE((*port)->tx_queue(2).lock, nullptr);
  EXPECT_EQ((*port)->tx_queue(2).lock, (*port)->tx_queue(0).lock);
}

TEST_F(Ports, TapQueuesComeInPairs) {
  const Vdev vdev("net_tap_unit", "iface=cvunit%d");
  if (!vdev.made) GTEST_SKIP() << "taps are not allowed here";
  auto port = open("net_tap_unit", 2);
  ASSERT_TRUE(port) << port.error().message;
  ASSERT_TRUE((*port)->start());
  EXPECT_EQ((*port)->rx_queue_count(), (*port)->tx_queue_count());
  EXPECT_FALSE((*port)->mac().is_zero());
}

}  // namespace
}  // namespace culvert::port
